/* How much of the host's stack the runtime uses: what docs/embedding.md (Threads) says of small
 * ones is enough. */
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include "set.h"

#if defined(LUCET_SANITIZE) || defined(LUCET_TSAN) /* whose frames are larger */
enum { ENOUGH = 128 << 10 };
#else
enum { ENOUGH = 8 << 10 };
#endif
enum { STACK_SIZE = 256 << 10, PAINT = 0xa9 };

static const char wat[] =
    "(module (import \"h\" \"yield\" (func $yield)) (tag $e) (memory 1 100) (table 1 10 funcref)"
    " (func (export \"closed\") (param i32) (result i32) (i32.store (i32.const 8) (local.get 0))"
    "   (local.get 0))"
    " (func (export \"fault\") (drop (i32.load (i32.const 0x7ffffff0))))"
    " (func $deep (export \"overflow\") (call $deep) (call $deep))"
    " (func (export \"yield\") (call $yield)) (func (export \"throw\") (throw $e))"
    " (func (export \"grow\") (drop (memory.grow (i32.const 3)))"
    "   (drop (table.grow (ref.null func) (i32.const 3))))"
    " (func (export \"forever\") (loop (br 0)))"
    " (func (export \"f\") (param f64 i64 i64 i64 i64 i64 i64 i64) (result f64 i64 i64)"
    "   (local.get 0) (local.get 1) (local.get 2)))";

static struct set s;
static struct lucet_instance *inst;
static struct lucet_result result;
static uint8_t *artifact;
static size_t artifact_size;
static char path[] = "/tmp/lucet-test-XXXXXX";

static void yield(const struct lucet_vmctx *vmctx)
{
    lucet_vmctx_yield(vmctx, NULL);
}

/* What is done there; cmocka's own functions are for afterwards. */

static bool run(const char *name)
{
    lucet_instance_run(inst, name, 0, NULL, &result);
    return result.tag != lucet_result_tag_errored;
}

static bool make(void)
{
    const struct lucet_instance_options o = {.linker = s.linker};

    return lucet_region_new_instance_with(s.region, s.module, &o, &inst) == lucet_error_ok;
}

static bool attach(void)
{
    return lucet_thread_detach() == lucet_error_ok && lucet_thread_attach(0) == lucet_error_ok;
}

static bool call(void)
{
    union lucet_raw v[1] = {{.i32 = 5}};
    struct lucet_func f;

    return lucet_dl_module_func(s.module, "closed", "i:i", &f) == lucet_error_ok &&
           lucet_func_call(&f, inst, v, &result) == lucet_error_ok &&
           lucet_func_call(&f, inst, v, &result) == lucet_error_ok;
}

static bool call_by_name(void)
{
    struct lucet_val out[3],
        in[] = {LUCET_VAL_F64(1), I64(2), I64(3), I64(4), I64(5), I64(6), I64(7), I64(8)};

    return lucet_instance_call(inst, "f", 1, 8, in, 3, out, &result) == lucet_error_ok;
}

static bool fail_to_call(void)
{
    return lucet_instance_run(inst, "no such function", 0, NULL, &result) != lucet_error_ok;
}

static bool fault(void)
{
    return run("fault") && lucet_instance_reset(inst) == lucet_error_ok && run("overflow") &&
           lucet_instance_reset(inst) == lucet_error_ok;
}

static bool yield_and_throw(void)
{
    return run("yield") && lucet_instance_resume(inst, NULL, &result) == lucet_error_ok &&
           run("throw");
}

static bool grow(void)
{
    return run("grow");
}

static bool slices(void)
{
    bool good = lucet_instance_set_slice(inst, 50000) == lucet_error_ok && run("forever");

    for (int k = 0; k < 5; k++)
        good = good && result.tag == lucet_result_tag_yielded &&
               lucet_instance_resume(inst, NULL, &result) == lucet_error_ok;
    return good && lucet_instance_reset(inst) == lucet_error_ok &&
           lucet_instance_set_slice(inst, 0) == lucet_error_ok;
}

static bool limit(void)
{
    return lucet_instance_set_timeout(inst, 2) == lucet_error_ok && run("forever") &&
           result.tag == lucet_result_tag_terminated;
}

static bool end(void)
{
    lucet_instance_release(inst);
    return true;
}

static bool load(void)
{
    struct lucet_dl_module *m = NULL;
    const bool good = lucet_dl_module_load_bytes(artifact, artifact_size, &m) == lucet_error_ok;

    lucet_dl_module_release(m);
    return good && lucet_dl_module_load("/nonexistent", &m) != lucet_error_ok;
}

static bool load_file(void)
{
    struct lucet_dl_module *m = NULL;
    const bool good = lucet_dl_module_load(path, &m) == lucet_error_ok;

    lucet_dl_module_release(m);
    return good;
}

static bool new_region(void)
{
    struct lucet_region *r = NULL;
    const bool good = lucet_mmap_region_create(4, NULL, &r) == lucet_error_ok;

    lucet_region_release(r);
    return good;
}

static const struct {
    const char *name;
    bool (*f)(void);
} things[] = {
    {"attach", attach},     {"load", load},           {"region", new_region},
    {"make", make},         {"call", call},           {"call_by_name", call_by_name},
    {"fail", fail_to_call}, {"fault", fault},         {"yield", yield_and_throw},
    {"grow", grow},         {"slices", slices},       {"limit", limit},
    {"end", end},           {"load file", load_file},
};

static ucontext_t here, back;
static bool good;
static size_t which;

static void there(void)
{
    good = things[which].f();
}

/* Bytes of the stack that it used, or fails. */
static size_t depth_of(uint8_t *stack, size_t k)
{
    size_t unused = 0;

    memset(stack, PAINT, STACK_SIZE);
    which = k;
    assert_int_equal(getcontext(&here), 0);
    here.uc_stack.ss_sp = stack;
    here.uc_stack.ss_size = STACK_SIZE;
    here.uc_link = &back;
    makecontext(&here, there, 0);
    assert_int_equal(swapcontext(&back, &here), 0);
    if (!good)
        fail_msg("%s: %s", things[k].name, lucet_error_detail());
    while (stack[unused] == PAINT)
        unused++;
    return STACK_SIZE - unused;
}

static void little_of_the_hosts_stack_is_used(void **state)
{
    const struct set_host hosts[] = {{"yield", ":", (void *)(uintptr_t)yield}, {0}};
    uint8_t *stack = malloc(STACK_SIZE);

    (void)state;
    guest_begin();
    assert_non_null(stack);
    s = set_begin(wat, &guest_default, hosts);
    artifact = guest_artifact(wat, &guest_default, &artifact_size);
    const int fd = mkstemp(path);
    assert_int_equal(write(fd, artifact, artifact_size), artifact_size);
    close(fd);
    for (int round = 0; round < 2; round++)
        for (size_t k = 0; k < sizeof(things) / sizeof(*things); k++) {
            const size_t depth = depth_of(stack, k);
            if (depth > ENOUGH)
                fail_msg("%s uses %zu bytes", things[k].name, depth);
        }
    unlink(path);
    free(artifact);
    free(stack);
    set_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_of_the_hosts_stack_is_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
