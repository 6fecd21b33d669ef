#include "quick.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

struct quick *quick_now;
struct lucet_instance *quick_other;
atomic_int quick_waiting;

const char quick_wat[] = "(module (import \"h\" \"f\" (func $f (param i32) (result i32)))"
                         " (tag $t (param i32)) (memory 1)"
                         " (func (export \"add\") (param i32 i32) (result i32)"
                         "   (i32.add (local.get 0) (local.get 1)))"
                         " (func (export \"throw\") (param i32 i32) (result i32)"
                         "   (throw $t (i32.add (local.get 0) (local.get 1))))"
                         " (func (export \"trap\") (param i32 i32) (result i32) unreachable)"
                         " (func (export \"host\") (param i32 i32) (result i32)"
                         "   (i32.add (call $f (local.get 0)) (local.get 1)))"
                         " (func (export \"spin\") (loop (br 0))))";

/* ---- Memory ---- */

static atomic_long blocks;

/* Behind every block is nothing. */
static size_t whole(size_t size)
{
    return PAGE + (size + PAGE - 1) / PAGE * PAGE + PAGE;
}

static void *guarded_malloc(void *context, size_t size)
{
    const size_t aligned = (size + 15) & ~(size_t)15;
    uint8_t *p =
        mmap(NULL, whole(aligned), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)context;
    if (p == MAP_FAILED || mprotect(p + whole(aligned) - PAGE, PAGE, PROT_NONE) != 0)
        return NULL;
    *(size_t *)(void *)p = aligned;
    atomic_fetch_add(&blocks, 1);
    return p + whole(aligned) - PAGE - aligned;
}

static uint8_t *head(void *p)
{
    return (uint8_t *)(((uintptr_t)p & ~(uintptr_t)(PAGE - 1)) - PAGE);
}

static void guarded_free(void *context, void *p)
{
    (void)context;
    atomic_fetch_sub(&blocks, 1);
    munmap(head(p), whole(*(size_t *)(void *)head(p)));
}

static void *guarded_realloc(void *context, void *p, size_t size)
{
    const size_t before = *(size_t *)(void *)head(p);
    void *q = guarded_malloc(context, size);

    if (q) {
        memcpy(q, p, before < size ? before : size);
        guarded_free(context, p);
    }
    return q;
}

void quick_guard_allocations(void)
{
    static const struct lucet_allocator guarded = {guarded_malloc, guarded_realloc, guarded_free,
                                                   NULL};

    if (lucet_set_allocator(&guarded) != lucet_error_ok)
        abort();
}

/* ---- The instance ---- */

static void throw_one(struct lucet_vmctx *ctx)
{
    struct lucet_tag *tag;
    struct lucet_exception *e;

    assert_int_equal(lucet_tag_new("I:", &tag), lucet_error_ok);
    assert_int_equal(lucet_exception_new(tag, ARGS(I64(1)), &e), lucet_error_ok);
    assert_int_equal(lucet_vmctx_throw(ctx, e), lucet_error_ok);
    lucet_exception_release(e);
    lucet_tag_release(tag);
}

static enum lucet_error fault_within(void)
{
    const struct lucet_func trap = quick_handle(quick_now, "trap");
    union lucet_raw v[2] = {{.i32 = 1}, {.i32 = 2}};

    return lucet_func_call(&trap, quick_now->inst, v, NULL);
}

static int32_t host_function(struct lucet_vmctx *ctx, int32_t n)
{
    union lucet_raw v[2] = {{.i32 = 40}, {.i32 = 2}};

    if (lucet_vmctx_instance(ctx) != quick_now->inst && lucet_vmctx_instance(ctx) != quick_other)
        abort();
    if (n == SET_TIMEOUT)
        assert_int_equal(lucet_instance_set_timeout(quick_now->inst, 5), lucet_error_ok);
    if (n == CALL_OTHER)
        return lucet_func_call(&quick_now->add, quick_other, v, NULL) == lucet_error_ok ? v[0].i32
                                                                                        : -1;
    if (n == YIELD)
        return *(int32_t *)lucet_vmctx_yield(ctx, NULL);
    if (n == TERMINATE)
        lucet_vmctx_terminate(ctx, NULL);
    if (n == FAULT)
        assert_int_equal(fault_within(), lucet_error_runtime_fault);
    if (n == THROW)
        throw_one(ctx);
    if (n == WAIT) {
        atomic_store(&quick_waiting, 1);
        while (atomic_load(&quick_waiting) != 2)
            usleep(100);
    }
    return n;
}

struct lucet_func quick_handle(const struct quick *w, const char *name)
{
    struct lucet_func f;

    assert_int_equal(lucet_dl_module_func(w->module, name, NULL, &f), lucet_error_ok);
    return f;
}

void quick_begin(struct quick *w, const char *text)
{
    guest_begin();
    w->region = guest_region(8);
    assert_int_equal(lucet_linker_new(&w->linker), lucet_error_ok);
    assert_int_equal(lucet_linker_func(w->linker, "h", "f", "i:i", (void (*)(void))host_function),
                     0);
    w->module = guest_module(text, &guest_default);
    w->inst = guest_instance(w->region, w->module, w->linker, NULL);
    w->add = quick_handle(w, "add");
    w->host = quick_handle(w, "host");
    quick_now = w;
    quick_other = NULL;
}

void quick_end(const struct quick *w)
{
    lucet_instance_release(w->inst);
    lucet_dl_module_release(w->module);
    lucet_linker_release(w->linker);
    lucet_region_release(w->region);
    assert_int_equal(atomic_load(&blocks), 0);
}

int32_t quick_call(const struct lucet_func *f, struct lucet_instance *i, int32_t a, int32_t b)
{
    union lucet_raw v[2] = {{.i32 = a}, {.i32 = b}};

    assert_int_equal(lucet_func_call(f, i, v, NULL), lucet_error_ok);
    return v[0].i32;
}
