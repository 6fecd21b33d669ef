/* Functions with 0 to 20 results of every mix of types, called in every way there is. */
#include "shapes.h"

#include <stdio.h>

enum { BASE = 1000 };

static unsigned base_of(unsigned mix, unsigned n)
{
    return BASE + 100 * mix + n;
}

/* "ret M N" gives N results; "forward M N" passes on those of a call. */
static void add_callees(struct text *t)
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            text_add(t, "(func $ret_%u_%u (export \"ret %u %u\")", m, n, m, n);
            mix_add_types(t, "result", m, n);
            for (unsigned i = 0; i < n; i++) {
                text_add(t, " ");
                mix_add_const(t, mix_letter(m, i), base_of(m, n) + i);
            }
            text_add(t, ")\n(func (export \"forward %u %u\")", m, n);
            mix_add_types(t, "result", m, n);
            text_add(t, " (call $ret_%u_%u))\n", m, n);
        }
    }
}

/* "NAME M N": calls with `call` and hashes the results. */
static void add_caller(struct text *t, const char *name, const char *call, unsigned m, unsigned n)
{
    text_add(t, "(func (export \"%s %u %u\") (result i64)", name, m, n);
    mix_add_locals(t, m, n);
    text_add(t, " %s", call);
    mix_add_hash(t, m, n);
    text_add(t, ")\n");
}

/* "NAME M N" calls $CALLEE_M_N, "NAME indirect M N" through a table. */
static void add_callers(struct text *t, const char *callee, const char *name)
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            struct text call = {0};
            char indirect[64];
            text_add(&call, "(call $%s_%u_%u)", callee, m, n);
            add_caller(t, name, call.s, m, n);
            text_free(&call);
            text_add(&call, "(call_indirect");
            mix_add_types(&call, "result", m, n);
            text_add(&call, " (i32.const %u))", m * (SHAPE_MAX + 1) + n);
            snprintf(indirect, sizeof indirect, "%s indirect", name);
            add_caller(t, indirect, call.s, m, n);
            text_free(&call);
        }
    }
    shapes_add_table(t, callee);
}

static bool is_value(const struct lucet_val *v, char letter, unsigned value)
{
    const uint64_t bits = mix_bits(letter, value);
    switch (letter) {
    case 'i': return v->ty == lucet_val_type_i32 && v->inner_val.as_u32 == bits;
    case 'I': return v->ty == lucet_val_type_i64 && v->inner_val.as_u64 == bits;
    case 'f': return v->ty == lucet_val_type_f32 && v->inner_val.as_f32 == (float)value;
    default: return v->ty == lucet_val_type_f64 && v->inner_val.as_f64 == (double)value;
    }
}

/* The host's own view of the results. */
static void expect_results(struct lucet_instance *inst, const char *name)
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            struct lucet_val results[SHAPE_MAX];
            struct lucet_result r;
            char full[64];
            snprintf(full, sizeof full, "%s %u %u", name, m, n);
            assert_int_equal(lucet_instance_call(inst, full, strlen(full), 0, NULL, n, results, &r),
                             lucet_error_ok);
            for (unsigned i = 0; i < n; i++) {
                if (!is_value(&results[i], mix_letter(m, i), base_of(m, n) + i))
                    fail_msg("%s: result %u is wrong", full, i);
            }
        }
    }
}

static void expect_near(struct lucet_instance *inst)
{
    expect_results(inst, "ret");
    expect_results(inst, "forward");
    shapes_expect_hashes(inst, "near", base_of);
    shapes_expect_hashes(inst, "near indirect", base_of);
}

static void results_arrive_directly_and_through_tables(void **state)
{
    struct text t = {0};

    (void)state;
    guest_begin();
    text_add(&t, "(module\n");
    add_callees(&t);
    add_callers(&t, "ret", "near");
    text_add(&t, ")\n");
    shapes_each(t.s, expect_near);
    text_free(&t);
}

static void expect_far(struct lucet_instance *inst)
{
    shapes_expect_hashes(inst, "far", base_of);
    shapes_expect_hashes(inst, "far indirect", base_of);
}

static void results_arrive_from_another_instance(void **state)
{
    struct text owner = {0}, user = {0};

    (void)state;
    guest_begin();
    text_add(&owner, "(module\n");
    add_callees(&owner);
    text_add(&owner, ")\n");
    text_add(&user, "(module\n");
    shapes_add_imports(&user, "owner", "ret", "far", "result", "");
    add_callers(&user, "far", "far");
    text_add(&user, ")\n");
    shapes_each_linked(owner.s, user.s, expect_far);
    text_free(&owner);
    text_free(&user);
}

/* ---- Host functions with many results ---- */

/* What the host function called next shall give back: it has no other way to know its own type. */
static unsigned host_mix, host_n;

static void write_result(void *to, unsigned i)
{
    const char letter = mix_letter(host_mix, i);
    const uint64_t bits = mix_bits(letter, base_of(host_mix, host_n) + i);

    memcpy(to, &bits, letter == 'i' || letter == 'f' ? 4 : 8);
}

/* A function whose first result is of the type; further ones go where the pointers point. In the C
 * conventions of x86-64 and aarch64, variable arguments are passed as all others. */
#define HOST_FUNCTION(name, type)                                                                  \
    static type name(struct lucet_vmctx *ctx, ...)                                                 \
    {                                                                                              \
        va_list pointers;                                                                          \
        type first = 0;                                                                            \
        va_start(pointers, ctx);                                                                   \
        for (unsigned i = 1; i < host_n; i++)                                                      \
            write_result(va_arg(pointers, void *), i);                                             \
        va_end(pointers);                                                                          \
        write_result(&first, 0);                                                                   \
        return first;                                                                              \
    }
HOST_FUNCTION(host_i, uint32_t)
HOST_FUNCTION(host_I, uint64_t)
HOST_FUNCTION(host_f, float)
HOST_FUNCTION(host_F, double)

static void host_none(struct lucet_vmctx *ctx)
{
    (void)ctx;
}

static struct lucet_linker *link_host(void)
{
    static char names[SHAPE_MIXES][SHAPE_MAX + 1][32];
    struct lucet_linker *linker;

    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            const char first = mix_letter(m, 0);
            char signature[SHAPE_MAX + 2] = ":";
            for (unsigned i = 0; i < n; i++)
                signature[i + 1] = mix_letter(m, i);
            void (*f)(void) = n == 0         ? (void (*)(void))host_none
                              : first == 'i' ? (void (*)(void))host_i
                              : first == 'I' ? (void (*)(void))host_I
                              : first == 'f' ? (void (*)(void))host_f
                                             : (void (*)(void))host_F;
            snprintf(names[m][n], sizeof names[m][n], "ret %u %u", m, n);
            assert_int_equal(lucet_linker_func(linker, "host", names[m][n], signature, f),
                             lucet_error_ok);
        }
    }
    return linker;
}

static void results_arrive_from_host_functions(void **state)
{
    struct text t = {0};
    (void)state;
    guest_begin();
    text_add(&t, "(module\n");
    shapes_add_imports(&t, "host", "ret", "host", "result", "");
    add_callers(&t, "host", "host");
    text_add(&t, ")\n");
    struct lucet_region *region = guest_region(1);
    struct lucet_linker *linker = link_host();
    for (unsigned i = 0; i < 3; i++) {
        struct lucet_dl_module *module = guest_module(t.s, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, linker, NULL);
        for (host_mix = 0; host_mix < SHAPE_MIXES; host_mix++) {
            for (host_n = 0; host_n <= SHAPE_MAX; host_n++) {
                const uint64_t hash = mix_hash(host_mix, host_n, base_of(host_mix, host_n));
                char name[64];
                snprintf(name, sizeof name, "host %u %u", host_mix, host_n);
                if (guest_call(inst, name, 0, NULL) != hash)
                    fail_msg("%s: wrong results", name);
                snprintf(name, sizeof name, "host indirect %u %u", host_mix, host_n);
                if (guest_call(inst, name, 0, NULL) != hash)
                    fail_msg("%s: wrong results", name);
            }
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_linker_release(linker);
    lucet_region_release(region);
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_arrive_directly_and_through_tables),
        cmocka_unit_test(results_arrive_from_another_instance),
        cmocka_unit_test(results_arrive_from_host_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
