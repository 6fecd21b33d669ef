/* The reader's rules about where things are in an instance's context, and how large its heap is to
 * be: what is accepted here decides where the runtime and compiled code write. */
#include <stdio.h>
#include <string.h>

#include "changes.h"

/* ---- What the runtime writes ---- */

CHANGE(array_unaligned, h->layout.imported_funcs = 612)
CHANGE(arrays_up_to_the_guest, h->layout.tags = 4088)
CHANGE(arrays_beyond, h->layout.tags = 4096)
CHANGE(guest_part_at_0, h->layout.guest_part = 0)
CHANGE(no_array_no_offset, h->tags.count = 0; h->layout.tags = UINT32_MAX)

static void arrays_are_apart_and_before_the_guest(void **state)
{
    (void)state;
    EXPECT_CHANGES({"imported_funcs is not aligned", array_unaligned},
                   {NULL, arrays_up_to_the_guest}, {"guest's part", arrays_beyond},
                   {"guest's part", guest_part_at_0}, {NULL, no_array_no_offset});
}

/* ---- What the guest writes ---- */

CHANGE(counter_on_scratch, h->flags |= LUCET_MODULE_COUNTS_INSTRUCTIONS)
CHANGE(counter_before_scratch, h->flags |= LUCET_MODULE_COUNTS_INSTRUCTIONS;
       h->layout.scratch = 4096 + LUCET_COUNTER_SIZE; h->layout.scratch_size = 48)
CHANGE(no_exceptions, h->tags.count = 0; h->layout.exception = h->layout.exception_size = 0)
CHANGE(exception_at_0, h->tags.count = 0; h->layout.exception = 0)
CHANGE(exception_among_arrays, h->tags.count = 0; h->layout.exception = 1024)
/* Nothing needs scratch space: all results are in registers. */
static void no_scratch(struct sample *s, struct lucet_module_header *h, uint32_t offset)
{
    R(types, type, 2)->nresults = 2;
    h->layout.scratch = offset;
    h->layout.scratch_size = 0;
}
CHANGE(empty_scratch, no_scratch(s, h, 4096))
CHANGE(empty_scratch_among_arrays, no_scratch(s, h, 512))
CHANGE(scratch_at_0, no_scratch(s, h, 0))
static void no_globals(struct lucet_module_header *h, uint32_t offset)
{
    h->globals.count = 2;
    h->nimported_globals = 2;
    h->exports.count = 3;
    h->layout.globals = offset;
    h->layout.globals_size = 0;
}
CHANGE(globals_among_arrays, no_globals(h, 512))
CHANGE(globals_at_0, no_globals(h, 0))
CHANGE(cell_at_the_end, R(globals, global, 3)->cell = 4096 + 128 - 8)
CHANGE(cell_half_outside, R(globals, global, 2)->cell = 4096 + 128 - 8)
CHANGE(cell_behind, R(globals, global, 3)->cell = 4096 + 128)
CHANGE(cell_in_scratch, R(globals, global, 3)->cell = 4096 + 56)
CHANGE(ends_with_the_context, h->layout.size = 4096 + 160)
CHANGE(ends_behind_the_context, h->layout.size = 4096 + 159)

static void what_the_guest_writes_is_behind_what_the_host_writes(void **state)
{
    (void)state;
    EXPECT_CHANGES({"scratch overlaps", counter_on_scratch}, {NULL, counter_before_scratch},
                   {NULL, no_exceptions}, {"exception overlaps", exception_at_0},
                   {"exception overlaps", exception_among_arrays}, {NULL, empty_scratch},
                   {"scratch overlaps", empty_scratch_among_arrays},
                   {"scratch or globals before", scratch_at_0},
                   {"globals overlaps", globals_among_arrays},
                   {"scratch or globals before", globals_at_0}, {NULL, cell_at_the_end},
                   {"global 2: cell", cell_half_outside}, {"global 3: cell", cell_behind},
                   {"global 3: cell", cell_in_scratch}, {NULL, ends_with_the_context},
                   {"ends behind the context", ends_behind_the_context});
}

/* ---- The heap ---- */

#define LARGEST (UINT64_C(1) << 46)
CHANGE(largest, h->heap = ((struct lucet_heap_layout){LARGEST, LARGEST, LARGEST}))
CHANGE(reserved_larger, h->heap.reserved_size = LARGEST + 4096)
CHANGE(guard_larger, h->heap.guard_size = LARGEST + 4096)
CHANGE(front_larger, h->heap.front_guard = LARGEST + 4096)
CHANGE(reserved_half_a_page, h->heap.reserved_size = 2048)
CHANGE(guard_half_a_page, h->heap.guard_size = 2048)
CHANGE(front_half_a_page, h->heap.front_guard = 2048)

static void heaps_are_whole_pages_of_an_address_space(void **state)
{
    (void)state;
    EXPECT_CHANGES({NULL, largest}, {"larger than an address space", reserved_larger},
                   {"larger than an address space", guard_larger},
                   {"larger than an address space", front_larger},
                   {"multiples of the page size", reserved_half_a_page},
                   {"multiples of the page size", guard_half_a_page},
                   {"multiples of the page size", front_half_a_page});
}

/* ---- Scratch space ---- */

struct needs {
    const char *params, *results; /* letters */
    bool host, tail_calls;
    uint32_t slots;
};

/* Type 1 or 2 of the sample becomes that one. */
static void set_type(struct sample *s, uint32_t type, const struct needs *n, uint32_t first)
{
    struct lucet_module_type *t = R(types, type, type);
    const size_t nparams = strlen(n->params), nresults = strlen(n->results);

    for (size_t k = 0; k < nparams + nresults; k++)
        *SAMPLE_RECORD(s, valtypes, uint8_t, first + k) =
            lucet_valtype_from_letter(k < nparams ? n->params[k] : n->results[k - nparams]);
    t->valtypes = first;
    t->nparams = (uint16_t)nparams;
    t->nresults = (uint16_t)nresults;
    t->host = n->host ? R(types, type, 0)->entry : 0;
}

static void expect_scratch(const struct needs *one, const struct needs *two, uint32_t slots)
{
    for (uint32_t less = 0; less <= (slots > 0); less++) {
        struct sample s = sample_build_roomy(4096), *p = &s;
        struct lucet_module_header *h = sample_header(p);
        char what[128];
        h->reftypes.count = 0;
        memset(sample_table(p, &h->valtypes, 1, 100), LUCET_F64, 100);
        h->tags.count = 0;
        set_type(p, 1, one, 0);
        set_type(p, 2, two, 50);
        h->flags |= one->tail_calls || two->tail_calls ? LUCET_MODULE_TAIL_CALLS
                                                       : LUCET_MODULE_PRECISE_TRAPS;
        h->layout.scratch = h->layout.size;
        h->layout.scratch_size = (slots - less) * LUCET_RESULT_SLOT + less * 8;
        h->layout.size += h->layout.scratch_size;
        snprintf(what, sizeof what, "(%s) -> (%s), (%s) -> (%s), %u less", one->params,
                 one->results, two->params, two->results, less);
        expect_read(p, less ? "scratch space is too small" : NULL, what);
    }
}

/* Results beyond two integers and two others, or of host functions beyond one; with tail calls,
 * parameters beyond six integers and eight others (docs/abi.md C2, C8, C10). */
static void scratch_space_holds_what_has_no_register(void **state)
{
    static const struct needs none = {"", "", false, false, 0};
    static const struct needs all[] = {
        {"", "II", false, false, 0},
        {"", "IIfF", false, false, 0},
        {"", "IIfv", false, false, 0},
        {"", "III", false, false, 3},
        {"", "iIr", false, false, 3},
        {"", "xei", false, false, 3},
        {"", "fFv", false, false, 3},
        {"", "vvv", false, false, 3},
        {"", "fff", false, false, 3},
        {"", "IIfFv", false, false, 5},
        {"", "I", true, false, 0},
        {"", "v", true, false, 0},
        {"", "If", true, false, 2},
        {"", "II", true, false, 2},
        {"", "III", true, false, 3},
        {"IIIIIIIfFvfFvfFv", "", false, false, 0},
        {"IIIIII", "", false, true, 0},
        {"iIrxei", "", false, true, 0},
        {"iIrxeiI", "", false, true, 1},
        {"fFvfFvfF", "", false, true, 0},
        {"fFvfFvfFv", "", false, true, 1},
        {"vvvvvvvvv", "", false, true, 1},
        {"fffffffff", "", false, true, 1},
        {"IIIIIIfFvfFvfF", "", false, true, 0},
        {"IIIIIIIIffffffffff", "", false, true, 4},
        {"IIIIIIIII", "III", false, true, 3},
        {"IIIIIIIIIII", "III", false, true, 5},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        expect_scratch(&all[i], &none, all[i].slots);
        expect_scratch(&none, &all[i], all[i].slots);
    }
    /* The largest of all types, whichever comes last. */
    static const struct needs three = {"", "III", false, false, 3},
                              two = {"", "II", true, false, 2},
                              ten = {"IIIIIIIIII", "", false, true, 4};
    expect_scratch(&three, &two, 3);
    expect_scratch(&two, &three, 3);
    expect_scratch(&ten, &three, 4);
    expect_scratch(&three, &ten, 4);
    expect_scratch(&ten, &(struct needs){"IIIIIII", "", false, true, 1}, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_apart_and_before_the_guest),
        cmocka_unit_test(what_the_guest_writes_is_behind_what_the_host_writes),
        cmocka_unit_test(heaps_are_whole_pages_of_an_address_space),
        cmocka_unit_test(scratch_space_holds_what_has_no_register),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
