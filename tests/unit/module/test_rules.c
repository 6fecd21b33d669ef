/* The reader's rules about records one by one, each with what is just allowed and what is just not:
 * what an artifact may say without one of them is what the runtime believes. (Context layouts are
 * in test_layouts.c.) */
#include <string.h>

#include "changes.h"

#define OP(i) SAMPLE_RECORD(s, init_ops, struct lucet_init_op, i)
#define INIT(...) ((struct lucet_init){__VA_ARGS__})
#define TYPE_REF(type) ((uint32_t)(type) << 8 | LUCET_REF_TYPE)

/* ---- Types ---- */

/* Without exact types, the plain ones are all that is looked at. */
CHANGE(valtype_unknown, h->reftypes.count = 0; *SAMPLE_RECORD(s, valtypes, uint8_t, 0) = 0x40)
CHANGE(valtype_not_plain, h->reftypes.count = 0;
       *SAMPLE_RECORD(s, valtypes, uint8_t, 0) = LUCET_NULLFUNCREF)
CHANGE(valtype_reference, h->reftypes.count = 0;
       *SAMPLE_RECORD(s, valtypes, uint8_t, 0) = LUCET_EXNREF)
static void refer(struct sample *s, uint32_t valtype, uint32_t type)
{
    *SAMPLE_RECORD(s, valtypes, uint8_t, valtype) = LUCET_FUNCREF;
    *SAMPLE_RECORD(s, reftypes, uint32_t, valtype) = TYPE_REF(type);
}
CHANGE(parameter_refers_later, refer(s, 1, 2))
CHANGE(result_refers_later, refer(s, 2, 2))
CHANGE(result_refers_to_itself, refer(s, 2, 1))
CHANGE(refers_within_the_group, refer(s, 2, 2); R(types, type, 1)->group_after = 1;
       R(types, type, 2)->group_before = 1)
CHANGE(group_of_three, R(types, type, 0)->group_after = 2; R(types, type, 1)->group_before = 1;
       R(types, type, 1)->group_after = 1; R(types, type, 2)->group_before = 2)
CHANGE(group_begins_twice, R(types, type, 1)->group_after = 1; R(types, type, 2)->group_before = 2)
CHANGE(open_type, R(types, type, 1)->is_open = 1)
CHANGE(thunk_outside, R(types, type, 0)->thunk = 8)
CHANGE(host_outside, R(types, type, 0)->host = 8)

static void long_type(struct sample *s, uint16_t nparams, uint16_t nresults)
{
    struct lucet_module_header *h = sample_header(s);
    struct lucet_module_type *t = R(types, type, 2);

    h->reftypes.count = 0;
    memset(sample_table(s, &h->valtypes, 1, 1001), LUCET_I32, 1001);
    *SAMPLE_RECORD(s, valtypes, uint8_t, 2) = LUCET_F64; /* the result of type 1 */
    t->valtypes = 0;
    t->nparams = nparams;
    t->nresults = nresults;
    h->layout.scratch = h->layout.size;
    h->layout.scratch_size = 1000 * LUCET_RESULT_SLOT;
    h->layout.size += h->layout.scratch_size;
}
CHANGE(results_1000, long_type(s, 0, 1000))
CHANGE(results_1001, long_type(s, 0, 1001))
CHANGE(params_1000, long_type(s, 1000, 0))
CHANGE(params_1001, long_type(s, 1001, 0))

static void types_are_of_known_values_and_earlier_types(void **state)
{
    (void)state;
    EXPECT_CHANGES({"0x40 is none", valtype_unknown}, {"0x73 is none", valtype_not_plain},
                   {NULL, valtype_reference}, {"refers to a later type", parameter_refers_later},
                   {"refers to a later type", result_refers_later}, {NULL, result_refers_to_itself},
                   {NULL, refers_within_the_group}, {NULL, group_of_three},
                   {"not of the group of the type before", group_begins_twice}, {NULL, open_type},
                   {"thunk of type 0: code", thunk_outside},
                   {"host trampoline of type 0: code", host_outside}, {NULL, results_1000},
                   {"more than 1000", results_1001}, {NULL, params_1000},
                   {"more than 1000", params_1001});
}

/* ---- Imports, exports, functions ---- */

CHANGE(import_name_outside, R(imports, import, 0)->name.size = 1000)
CHANGE(import_module_outside, R(imports, import, 0)->module.size = 1000)
CHANGE(import_symbol_outside, R(imports, import, 0)->symbol.size = 1000)
CHANGE(more_imported_than_there_are, h->globals.count = 1)
CHANGE(all_are_imported, h->globals.count = 2; h->exports.count = 3)
CHANGE(export_kind, R(exports, export, 3)->kind = 5)
/* The shorter name is followed by what would put it behind the longer one. */
CHANGE(longer_before_shorter, memcpy(SAMPLE_RECORD(s, strings, char, 200), "abac", 4);
       R(exports, export, 0)->name = (struct lucet_str){200, 2};
       R(exports, export, 1)->name = (struct lucet_str){202, 1})
CHANGE(later_but_longer, memcpy(SAMPLE_RECORD(s, strings, char, 200), "bab", 3);
       R(exports, export, 0)->name = (struct lucet_str){200, 1};
       R(exports, export, 1)->name = (struct lucet_str){201, 2})
CHANGE(the_same_twice, R(exports, export, 1)->name = R(exports, export, 0)->name)
CHANGE(import_without_gate, R(funcs, func, 0)->code = 0)
CHANGE(own_without_code, R(funcs, func, 1)->code = 0)
CHANGE(helper_name, R(helpers, helper, 0)->name.size = 1000)

static void imports_and_exports_are_named_and_in_order(void **state)
{
    (void)state;
    EXPECT_CHANGES({"import 0: name is outside", import_name_outside},
                   {"module of import 0: name", import_module_outside},
                   {"symbol of import 0: name", import_symbol_outside},
                   {"more of kind 3", more_imported_than_there_are}, {NULL, all_are_imported},
                   {"unknown kind 5", export_kind},
                   {"export 1: out of order", longer_before_shorter},
                   {"export 1: out of order", later_but_longer},
                   {"export 1: out of order", the_same_twice}, {NULL, import_without_gate},
                   {"function 1: has no code", own_without_code}, {"helper 0: name", helper_name});
}

#define CLOSED LUCET_FUNC_CLOSED
#define QUIET (LUCET_FUNC_CLOSED | LUCET_FUNC_QUIET)
static void mark(struct sample *s, uint32_t func, uint32_t effects)
{
    struct lucet_module_header *h = sample_header(s);

    h->tags.count = 0;
    h->layout.exception = h->layout.exception_size = 0;
    R(funcs, func, 2)->type = 0;
    R(funcs, func, func)->effects = effects;
}
/* Of type 2, which has three i32. */
static void mark_of_type(struct sample *s, uint16_t nparams, uint16_t nresults)
{
    mark(s, 2, QUIET);
    R(funcs, func, 2)->type = 2;
    R(types, type, 2)->nparams = nparams;
    R(types, type, 2)->nresults = nresults;
}
static void mark_of_long_type(struct sample *s, uint16_t nparams)
{
    long_type(s, nparams, 0);
    R(types, type, 2)->valtypes = 3; /* behind the f64 */
    mark(s, 2, CLOSED);
    R(funcs, func, 2)->type = 2;
}
CHANGE(func_closed, mark(s, 1, CLOSED))
CHANGE(func_quiet, mark(s, 2, QUIET))
CHANGE(func_only_quiet, mark(s, 2, LUCET_FUNC_QUIET))
CHANGE(func_more_than_quiet, mark(s, 2, QUIET | 4))
CHANGE(import_closed, mark(s, 0, CLOSED); R(funcs, func, 0)->type = 0)
CHANGE(closed_with_a_float, mark(s, 2, CLOSED); R(funcs, func, 2)->type = 1)
CHANGE(closed_float_result, mark_of_type(s, 0, 1);
       *SAMPLE_RECORD(s, valtypes, uint8_t, 3) = LUCET_F32;
       *SAMPLE_RECORD(s, reftypes, uint32_t, 3) = LUCET_F32)
CHANGE(closed_two_and_one, mark_of_type(s, 2, 1))
CHANGE(closed_two_results, mark_of_type(s, 0, 2))
CHANGE(closed_six_params, mark_of_long_type(s, 6))
CHANGE(closed_seven_params, mark_of_long_type(s, 7))
CHANGE(closed_counting, mark(s, 1, CLOSED); h->layout.scratch += 16; h->layout.scratch_size -= 16;
       h->flags |= LUCET_MODULE_COUNTS_INSTRUCTIONS)
CHANGE(closed_tail_calls, mark(s, 1, QUIET); h->flags |= LUCET_MODULE_TAIL_CALLS)
CHANGE(closed_throwing, mark(s, 1, CLOSED); h->layout.exception = 4096 + 128;
       h->layout.exception_size = 32)
CHANGE(closed_precise, mark(s, 1, QUIET); h->flags |= LUCET_MODULE_PRECISE_TRAPS)

static void effects_are_of_functions_that_can_have_them(void **state)
{
    (void)state;
    EXPECT_CHANGES({NULL, func_closed}, {NULL, func_quiet},
                   {"function 2: unknown effects 0x2", func_only_quiet},
                   {"function 2: unknown effects 0x7", func_more_than_quiet},
                   {"function 0 cannot be closed", import_closed},
                   {"function 2 cannot be closed", closed_with_a_float},
                   {"function 2 cannot be closed", closed_float_result}, {NULL, closed_two_and_one},
                   {"function 2 cannot be closed", closed_two_results}, {NULL, closed_six_params},
                   {"function 2 cannot be closed", closed_seven_params},
                   {"function 1 is marked, and code counts", closed_counting},
                   {"function 1 is marked, and code counts", closed_tail_calls},
                   {"function 1 is marked, and code counts", closed_throwing},
                   {NULL, closed_precise});
}

/* ---- Tables, memories, globals ---- */

CHANGE(table_flags, R(tables, table, 0)->flags |= LUCET_SHARED)
CHANGE(table_min_32, R(tables, table, 1)->min = UINT32_MAX)
CHANGE(table_min_33, R(tables, table, 1)->min = UINT64_C(1) << 32)
CHANGE(table_min_64, R(tables, table, 1)->min = UINT64_MAX;
       R(tables, table, 1)->flags = LUCET_INDEX64)
CHANGE(table_max_below, R(tables, table, 1)->max = 3; R(tables, table, 1)->flags = LUCET_HAS_MAX)
CHANGE(table_max_equal, R(tables, table, 1)->max = 4; R(tables, table, 1)->flags = LUCET_HAS_MAX)
CHANGE(table_max_33, R(tables, table, 1)->max = UINT64_C(1) << 32;
       R(tables, table, 1)->flags = LUCET_HAS_MAX)
CHANGE(memory_flags, R(memories, memory, 0)->flags |= 8)
CHANGE(memory_min_whole, R(memories, memory, 0)->flags = 0; R(memories, memory, 0)->min = 65536)
CHANGE(memory_min_above, R(memories, memory, 0)->flags = 0; R(memories, memory, 0)->min = 65537)
CHANGE(memory_max_whole, R(memories, memory, 0)->max = 65536)
CHANGE(memory_max_above, R(memories, memory, 0)->max = 65537)
CHANGE(memory_small_pages, R(memories, memory, 0)->page_log2 = 0)
CHANGE(memory_other_pages, R(memories, memory, 0)->page_log2 = 12)
CHANGE(memory_shared, R(memories, memory, 0)->flags = LUCET_SHARED | LUCET_HAS_MAX)
CHANGE(memory_shared_without_max, R(memories, memory, 0)->flags = LUCET_SHARED)
CHANGE(memory_64_without_max, R(memories, memory, 0)->flags = LUCET_INDEX64;
       R(datas, data, 0)->mode = LUCET_PASSIVE)
CHANGE(mutability, R(globals, global, 2)->mutable = 2)
CHANGE(start_with_parameter, R(types, type, 0)->nparams = 1)
CHANGE(start_with_result, R(types, type, 0)->nresults = 1; h->tags.count = 0)

static void limits_are_within_what_indices_name(void **state)
{
    (void)state;
    EXPECT_CHANGES({"table 0: unknown flags", table_flags}, {NULL, table_min_32},
                   {"table 1: minimum", table_min_33}, {NULL, table_min_64},
                   {"table 1: maximum", table_max_below}, {NULL, table_max_equal},
                   {"table 1: maximum", table_max_33}, {"memory 0: unknown flags", memory_flags},
                   {NULL, memory_min_whole}, {"memory 0: minimum", memory_min_above},
                   {NULL, memory_max_whole}, {"memory 0: maximum", memory_max_above},
                   {NULL, memory_small_pages}, {"pages of 2^12", memory_other_pages},
                   {NULL, memory_shared}, {"without a maximum", memory_shared_without_max},
                   {NULL, memory_64_without_max}, {"mutability", mutability},
                   {"parameters or results", start_with_parameter},
                   {"parameters or results", start_with_result});
}

/* ---- Constant expressions ---- */

static void op(struct sample *s, uint32_t i, uint32_t kind, uint64_t value)
{
    *OP(i) = (struct lucet_init_op){.kind = kind, .value = {value, 0}};
}
static void global_init(struct sample *s, uint32_t type, struct lucet_init init)
{
    R(globals, global, 2)->type = type;
    R(globals, global, 2)->init = init;
}
#define OF_KIND(name, kind_, valtype)                                                              \
    CHANGE(name, op(s, 1, LUCET_INIT_##kind_, 1); global_init(s, valtype, INIT(1, 1)))
OF_KIND(init_i32, I32, LUCET_I32)
OF_KIND(init_i64, I64, LUCET_I64)
OF_KIND(init_f32, F32, LUCET_F32)
OF_KIND(init_f64, F64, LUCET_F64)
OF_KIND(init_i32_for_i64, I32, LUCET_I64)
OF_KIND(init_func, REF_FUNC, LUCET_FUNCREF)
CHANGE(init_wide_null, OP(4)->value[0] = UINT64_C(1) << 32 | LUCET_EXTERNREF)
CHANGE(init_of_itself, op(s, 2, LUCET_INIT_GLOBAL_GET, 3))
CHANGE(init_runs_out, R(globals, global, 2)->init = INIT(4, 2))
CHANGE(init_none, R(globals, global, 2)->init.count = 0)
static void binary(struct sample *s, uint32_t one, uint32_t two, uint32_t operator)
{
    struct lucet_init_op *ops = sample_table(s, &sample_header(s)->init_ops, sizeof(*ops), 5 + 3);

    ops[0].kind = LUCET_INIT_I32;
    ops[1].kind = LUCET_INIT_V128;
    ops[2].kind = LUCET_INIT_REF_FUNC;
    ops[3].kind = LUCET_INIT_GLOBAL_GET;
    ops[4] = (struct lucet_init_op){LUCET_INIT_REF_NULL, 0, {LUCET_EXTERNREF, 0}};
    ops[5].kind = one;
    ops[6].kind = two;
    ops[7].kind = operator;
    global_init(s, LUCET_I32, INIT(5, 3));
}
CHANGE(add_i32, binary(s, LUCET_INIT_I32, LUCET_INIT_I32, LUCET_INIT_I32_ADD))
CHANGE(add_i64_below, binary(s, LUCET_INIT_I64, LUCET_INIT_I32, LUCET_INIT_I32_ADD))
CHANGE(add_i64_above, binary(s, LUCET_INIT_I32, LUCET_INIT_I64, LUCET_INIT_I32_MUL))
CHANGE(add_of_i64, binary(s, LUCET_INIT_I64, LUCET_INIT_I64, LUCET_INIT_I64_SUB);
       R(globals, global, 2)->type = LUCET_I64)
CHANGE(two_are_left, op(s, 2, LUCET_INIT_V128, 0); op(s, 3, LUCET_INIT_REF_FUNC, 0);
       R(globals, global, 3)->init = INIT(3, 1); R(datas, data, 0)->offset = INIT(0, 1);
       global_init(s, LUCET_V128, INIT(1, 2)))

/* As many values on the stack as there may be, then operators down to one. */
static void deep(struct sample *s, uint32_t depth)
{
    struct lucet_init_op *ops =
        sample_table(s, &sample_header(s)->init_ops, sizeof(*ops), 2 * depth + 4);

    for (uint32_t k = 0; k < 2 * depth - 1; k++)
        ops[k].kind = k < depth ? LUCET_INIT_I32 : LUCET_INIT_I32_ADD;
    ops[2 * depth].kind = LUCET_INIT_REF_FUNC;
    ops[2 * depth + 1].kind = LUCET_INIT_V128;
    ops[2 * depth + 2] = (struct lucet_init_op){LUCET_INIT_REF_NULL, 0, {LUCET_EXTERNREF, 0}};
    global_init(s, LUCET_I32, INIT(0, 2 * depth - 1));
    R(globals, global, 3)->init = INIT(2 * depth, 1);
    R(datas, data, 0)->offset = INIT(0, 1);
    *SAMPLE_RECORD(s, elem_inits, struct lucet_init, 0) = INIT(2 * depth + 2, 1);
}
CHANGE(depth_256, deep(s, LUCET_INIT_DEPTH))
CHANGE(depth_257, deep(s, LUCET_INIT_DEPTH + 1))

/* Expressions of three operators, of which there are four: `n` of them. */
static void shared(struct sample *s, int n)
{
    op(s, 0, LUCET_INIT_I32, 1);
    op(s, 1, LUCET_INIT_I32, 2);
    op(s, 2, LUCET_INIT_I32_ADD, 0);
    op(s, 3, LUCET_INIT_REF_FUNC, 0);
    sample_header(s)->init_ops.count = 4;
    sample_header(s)->elems.count = 1;
    global_init(s, LUCET_I32, INIT(0, n > 0 ? 3 : 1));
    R(globals, global, 3)->init = INIT(3, 1);
    R(elems, elem, 0)->offset = INIT(0, n > 1 ? 3 : 1);
    R(datas, data, 0)->offset = INIT(0, n > 2 ? 3 : 1);
}
CHANGE(shared_by_two, shared(s, 2))
CHANGE(shared_by_three, shared(s, 3))
CHANGE(imported_with_init, R(globals, global, 0)->init = INIT(0, 1))

static void constant_expressions_are_whole_and_typed(void **state)
{
    (void)state;
    EXPECT_CHANGES(
        {NULL, init_i32}, {NULL, init_i64}, {NULL, init_f32}, {NULL, init_f64}, {NULL, init_func},
        {"global 2: its expression is not of its type", init_i32_for_i64},
        {"is not one", init_wide_null}, {"global 3: its expression is not one", init_of_itself},
        {"global 2: no or too long", init_runs_out}, {"global 2: no or too long", init_none},
        {NULL, add_i32}, {"is not one", add_i64_below}, {"is not one", add_i64_above},
        {NULL, add_of_i64}, {"global 2: its expression is not of its type", two_are_left},
        {NULL, depth_256}, {"is not one", depth_257}, {NULL, shared_by_two},
        {"longer expressions than there are", shared_by_three},
        {"global 0: imported, but has an expression", imported_with_init});
}

/* A table, and a memory, instead of the second imported global. */
static void import_table(struct sample *s, struct lucet_init init)
{
    struct lucet_module_header *h = sample_header(s);

    R(imports, import, 1)->kind = LUCET_EXTERN_TABLE;
    R(imports, import, 2)->index = 0;
    h->nimported_tables = 1;
    h->nimported_globals = 1;
    h->layout.imported_tables = h->layout.tables + sizeof(struct lucet_table);
    *R(globals, global, 1) =
        (struct lucet_module_global){LUCET_I32, 0, h->layout.globals, 0, INIT(0, 1)};
    R(tables, table, 0)->init = init;
}
CHANGE(imported_table, import_table(s, INIT(0, 0)))
CHANGE(imported_table_with_init, import_table(s, INIT(2, 1)))
CHANGE(own_table_with_init, R(tables, table, 0)->init = INIT(2, 1))
/* Tables are made before the module's own globals are. */
CHANGE(table_of_imported_global, R(globals, global, 0)->type = LUCET_FUNCREF;
       R(globals, global, 3)->init = INIT(3, 1); R(elems, elem, 0)->mode = LUCET_PASSIVE;
       R(datas, data, 0)->offset = INIT(0, 1); R(tables, table, 0)->init = INIT(3, 1))
CHANGE(table_of_own_global, op(s, 3, LUCET_INIT_GLOBAL_GET, 3);
       R(elems, elem, 0)->mode = LUCET_PASSIVE; R(datas, data, 0)->offset = INIT(0, 1);
       R(tables, table, 0)->init = INIT(3, 1))
CHANGE(table_of_first_own_global, op(s, 3, LUCET_INIT_GLOBAL_GET, 2);
       *R(globals, global, 2) = *R(globals, global, 3); R(elems, elem, 0)->mode = LUCET_PASSIVE;
       R(datas, data, 0)->offset = INIT(0, 1); R(tables, table, 0)->init = INIT(3, 1))
CHANGE(imported_memory, R(imports, import, 1)->kind = LUCET_EXTERN_MEMORY;
       R(imports, import, 2)->index = 0; h->nimported_memories = 1; h->nimported_globals = 1;
       *R(globals, global, 1) = (struct lucet_module_global){LUCET_I32, 0, h->layout.globals, 0,
                                                             INIT(0, 1)})

static void tables_begin_with_what_is_there_before_them(void **state)
{
    (void)state;
    EXPECT_CHANGES({NULL, imported_table}, {"table 0: imported, but has", imported_table_with_init},
                   {NULL, own_table_with_init}, {NULL, table_of_imported_global},
                   {"table 0: its expression is not one", table_of_own_global},
                   {"table 0: its expression is not one", table_of_first_own_global},
                   {NULL, imported_memory});
}

/* ---- Segments ---- */

CHANGE(elem_none_at_the_end, R(elems, elem, 1)->first = 1; R(elems, elem, 1)->count = 0)
CHANGE(elem_shifted, R(elems, elem, 0)->first = 1)
CHANGE(elem_behind, R(elems, elem, 1)->first = 2; R(elems, elem, 1)->count = 0)
CHANGE(elem_funcs_of_externref, R(elems, elem, 0)->type = LUCET_EXTERNREF;
       R(elems, elem, 0)->table = 1)
CHANGE(elem_mode, R(elems, elem, 1)->mode = 3)
CHANGE(elem_declared, R(elems, elem, 1)->mode = LUCET_DECLARATIVE)
CHANGE(elem_number, R(elems, elem, 1)->type = LUCET_I32)
CHANGE(elem_of_no_type, R(elems, elem, 1)->type = TYPE_REF(3))
CHANGE(elem_table_behind, h->tables.count = 1; h->exports.count = 2;
       R(tables, table, 1)->elem = LUCET_FUNCREF; R(elems, elem, 0)->table = 1)
CHANGE(elem_exprs, R(elems, elem, 1)->is_exprs = 2)
CHANGE(elem_offset_type, R(elems, elem, 0)->offset = INIT(1, 1))
CHANGE(elem_offset_32, R(tables, table, 0)->flags |= LUCET_INDEX64)
CHANGE(elem_offset_64, R(tables, table, 0)->flags |= LUCET_INDEX64; op(s, 0, LUCET_INIT_I64, 0))
CHANGE(elem_offset_64_of_32, op(s, 0, LUCET_INIT_I64, 0))
CHANGE(elem_shares_entries, *R(elems, elem, 1) = *R(elems, elem, 0))
CHANGE(elem_expression, *SAMPLE_RECORD(s, elem_inits, struct lucet_init, 0) = INIT(2, 1))
CHANGE(data_mode, R(datas, data, 1)->mode = LUCET_DECLARATIVE)
CHANGE(data_none_at_the_end, R(datas, data, 1)->bytes = 16; R(datas, data, 1)->size = 0)
CHANGE(data_behind, R(datas, data, 1)->bytes = 17; R(datas, data, 1)->size = 0)
CHANGE(data_offset_32, R(memories, memory, 0)->flags |= LUCET_INDEX64)
CHANGE(data_offset_64, R(memories, memory, 0)->flags |= LUCET_INDEX64; op(s, 0, LUCET_INIT_I64, 0);
       R(elems, elem, 0)->mode = LUCET_PASSIVE; R(datas, data, 0)->offset = INIT(0, 1))

static void segments_are_of_what_is_there(void **state)
{
    (void)state;
    EXPECT_CHANGES({NULL, elem_none_at_the_end}, {"entries do not exist", elem_shifted},
                   {"entries do not exist", elem_behind},
                   {"functions, but not of type funcref", elem_funcs_of_externref},
                   {"unknown mode or type", elem_mode}, {NULL, elem_declared},
                   {"unknown mode or type", elem_number}, {"unknown mode or type", elem_of_no_type},
                   {"no such table", elem_table_behind}, {"unknown mode or type", elem_exprs},
                   {"element segment 0: its expression is not of its type", elem_offset_type},
                   {"element segment 0: its expression is not of its type", elem_offset_32},
                   {NULL, elem_offset_64},
                   {"element segment 0: its expression is not of its type", elem_offset_64_of_32},
                   {"more entries than there are", elem_shares_entries},
                   {"element 0: its expression is not of its type", elem_expression},
                   {"unknown mode", data_mode}, {NULL, data_none_at_the_end},
                   {"bytes do not exist", data_behind},
                   {"data segment 0: its expression is not of its type", data_offset_32},
                   {NULL, data_offset_64});
}

/* ---- Private modules ---- */

/* Nothing but what is exported as `kind` can have a reference to a function. */
static void private(struct sample *s, uint32_t kind, uint32_t index)
{
    struct lucet_module_header *h = sample_header(s);

    h->flags |= LUCET_MODULE_PRIVATE_FUNCS;
    h->exports.count = 1;
    *R(exports, export, 1) = (struct lucet_module_export){{0, 1}, LUCET_EXTERN_TABLE, 0};
    R(exports, export, 0)->kind = kind;
    R(exports, export, 0)->index = index;
}
CHANGE(not_private, h->flags |= LUCET_MODULE_PRECISE_TRAPS)
CHANGE(private_func, private(s, LUCET_EXTERN_FUNC, 1))
CHANGE(private_param, private(s, LUCET_EXTERN_FUNC, 1); refer(s, 3, 0);
       R(types, type, 0)->valtypes = 3; R(types, type, 0)->nparams = 1; h->start = LUCET_NONE)
CHANGE(private_result, private(s, LUCET_EXTERN_FUNC, 2); refer(s, 5, 0))
CHANGE(private_table, private(s, LUCET_EXTERN_TABLE, 0))
CHANGE(private_other_table, private(s, LUCET_EXTERN_TABLE, 1))
CHANGE(private_memory, private(s, LUCET_EXTERN_MEMORY, 0))
CHANGE(private_global, private(s, LUCET_EXTERN_GLOBAL, 3))
CHANGE(private_other_global, private(s, LUCET_EXTERN_GLOBAL, 2))
CHANGE(private_import, private(s, LUCET_EXTERN_FUNC, 1);
       R(globals, global, 1)->type = LUCET_FUNCREF)
CHANGE(private_imported_func, private(s, LUCET_EXTERN_FUNC, 1); refer(s, 2, 0))

static void references_of_private_modules_cannot_leave(void **state)
{
    (void)state;
    EXPECT_CHANGES({NULL, not_private}, {NULL, private_func},
                   {"export 0: a private", private_param}, {"export 0: a private", private_result},
                   {"export 0: a private", private_table}, {NULL, private_other_table},
                   {NULL, private_memory}, {"export 0: a private", private_global},
                   {NULL, private_other_global}, {"import 2: a private", private_import},
                   {"import 0: a private", private_imported_func});
}

/* ---- Sums: records may share what they name ---- */

#define LIMIT (UINT64_C(64) << 20)

static void move_guest_part(struct sample *s, uint32_t by)
{
    struct lucet_layout *l = &sample_header(s)->layout;

    l->scratch += by, l->globals += by, l->exception += by, l->size += by;
    for (uint32_t k = 0; k < 4; k++)
        if (R(globals, global, k)->cell != LUCET_NONE)
            R(globals, global, k)->cell += by;
}

static void types_together_are_not_too_long(void **state)
{
    const uint32_t count = 3 + (uint32_t)(LIMIT / 1000) + 1;

    (void)state;
    for (uint16_t more = 0; more < 2; more++) {
        struct sample s = sample_build_roomy(4 << 20), *p = &s;
        struct lucet_module_header *h = sample_header(p);
        struct lucet_module_type first[3];
        memcpy(first, SAMPLE_RECORD(p, types, struct lucet_module_type, 0), sizeof(first));
        long_type(p, 0, 0);
        struct lucet_module_type *t = sample_table(p, &h->types, sizeof(*t), count);
        memcpy(t, first, sizeof(first));
        for (uint32_t k = 3; k < count; k++)
            t[k].nparams = 1000;
        t[3].nparams = 1000 - 3 - 3; /* the first three have them */
        t[count - 1].nparams = (uint16_t)(LIMIT % 1000 + more);
        h->layout.type_ids = 8192;
        h->layout.guest_part = (h->layout.type_ids + count * 8 + 4095) / 4096 * 4096;
        move_guest_part(p, h->layout.guest_part - 4096);
        expect_read(p, more ? "the types are too long together" : NULL, "types");
    }
}

static void import_names_together_are_not_too_long(void **state)
{
    static const char *const kinds[] = {"modules", "names", "symbols"};
    const uint32_t count = (uint32_t)(LIMIT / LUCET_ARTIFACT_MAX_NAME) + 1;

    (void)state;
    for (unsigned k = 0; k < 6; k++) {
        struct sample s = sample_build_roomy(256 << 10), *p = &s;
        struct lucet_module_header *h = sample_header(p);
        sample_table(p, &h->strings, 1, LUCET_ARTIFACT_MAX_NAME);
        struct lucet_module_import *m = sample_table(p, &h->imports, sizeof(*m), count);
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t size =
                i + 1 < count ? LUCET_ARTIFACT_MAX_NAME : LIMIT % LUCET_ARTIFACT_MAX_NAME + k % 2;
            struct lucet_str *names[] = {&m[i].module, &m[i].name, &m[i].symbol};
            names[k / 2]->size = size;
            m[i].kind = LUCET_EXTERN_TAG;
            m[i].index = i;
        }
        sample_table(p, &h->tags, sizeof(struct lucet_module_tag), count);
        h->nimported_tags = count;
        h->nimported_funcs = h->nimported_globals = 0;
        h->globals.count = h->elems.count = h->datas.count = h->exports.count = 0;
        h->layout.tags = 4096;
        h->layout.guest_part = 4096 + 8192;
        move_guest_part(p, 8192);
        expect_read(p, k % 2 ? "the names are too long together" : NULL, kinds[k / 2]);
    }
}

/* Each is longer than the one before, of the same bytes. */
static void export_names_together_are_not_too_long(void **state)
{
    uint32_t last = 0;
    uint64_t rest = LIMIT;

    (void)state;
    while (rest >= 2 * (uint64_t)last + 1)
        rest -= last++;
    for (uint32_t more = 0; more < 2; more++) {
        struct sample s = sample_build_roomy(512 << 10), *p = &s;
        struct lucet_module_header *h = sample_header(p);
        sample_table(p, &h->strings, 1, LUCET_ARTIFACT_MAX_NAME);
        struct lucet_module_export *e = sample_table(p, &h->exports, sizeof(*e), last + 1);
        for (uint32_t i = 0; i <= last; i++)
            e[i] = (struct lucet_module_export){.name = {0, i}, .kind = LUCET_EXTERN_FUNC};
        e[last].name.size = (uint32_t)rest + more;
        expect_read(p, more ? "the names are too long together" : NULL, "exports");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_of_known_values_and_earlier_types),
        cmocka_unit_test(imports_and_exports_are_named_and_in_order),
        cmocka_unit_test(effects_are_of_functions_that_can_have_them),
        cmocka_unit_test(limits_are_within_what_indices_name),
        cmocka_unit_test(constant_expressions_are_whole_and_typed),
        cmocka_unit_test(tables_begin_with_what_is_there_before_them),
        cmocka_unit_test(segments_are_of_what_is_there),
        cmocka_unit_test(references_of_private_modules_cannot_leave),
        cmocka_unit_test(types_together_are_not_too_long),
        cmocka_unit_test(import_names_together_are_not_too_long),
        cmocka_unit_test(export_names_together_are_not_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
