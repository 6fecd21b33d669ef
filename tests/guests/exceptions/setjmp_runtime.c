/* What code that was compiled with -mllvm -wasm-enable-sjlj calls. Longjmp is an exception whose
 * value is the address of what follows `label` here. */
#include <stdint.h>

#ifdef DEFINE_TAGS
__asm__(".tagtype __c_longjmp i32\n.globl __c_longjmp\n__c_longjmp:\n");
#endif

struct buffer {
    void *invocation; /* of the function that called setjmp */
    uint32_t label;   /* which of its calls; 0 = none */
    struct {
        void *buffer;
        int value;
    } thrown;
};

void __wasm_setjmp(void *p, uint32_t label, void *invocation)
{
    struct buffer *b = p;
    b->invocation = invocation;
    b->label = label;
}

uint32_t __wasm_setjmp_test(void *p, void *invocation)
{
    const struct buffer *b = p;
    return b->invocation == invocation ? b->label : 0;
}

_Noreturn void __wasm_longjmp(void *p, int value)
{
    struct buffer *b = p;
    b->thrown.buffer = p;
    b->thrown.value = value ? value : 1;
    __builtin_wasm_throw(1, &b->thrown);
}
