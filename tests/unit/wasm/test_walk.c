/* The reader that consumers walk a valid module with, and the table of instructions behind it. */
#include "build.h"

#include <string.h>

static struct bytes everything;
static struct wasm_module module;

static int decode_everything(void **state)
{
    (void)state;
    size_t cuts[EVERYTHING_CUTS];
    struct wasm_error err;
    everything = module_with_everything(cuts);
    return wasm_module_decode(everything.data, everything.size, WASM_FEATURES_ALL, NULL, &module,
                              &err) != WASM_OK;
}

static int free_everything(void **state)
{
    (void)state;
    wasm_module_free(&module);
    bytes_free(&everything);
    return 0;
}

static void the_module_holds_what_was_declared(void **state)
{
    (void)state;
    assert_int_equal(module.ntypes, 3);
    assert_int_equal(module.types[2].params[1], WASM_I64);
    assert_int_equal(module.types[2].results[0], WASM_F32);
    assert_int_equal(module.nimports, 2);
    assert_int_equal(module.imports[1].kind, WASM_EXTERN_GLOBAL);
    assert_int_equal(module.imports[1].index, 0);
    assert_memory_equal(module.imports[1].name.data, "g", 1);
    assert_int_equal(module.nfuncs, 3);
    assert_int_equal(module.nimported_funcs, 1);
    assert_int_equal(module.funcs[0].body_size, 0);
    assert_int_equal(module.funcs[2].type, 1);
    assert_int_equal(module.funcs[2].locals_count, 3);
    assert_int_equal(module.ntables, 3);
    assert_true(module.tables[1].type.limits.has_max);
    assert_int_equal(module.tables[1].type.limits.max, 10);
    assert_int_equal(module.memories[0].type.limits.min, 1);
    assert_int_equal(module.nglobals, 3);
    assert_int_equal(module.globals[0].init.size, 0);
    assert_true(module.globals[1].type.mutable);
    assert_int_equal(module.nexports, 2);
    assert_int_equal(module.exports[1].kind, WASM_EXTERN_MEMORY);
    assert_int_equal(module.start, 1);
    assert_int_equal(module.nelems, 8);
    assert_int_equal(module.ndatas, 3);
    assert_int_equal(module.datas[1].mode, WASM_PASSIVE);
    assert_memory_equal(module.name.data, "module", 6);
    assert_memory_equal(module.funcs[1].name.data, "\xc3\xa9", 2);
}

static void bodies_are_walked_to_their_end(void **state)
{
    (void)state;
    for (uint32_t f = module.nimported_funcs; f < module.nfuncs; f++) {
        struct wasm_reader r;
        struct wasm_locals_run run;
        struct wasm_instr instr = {.op = WASM_OP_nop};
        uint32_t locals = 0, end = module.funcs[f].body_offset + module.funcs[f].body_size;
        wasm_reader_init_body(&r, &module, f);
        while (wasm_reader_locals(&r, &run))
            locals += run.count;
        assert_int_equal(locals, module.funcs[f].locals_count);
        uint32_t at = r.pos;
        while (wasm_reader_next(&r, &instr)) {
            assert_int_equal(instr.offset, at);
            at = r.pos;
        }
        assert_int_equal(instr.op, WASM_OP_end);
        assert_int_equal(at, end);
        assert_false(wasm_reader_next(&r, &instr));
    }
}

static void expressions_are_walked_to_their_end(void **state)
{
    (void)state;
    struct wasm_reader r;
    struct wasm_instr instr;
    wasm_reader_init_expr(&r, &module, module.globals[1].init);
    assert_true(wasm_reader_next(&r, &instr));
    assert_int_equal(instr.op, WASM_OP_global_get);
    assert_int_equal(instr.imm.index, 0);
    assert_true(wasm_reader_next(&r, &instr));
    assert_int_equal(instr.op, WASM_OP_end);
    assert_false(wasm_reader_next(&r, &instr));
}

/* Decodes one instruction of a body that need not be valid: it never was validated. */
static struct wasm_instr instr_of(const uint8_t *code, size_t size)
{
    const struct wasm_module m = {.bytes = code, .size = size};
    struct wasm_reader r;
    struct wasm_instr instr;
    wasm_reader_init_expr(&r, &m, (struct wasm_expr){0, (uint32_t)size});
    assert_true(wasm_reader_next(&r, &instr));
    assert_int_equal(r.pos, r.end);
    return instr;
}
#define INSTR(...) instr_of(B(__VA_ARGS__))

static void immediates(void **state)
{
    (void)state;
    assert_int_equal(INSTR(0x20, 0x80, 0x01).imm.index, 128);
    assert_true(INSTR(0x41, 0x7f).imm.i32 == UINT32_MAX);
    assert_true(INSTR(0x42, 0x7f).imm.i64 == UINT64_MAX);
    assert_true(INSTR(0x43, 1, 2, 3, 0x84).imm.i32 == 0x84030201);
    assert_true(INSTR(0x44, 1, 2, 3, 4, 5, 6, 7, 0x88).imm.i64 == 0x8807060504030201);
    assert_true(INSTR(0x02, 0x40).imm.block.is_empty);
    assert_int_equal(INSTR(0x03, 0x7b).imm.block.result, WASM_V128);
    assert_true(INSTR(0x04, 0xc0, 0x00).imm.block.is_type_index);
    assert_int_equal(INSTR(0x04, 0xc0, 0x00).imm.block.index, 64);
    assert_int_equal(INSTR(0x11, 3, 4).imm.index, 3);
    assert_int_equal(INSTR(0x11, 3, 4).imm.index2, 4);
    assert_int_equal(INSTR(0xfc, 0x0c, 5, 6).imm.index2, 6);
    assert_int_equal(INSTR(0xfc, 0x0e, 7, 8).imm.index, 7);
    assert_int_equal(INSTR(0x28, 2, 0x90, 0x01).imm.memarg.offset, 144);
    assert_int_equal(INSTR(0x28, 2, 0x90, 0x01).imm.memarg.align_log2, 2);
    assert_int_equal(INSTR(0xfd, 0x54, 0, 9, 15).imm.memarg.lane, 15);
    assert_int_equal(INSTR(0xfd, 0x15, 3).imm.memarg.lane, 3);
    assert_int_equal(INSTR(0x1c, 1, 0x70).imm.valtype, WASM_FUNCREF);
    assert_int_equal(INSTR(0xd0, 0x6f).imm.valtype, WASM_EXTERNREF);
    struct wasm_instr v = INSTR(0xfd, 0x0c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    assert_int_equal(v.imm.v128[15], 15);
}

static void br_table_targets_are_read_one_by_one(void **state)
{
    (void)state;
    static const uint8_t code[] = {0x0e, 3, 7, 0x80, 0x01, 0, 9};
    const struct wasm_module m = {.bytes = code, .size = sizeof code};
    struct wasm_instr instr = instr_of(code, sizeof code);
    assert_int_equal(instr.imm.br_table.count, 3);
    assert_int_equal(instr.imm.br_table.deflt, 9);
    uint32_t pos = instr.imm.br_table.targets;
    assert_int_equal(wasm_br_table_next(&m, &pos), 7);
    assert_int_equal(wasm_br_table_next(&m, &pos), 128);
    assert_int_equal(wasm_br_table_next(&m, &pos), 0);
    assert_int_equal(pos, 6);
}

static void the_table_is_in_the_order_of_opcodes(void **state)
{
    (void)state;
    for (int op = 1; op < WASM_OP_COUNT; op++) {
        const struct wasm_op_info *a = &wasm_op_info[op - 1], *b = &wasm_op_info[op];
        assert_true(a->prefix < b->prefix || (a->prefix == b->prefix && a->code < b->code));
    }
}

static void signatures_are_well_formed(void **state)
{
    (void)state;
    for (int op = 0; op < WASM_OP_COUNT; op++) {
        const char *sig = wasm_op_info[op].sig;
        if (!sig)
            continue;
        size_t operands = strspn(sig, "iIfFva");
        assert_true(operands <= 4);
        assert_int_equal(sig[operands], ':');
        size_t results = strspn(sig + operands + 1, "iIfFva");
        assert_true(results <= 2);
        assert_int_equal(sig[operands + 1 + results], '\0');
    }
}

static void accesses_have_their_size(void **state)
{
    (void)state;
    assert_int_equal(wasm_op_access_log2(WASM_OP_i32_load), 2);
    assert_int_equal(wasm_op_access_log2(WASM_OP_i64_load8_u), 0);
    assert_int_equal(wasm_op_access_log2(WASM_OP_f64_store), 3);
    assert_int_equal(wasm_op_access_log2(WASM_OP_v128_load), 4);
    assert_int_equal(wasm_op_access_log2(WASM_OP_v128_load32x2_s), 3);
    assert_int_equal(wasm_op_access_log2(WASM_OP_v128_store16_lane), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_module_holds_what_was_declared),
        cmocka_unit_test(bodies_are_walked_to_their_end),
        cmocka_unit_test(expressions_are_walked_to_their_end),
        cmocka_unit_test(immediates),
        cmocka_unit_test(br_table_targets_are_read_one_by_one),
        cmocka_unit_test(the_table_is_in_the_order_of_opcodes),
        cmocka_unit_test(signatures_are_well_formed),
        cmocka_unit_test(accesses_have_their_size),
    };
    return cmocka_run_group_tests(tests, decode_everything, free_everything);
}
