/* Memories that no guard contains: of 64-bit indices, with pages of one byte, others than the
 * first, own and imported ones. Every access at and beyond every boundary, at every width. */
#include "accesses.h"

#include <inttypes.h>
#include <stdio.h>

#define PAGE UINT64_C(65536)

struct kind {
    const char *name;
    const char *declaration; /* exports what the test looks at as "m" */
    const char *memory;      /* "" = memory 0 */
    bool is64;
    uint64_t size;
    struct lucet_memory_type import; /* of "host" "m", when its max is not 0 */
};

static const struct kind kinds[] = {
    {"64-bit memory 0", "(memory (export \"m\") i64 2)", "", true, 2 * PAGE, {0}},
    {"second memory", "(memory 1) (memory $m (export \"m\") 2)", "$m", false, 2 * PAGE, {0}},
    {"second memory, 64 bits",
     "(memory i64 1) (memory $m (export \"m\") i64 2)",
     "$m",
     true,
     2 * PAGE,
     {0}},
    {"pages of a byte", "(memory (export \"m\") 70001 (pagesize 1))", "", false, 70001, {0}},
    {"pages of a byte, 64 bits, third",
     "(memory 1) (memory 1) (memory $m (export \"m\") i64 70001 (pagesize 1))",
     "$m",
     true,
     70001,
     {0}},
    {"shared memory 0", "(memory (export \"m\") 2 2 shared)", "", false, 2 * PAGE, {0}},
    {"second memory, imported",
     "(import \"host\" \"n\" (memory 1)) (import \"host\" \"m\" (memory $m 2 4)) (export \"m\" "
     "(memory $m))",
     "$m",
     false,
     2 * PAGE,
     {.min = 2, .max = 4}},
    {"64-bit memory 0, imported, shared",
     "(import \"host\" \"m\" (memory $m i64 2 4 shared)) (export \"m\" (memory $m))",
     "$m",
     true,
     2 * PAGE,
     {.min = 2, .max = 4, .index64 = true, .shared = true}},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

#define TOP UINT64_MAX
static const uint64_t offsets[] = {0,          7,          65535,      PAGE * 2 - 1,       PAGE * 2,
                                   0x7fffffff, 0xfffffff8, PAGE << 16, TOP - PAGE * 2 + 1, TOP - 7,
                                   TOP};
enum { OFFSETS = sizeof offsets / sizeof offsets[0] };

static struct lucet_linker *linker_for(const struct kind *k)
{
    struct lucet_linker *l;

    assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
    assert_int_equal(lucet_linker_memory(l, "host", "n", 1, UINT64_MAX), lucet_error_ok);
    if (k->import.max)
        assert_int_equal(lucet_linker_memory_of(l, "host", "m", &k->import), lucet_error_ok);
    return l;
}

static struct lucet_val address_of(const struct kind *k, uint64_t address)
{
    return k->is64 ? I64(address) : I32(address);
}

/* Whether [address + offset, + width) is inside, in more than 64 bits. */
static bool inside(const struct kind *k, uint64_t address, uint64_t offset, unsigned width)
{
    return (unsigned __int128)address + offset + width <= k->size;
}

static uint8_t *bytes_of(const struct kind *k, struct lucet_instance *inst)
{
    uint8_t *base;
    uint64_t size;

    assert_int_equal(lucet_instance_memory(inst, "m", 1, &base, &size), lucet_error_ok);
    assert_int_equal(size, k->size);
    return base;
}

static void check_one(const struct kind *k, struct lucet_instance *inst, const struct access *a,
                      const char *name, uint64_t address, uint64_t offset, bool is_load)
{
    const uint64_t value = 0x1122334455667788, at = address + offset;
    const struct lucet_val args[] = {address_of(k, address), I64(value)};
    uint8_t *base = bytes_of(k, inst);
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(inst, name, is_load ? 1 : 2, args, &r);

    if (!inside(k, address, offset, a->width)) {
        if (e != lucet_error_runtime_fault ||
            r.val.faulted.trapcode != lucet_trapcode_heap_out_of_bounds)
            fail_msg("%s: %s of %" PRIx64 " + %" PRIx64 " does not trap: %s", k->name, a->op,
                     address, offset, lucet_error_name(e));
        for (uint64_t i = k->size - 16; i < k->size; i++)
            assert_int_equal(base[i], pattern(i));
        return;
    }
    if (e != lucet_error_ok)
        fail_msg("%s: %s of %" PRIx64 " + %" PRIx64 ": %s", k->name, a->op, address, offset,
                 lucet_error_detail());
    if (is_load)
        assert_int_equal(lucet_retval_gp(&r.val.returned), expected_load(a, at));
    for (uint64_t i = at > 16 ? at - 16 : 0; i < at + a->width + 16 && i < k->size; i++) {
        const bool written = !is_load && i >= at && i < at + a->width;
        assert_int_equal(base[i], written ? (uint8_t)(value >> (8 * (i - at))) : pattern(i));
        base[i] = pattern(i);
    }
}

static void check_at(const struct kind *k, struct lucet_instance *inst, uint64_t address,
                     uint64_t offset)
{
    char name[64];

    for (unsigned i = 0; i < LOADS; i++) {
        snprintf(name, sizeof name, "load %u %" PRIu64, i, offset);
        check_one(k, inst, &loads[i], name, address, offset, true);
    }
    for (unsigned i = 0; i < STORES; i++) {
        snprintf(name, sizeof name, "store %u %" PRIu64, i, offset);
        check_one(k, inst, &stores[i], name, address, offset, false);
    }
}

/* Read by a guest when a wrapped sum gets past its check. */
static uint64_t secret = 0xfeedfacecafebeef;

static void check_addresses(const struct kind *k, struct lucet_instance *inst, uint64_t offset)
{
    const uint64_t ends[] = {0,
                             k->size,
                             k->size - offset,
                             0 - offset,
                             UINT32_MAX,
                             INT64_MAX,
                             TOP,
                             (uintptr_t)&secret - (uintptr_t)bytes_of(k, inst) - offset};

    for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        static const int around[] = {-9, -8, -4, -1, 0, 1};
        for (unsigned n = 0; n < sizeof around / sizeof around[0]; n++) {
            const uint64_t address = ends[i] + (uint64_t)(int64_t)around[n];
            check_at(k, inst, k->is64 ? address : (uint32_t)address, offset);
        }
    }
}

static void check_kind(const struct kind *k, struct lucet_region *region,
                       const struct guest_mode *mode)
{
    struct text t = {0};

    text_add(&t, "(module %s\n", k->declaration);
    for (unsigned o = 0; o < OFFSETS; o++) {
        if (k->is64 || offsets[o] <= UINT32_MAX)
            accesses_add(&t, k->memory, k->is64 ? "i64" : "i32", offsets[o], NULL, "");
    }
    text_add(&t, ")\n");
    struct lucet_linker *linker = linker_for(k);
    struct lucet_dl_module *module = guest_module(t.s, mode);
    struct lucet_instance *inst = guest_instance(region, module, linker, NULL);
    lucet_instance_set_continue_after_fault(inst, true);
    uint8_t *base = bytes_of(k, inst);
    for (uint64_t i = 0; i < k->size; i++)
        base[i] = pattern(i);
    for (unsigned o = 0; o < OFFSETS; o++) {
        if (k->is64 || offsets[o] <= UINT32_MAX)
            check_addresses(k, inst, offsets[o]);
    }
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_linker_release(linker);
    text_free(&t);
}

static void every_access_is_contained(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned k = 0; k < KINDS; k++) {
        for (unsigned m = 0; m < GUEST_MODES; m += 1 + k % 2 * 2)
            check_kind(&kinds[k], region, &guest_modes[m]);
    }
    lucet_region_release(region);
}

/* Code knows the declared minimum of its own memories only: the owner of an imported one goes back
 * to its own, smaller one when it is reset. */
static void imported_memory_may_shrink(void **state)
{
    static const char owner_wat[] = "(module (memory (export \"m\") i64 1 10)"
                                    " (func (export \"grow\") (param i64) (result i64)"
                                    "  (memory.grow (local.get 0))))";
    static const char user_wat[] = "(module (import \"owner\" \"m\" (memory i64 5))"
                                   " (func (export \"f\") (param i64) (result i64)"
                                   "  (i64.load offset=200000 (local.get 0))))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(2);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *modules[] = {guest_module(owner_wat, &guest_modes[m]),
                                             guest_module(user_wat, &guest_modes[m])};
        struct lucet_linker *l;
        assert_int_equal(lucet_linker_new(&l), lucet_error_ok);
        struct lucet_instance *owner = guest_instance(region, modules[0], NULL, NULL);
        assert_int_equal(guest_call(owner, "grow", ARGS(I64(4))), 1);
        assert_int_equal(lucet_linker_instance(l, "owner", owner), lucet_error_ok);
        struct lucet_instance *user = guest_instance(region, modules[1], l, NULL);
        lucet_instance_set_continue_after_fault(user, true);
        assert_int_equal(guest_call(user, "f", ARGS(I64(0))), 0);
        assert_int_equal(lucet_instance_reset(owner), lucet_error_ok);
        assert_int_equal(guest_trap(user, "f", ARGS(I64(0))), lucet_trapcode_heap_out_of_bounds);
        const uint64_t wrapped =
            (uintptr_t)&secret - (uintptr_t)lucet_instance_heap(owner) - 200000;
        assert_int_equal(guest_trap(user, "f", ARGS(I64(wrapped))),
                         lucet_trapcode_heap_out_of_bounds);
        lucet_instance_release(user);
        lucet_instance_release(owner);
        lucet_linker_release(l);
        lucet_dl_module_release(modules[0]);
        lucet_dl_module_release(modules[1]);
    }
    lucet_region_release(region);
}

/* Sizes and bases are read again after whatever may let a memory grow. */
static const char growing[] =
    "(module (memory $a i64 1 9) (memory $b 1 9) (memory $c 10 100000 (pagesize 1))"
    " (func $grow (drop (memory.grow $a (i64.const 1))) (drop (memory.grow $b (i32.const 1)))"
    "  (drop (memory.grow $c (i32.const 7))))"
    " (func (export \"f\") (result i64)"
    "  (call $grow)"
    "  (i64.store $a (i64.const 131064) (i64.const 5))"
    "  (i64.store $b (i32.const 131064) (i64.const 6))"
    "  (i64.store $c (i32.const 9) (i64.const 7))"
    "  (call $grow)"
    "  (i64.store $a offset=8 (i64.const 196592) (i64.const 50))"
    "  (i64.store $b offset=8 (i32.const 196592) (i64.const 60))"
    "  (i64.store $c (i32.const 16) (i64.const 70))"
    "  (i64.add (i64.load $a (i64.const 196600)) (i64.add (i64.load $b (i32.const 196600))"
    "   (i64.add (i64.load $c (i32.const 16)) (i64.add (i64.mul (memory.size $a) (i64.const 1000))"
    "    (i64.extend_i32_u (i32.add (i32.mul (memory.size $b) (i32.const 10000))"
    "     (i32.mul (memory.size $c) (i32.const 1000000)))))))))"
    " (func (export \"a\") (param i64) (result i64) (memory.grow $a (local.get 0)))"
    " (func (export \"b\") (param i32) (result i32) (memory.grow $b (local.get 0)))"
    " (func (export \"c\") (param i32) (result i32) (memory.grow $c (local.get 0)))"
    " (func (export \"end\") (result i64) (i64.load $c (i32.const 17))))";

static void memories_are_reached_as_soon_as_they_have_grown(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(growing, &guest_modes[m]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        lucet_instance_set_continue_after_fault(inst, true);
        assert_int_equal(guest_call(inst, "f", 0, NULL), 180 + 3000 + 30000 + 24000000);
        assert_int_equal(guest_trap(inst, "end", 0, NULL), lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(guest_call(inst, "a", ARGS(I64(7))), UINT64_MAX);
        assert_int_equal(guest_call(inst, "a", ARGS(I64(UINT64_MAX))), UINT64_MAX);
        assert_int_equal(guest_call(inst, "a", ARGS(I64(UINT64_C(1) << 48))), UINT64_MAX);
        assert_int_equal(guest_call(inst, "a", ARGS(I64((UINT64_C(1) << 48) - 3))), UINT64_MAX);
        assert_int_equal(guest_call(inst, "a", ARGS(I64(6))), 3);
        assert_int_equal((int32_t)guest_call(inst, "b", ARGS(I32(7))), -1);
        assert_int_equal((int32_t)guest_call(inst, "b", ARGS(I32(6))), 3);
        assert_int_equal((int32_t)guest_call(inst, "c", ARGS(I32(99977))), -1);
        assert_int_equal((int32_t)guest_call(inst, "c", ARGS(I32(1))), 24);
        assert_int_equal(guest_call(inst, "end", 0, NULL), 0);
        assert_int_equal((int32_t)guest_call(inst, "c", ARGS(I32(99975))), 25);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

/* All memories of an instance together stay within its limit. */
static void memories_share_the_limit(void **state)
{
    static const char wat[] = "(module (memory $a 2) (memory $b i64 2) (memory $c 3 (pagesize 1))"
                              " (func (export \"a\") (param i32) (result i32)"
                              "  (memory.grow $a (local.get 0)))"
                              " (func (export \"b\") (param i64) (result i64)"
                              "  (memory.grow $b (local.get 0))))";
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    struct lucet_instance_options o = {.heap_memory_limit = 10 * PAGE};
    struct lucet_instance *inst;
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst), lucet_error_ok);
    for (int round = 0; round < 2; round++) { /* a reset gives everything back */
        assert_int_equal((int32_t)guest_call(inst, "a", ARGS(I32(3))), 2);
        assert_int_equal(guest_call(inst, "b", ARGS(I64(3))), UINT64_MAX);
        assert_int_equal(guest_call(inst, "b", ARGS(I64(2))), 2);
        assert_int_equal((int32_t)guest_call(inst, "a", ARGS(I32(1))), -1);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    lucet_instance_release(inst);
    o.heap_memory_limit = 4 * PAGE;
    assert_int_equal(lucet_region_new_instance_with(region, module, &o, &inst),
                     lucet_error_limits_exceeded);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

/* Bulk operations between memories of different indices. */
static const char bulk[] =
    "(module (memory $a i64 1) (memory $b 1) (data $d \"abcdefgh\")"
    " (func (export \"fill\") (param i64 i32 i64)"
    "  (memory.fill $a (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"a to b\") (param i32 i64 i32)"
    "  (memory.copy $b $a (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"b to a\") (param i64 i32 i32)"
    "  (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"a to a\") (param i64 i64 i64)"
    "  (memory.copy $a $a (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"init\") (param i64 i32 i32)"
    "  (memory.init $a $d (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"load a\") (param i64) (result i64) (i64.load $a (local.get 0)))"
    " (func (export \"load b\") (param i32) (result i64) (i64.load $b (local.get 0))))";

static void bulk_operations_mix(void **state)
{
    const enum lucet_trapcode oob = lucet_trapcode_heap_out_of_bounds;
    const uint64_t bad[] = {PAGE, UINT64_C(1) << 32, UINT64_C(1) << 63, TOP - 7, TOP};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(bulk, &guest_modes[m]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        lucet_instance_set_continue_after_fault(inst, true);
        guest_call(inst, "fill", ARGS(I64(PAGE - 8), I32(0x41), I64(8)));
        guest_call(inst, "a to b", ARGS(I32(8), I64(PAGE - 8), I32(8)));
        assert_int_equal(guest_call(inst, "load b", ARGS(I32(8))), 0x4141414141414141);
        guest_call(inst, "init", ARGS(I64(16), I32(0), I32(8)));
        guest_call(inst, "a to a", ARGS(I64(17), I64(16), I64(8)));
        assert_int_equal(guest_call(inst, "load a", ARGS(I64(17))), 0x6867666564636261);
        guest_call(inst, "b to a", ARGS(I64(0), I32(8), I32(8)));
        assert_int_equal(guest_call(inst, "load a", ARGS(I64(0))), 0x4141414141414141);
        for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            assert_int_equal(guest_trap(inst, "fill", ARGS(I64(bad[i]), I32(0), I64(8))), oob);
            assert_int_equal(guest_trap(inst, "fill", ARGS(I64(8), I32(0), I64(bad[i]))), oob);
            assert_int_equal(guest_trap(inst, "a to b", ARGS(I32(0), I64(bad[i]), I32(1))), oob);
            assert_int_equal(guest_trap(inst, "b to a", ARGS(I64(bad[i]), I32(0), I32(1))), oob);
            assert_int_equal(guest_trap(inst, "a to a", ARGS(I64(0), I64(8), I64(bad[i]))), oob);
            assert_int_equal(guest_trap(inst, "init", ARGS(I64(bad[i]), I32(0), I32(1))), oob);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

/* The same for tables. */
static const char tables[] =
    "(module (table $a i64 4 20 externref) (table $b 4 externref)"
    " (func (export \"set\") (param i64 externref) (table.set $a (local.get 0) (local.get 1)))"
    " (func (export \"null\") (param i64) (result i32) (ref.is_null (table.get $a (local.get 0))))"
    " (func (export \"grow\") (param i64) (result i64)"
    "  (table.grow $a (ref.null extern) (local.get 0)))"
    " (func (export \"size\") (result i64) (table.size $a))"
    " (func (export \"copy\") (param i64 i32 i32)"
    "  (table.copy $a $b (local.get 0) (local.get 1) (local.get 2)))"
    " (func (export \"fill\") (param i64 externref i64)"
    "  (table.fill $a (local.get 0) (local.get 1) (local.get 2)))"
    " (type $t (func (result i32))) (table $f i64 funcref (elem $one))"
    " (func $one (type $t) (i32.const 1))"
    " (func (export \"call\") (param i64) (result i32)"
    "  (call_indirect $f (type $t) (local.get 0))))";

static void tables_of_64_bits(void **state)
{
    const enum lucet_trapcode oob = lucet_trapcode_table_out_of_bounds;
    const struct lucet_val ref = {.ty = lucet_val_type_externref, .inner_val.as_u64 = 42};
    const uint64_t bad[] = {UINT64_C(1) << 32, UINT64_C(1) << 61, UINT64_C(1) << 63, TOP};
    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    for (unsigned m = 0; m < GUEST_MODES; m++) {
        struct lucet_dl_module *module = guest_module(tables, &guest_modes[m]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        lucet_instance_set_continue_after_fault(inst, true);
        guest_call(inst, "set", ARGS(I64(3), ref));
        assert_int_equal(guest_call(inst, "null", ARGS(I64(3))), 0);
        assert_int_equal(guest_call(inst, "grow", ARGS(I64(2))), 4);
        assert_int_equal(guest_call(inst, "grow", ARGS(I64(TOP))), TOP);
        assert_int_equal(guest_call(inst, "size", 0, NULL), 6);
        guest_call(inst, "fill", ARGS(I64(4), ref, I64(2)));
        assert_int_equal(guest_call(inst, "null", ARGS(I64(5))), 0);
        guest_call(inst, "copy", ARGS(I64(5), I32(0), I32(1)));
        assert_int_equal(guest_call(inst, "null", ARGS(I64(5))), 1);
        assert_int_equal(guest_call(inst, "call", ARGS(I64(0))), 1);
        assert_int_equal(guest_trap(inst, "null", ARGS(I64(6))), oob);
        for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            assert_int_equal(guest_trap(inst, "null", ARGS(I64(bad[i]))), oob);
            assert_int_equal(guest_trap(inst, "set", ARGS(I64(bad[i]), ref)), oob);
            assert_int_equal(guest_trap(inst, "copy", ARGS(I64(bad[i]), I32(0), I32(1))), oob);
            assert_int_equal(guest_trap(inst, "fill", ARGS(I64(1), ref, I64(bad[i]))), oob);
            assert_int_equal(guest_trap(inst, "call", ARGS(I64(bad[i]))), oob);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_access_is_contained),
        cmocka_unit_test(imported_memory_may_shrink),
        cmocka_unit_test(memories_are_reached_as_soon_as_they_have_grown),
        cmocka_unit_test(memories_share_the_limit),
        cmocka_unit_test(bulk_operations_mix),
        cmocka_unit_test(tables_of_64_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
