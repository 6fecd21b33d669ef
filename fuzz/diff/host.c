/* What modules under test may import: host.wat declares it, and every engine's runner has the same.
 * A host function adds its number and arguments to a trace, NaNs made canonical, and makes its
 * results of the trace. */
#include "fuzz/diff/worker.h"

#include <string.h>

struct lucet_vmctx;

static uint32_t trace;

void host_reset(void)
{
    trace = 2166136261u;
}

uint32_t host_trace(void)
{
    return trace;
}

static void add(uint64_t bits)
{
    for (int i = 0; i < 8; i++, bits >>= 8)
        trace = (trace ^ (uint32_t)(bits & 0xff)) * 16777619u;
}

static void add_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    add(x != x ? 0x7fc00000u : bits);
}

static void add_f64(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    add(x != x ? UINT64_C(0x7ff8) << 48 : bits);
}

static uint32_t make_i32(void)
{
    return trace;
}

static uint64_t make_i64(void)
{
    return (uint64_t)trace << 32 | trace;
}

static float make_f32(void)
{
    return (float)(int16_t)trace;
}

static double make_f64(void)
{
    return (double)(int32_t)trace;
}

static void f0(struct lucet_vmctx *c)
{
    (void)c;
    add(0);
}

static uint32_t f1(struct lucet_vmctx *c, uint32_t a)
{
    (void)c;
    add(1);
    add(a);
    return make_i32();
}

static float f2(struct lucet_vmctx *c, uint64_t a, double b)
{
    (void)c;
    add(2);
    add(a);
    add_f64(b);
    return make_f32();
}

static double f3(struct lucet_vmctx *c, float a, uint64_t *second)
{
    (void)c;
    add(3);
    add_f32(a);
    *second = make_i64();
    return make_f64();
}

static uint64_t f4(struct lucet_vmctx *ctx, uint32_t a, uint64_t b, float c, double d, uint32_t e,
                   uint64_t f, float g, double h)
{
    (void)ctx;
    add(4);
    add(a);
    add(b);
    add_f32(c);
    add_f64(d);
    add(e);
    add(f);
    add_f32(g);
    add_f64(h);
    return make_i64();
}

static uint64_t f5(struct lucet_vmctx *c, uint64_t a, uint32_t b)
{
    (void)c;
    add(5);
    add(a);
    add(b);
    return trace & 0xff;
}

static uint32_t f6(struct lucet_vmctx *c, const void *a)
{
    (void)c;
    add(6);
    add(a != NULL);
    return make_i32();
}

/* What wasm-opt's generator imports. */
static void log_i32(struct lucet_vmctx *c, uint32_t a)
{
    (void)c;
    add(7);
    add(a);
}

static void log_i64(struct lucet_vmctx *c, uint64_t a)
{
    (void)c;
    add(8);
    add(a);
}

static void log_f32(struct lucet_vmctx *c, float a)
{
    (void)c;
    add(9);
    add_f32(a);
}

static void log_f64(struct lucet_vmctx *c, double a)
{
    (void)c;
    add(10);
    add_f64(a);
}

static void log_v128(struct lucet_vmctx *c, uint64_t a __attribute__((vector_size(16))))
{
    (void)c;
    add(11);
    add(a[0]);
    add(a[1]);
}

#define FUNC(module, name, signature, f) {module, name, signature, (void (*)(void))(f)}
static const struct {
    const char *module, *name, *signature;
    void (*func)(void);
} functions[] = {
    FUNC("h", "f0", ":", f0),
    FUNC("h", "f1", "i:i", f1),
    FUNC("h", "f2", "IF:f", f2),
    FUNC("h", "f3", "f:FI", f3),
    FUNC("h", "f4", "iIfFiIfF:I", f4),
    FUNC("h", "f5", "ei:e", f5),
    FUNC("h", "f6", "r:i", f6),
    FUNC("fuzzing-support", "log-i32", "i:", log_i32),
    FUNC("fuzzing-support", "log-i64", "I:", log_i64),
    FUNC("fuzzing-support", "log-f32", "f:", log_f32),
    FUNC("fuzzing-support", "log-f64", "F:", log_f64),
    FUNC("fuzzing-support", "log-v128", "v:", log_v128),
};

enum lucet_error host_link(struct lucet_linker *l)
{
    const struct {
        const char *name;
        struct lucet_val value;
        bool is_mutable;
    } globals[] = {
        {"gi", LUCET_VAL_I32(-7), false},
        {"gI", LUCET_VAL_I64(INT64_C(0x123456789abcdef)), true},
        {"gf", LUCET_VAL_F32(1.5f), true},
        {"gF", LUCET_VAL_F64(-0.0), false},
        {"ge", LUCET_VAL(externref, as_u64, 9), false},
    };
    enum lucet_error e = lucet_error_ok;

    for (size_t i = 0; !e && i < sizeof functions / sizeof *functions; i++)
        e = lucet_linker_func(l, functions[i].module, functions[i].name, functions[i].signature,
                              functions[i].func);
    for (size_t i = 0; !e && i < sizeof globals / sizeof *globals; i++)
        e = lucet_linker_global(l, "h", globals[i].name, globals[i].value, globals[i].is_mutable);
    if (!e)
        e = lucet_linker_memory(l, "h", "mem", 1, 3);
    if (!e)
        e = lucet_linker_table(l, "h", "tab", lucet_val_type_funcref, 8, 16);
    return e;
}
