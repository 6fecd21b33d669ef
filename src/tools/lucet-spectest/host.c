/* The module "spectest": what the suite expects every host to provide. */
#include "tools/lucet-spectest/spectest.h"

struct lucet_vmctx;

static void print(struct lucet_vmctx *ctx)
{
    (void)ctx;
}

static void print_i32(struct lucet_vmctx *ctx, int32_t a)
{
    (void)ctx;
    (void)a;
}

static void print_i64(struct lucet_vmctx *ctx, int64_t a)
{
    (void)ctx;
    (void)a;
}

static void print_f32(struct lucet_vmctx *ctx, float a)
{
    (void)ctx;
    (void)a;
}

static void print_f64(struct lucet_vmctx *ctx, double a)
{
    (void)ctx;
    (void)a;
}

static void print_i32_f32(struct lucet_vmctx *ctx, int32_t a, float b)
{
    (void)ctx;
    (void)a;
    (void)b;
}

static void print_f64_f64(struct lucet_vmctx *ctx, double a, double b)
{
    (void)ctx;
    (void)a;
    (void)b;
}

static const struct {
    const char *name, *signature;
    void (*func)(void);
} functions[] = {
    {"print", ":", (void (*)(void))print},
    {"print_i32", "i:", (void (*)(void))print_i32},
    {"print_i64", "I:", (void (*)(void))print_i64},
    {"print_f32", "f:", (void (*)(void))print_f32},
    {"print_f64", "F:", (void (*)(void))print_f64},
    {"print_i32_f32", "if:", (void (*)(void))print_i32_f32},
    {"print_f64_f64", "FF:", (void (*)(void))print_f64_f64},
};

enum lucet_error host_link(struct lucet_linker *l)
{
    const struct {
        const char *name;
        struct lucet_val value;
    } globals[] = {
        {"global_i32", LUCET_VAL_I32(666)},
        {"global_i64", LUCET_VAL_I64(666)},
        {"global_f32", LUCET_VAL_F32(666.6f)},
        {"global_f64", LUCET_VAL_F64(666.6)},
    };
    enum lucet_error e = lucet_error_ok;

    for (size_t i = 0; !e && i < sizeof functions / sizeof functions[0]; i++)
        e = lucet_linker_func(l, "spectest", functions[i].name, functions[i].signature,
                              functions[i].func);
    for (size_t i = 0; !e && i < sizeof globals / sizeof globals[0]; i++)
        e = lucet_linker_global(l, "spectest", globals[i].name, globals[i].value, false);
    if (!e)
        e = lucet_linker_table(l, "spectest", "table", lucet_val_type_funcref, 10, 20);
    if (!e)
        e = lucet_linker_memory(l, "spectest", "memory", 1, 2);
    if (!e)
        e = lucet_linker_memory_of(
            l, "spectest", "shared_memory",
            &(struct lucet_memory_type){.min = 1, .max = 2, .page_size = 65536, .shared = true});
    return e;
}
