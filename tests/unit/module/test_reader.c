/* The reader accepts a good artifact, refuses every damaged one with a reason, and never reads
 * outside the bytes it was given (the sanitizer build shows that). */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"

static bool read_sample(const struct sample *s, struct lucet_artifact *a,
                        struct lucet_artifact_error *err)
{
    return lucet_artifact_read(s->bytes, s->size, a, err);
}

/* Uses everything the reader hands out, as its callers do without further checks. */
static unsigned touch_str(const struct lucet_artifact *a, struct lucet_str s)
{
    const char *p = lucet_artifact_str(a, s);
    unsigned sum = 0;

    for (uint32_t i = 0; i < s.size; i++)
        sum += (unsigned char)p[i];
    return sum;
}

static unsigned touch(const struct lucet_artifact *a)
{
    unsigned sum = touch_str(a, a->header->module_name) + touch_str(a, a->header->cpu);
    char buf[64];

    for (uint32_t i = 0; i < a->nimports; i++)
        sum += touch_str(a, a->imports[i].module) + touch_str(a, a->imports[i].symbol);
    for (uint32_t i = 0; i < a->nexports; i++)
        sum += touch_str(a, a->exports[i].name);
    for (uint32_t i = 0; i < a->nfuncs; i++) {
        const struct lucet_module_func *f = &a->funcs[i];
        sum += (unsigned)lucet_artifact_signature(a, &a->types[f->type], buf, sizeof(buf));
        if (f->code)
            sum += a->bytes[a->text.offset + lucet_artifact_code(a, f->code) - a->text.vaddr];
    }
    for (uint32_t i = 0; i < a->nelems; i++)
        for (uint32_t k = 0; k < a->elems[i].count; k++)
            sum += a->elems[i].is_exprs
                       ? a->init_ops[a->elem_inits[a->elems[i].first + k].first].kind
                       : a->funcs[a->elem_funcs[a->elems[i].first + k]].type;
    for (uint32_t i = 0; i < a->ndatas; i++)
        for (uint64_t k = 0; k < a->datas[i].size; k++)
            sum += a->data_bytes[a->datas[i].bytes + k];
    return sum;
}

static void good_artifact_is_read(void **state)
{
    struct sample s = sample_build();
    struct lucet_artifact a;
    struct lucet_artifact_error err;
    char signature[8];

    (void)state;
    if (!read_sample(&s, &a, &err))
        fail_msg("%s", err.text);
    assert_int_equal(a.nfuncs, 3);
    assert_int_equal(a.nexports, 4);
    assert_int_equal(a.image_size, 3 * 4096);
    assert_int_equal(lucet_artifact_code(&a, a.funcs[1].code), s.text + 16);
    assert_int_equal(lucet_artifact_signature(&a, &a.types[1], signature, sizeof(signature)), 4);
    assert_string_equal(signature, "iI:F");
    assert_int_equal(lucet_artifact_signature(&a, &a.types[1], signature, 3), 4);
    assert_string_equal(signature, "iI");
    assert_int_equal(lucet_artifact_export(&a, "ab", 2)->kind, LUCET_EXTERN_MEMORY);
    assert_null(lucet_artifact_export(&a, "aa", 2));
    assert_null(lucet_artifact_export(&a, "", 0));
    assert_true(touch(&a) > 0);
    free(s.bytes);
}

/* Copies to an allocation of exactly that size, so that reading behind it is seen. */
static bool read_exactly(const uint8_t *bytes, size_t size, struct lucet_artifact_error *err)
{
    struct lucet_artifact a;
    uint8_t *copy = malloc(size ? size : 1);
    bool good;

    memcpy(copy, bytes, size);
    good = lucet_artifact_read(copy, size, &a, err);
    if (good)
        touch(&a);
    free(copy);
    return good;
}

static void truncation_is_refused_at_every_length(void **state)
{
    struct sample s = sample_build();
    struct lucet_artifact_error err;

    (void)state;
    for (size_t size = 0; size < s.text + s.text_size; size++) {
        assert_false(read_exactly(s.bytes, size, &err));
        assert_true(err.text[0] != '\0');
    }
    assert_true(read_exactly(s.bytes, s.text + s.text_size, &err));
    free(s.bytes);
}

static void damage_at_every_byte_is_refused_or_harmless(void **state)
{
    static const uint8_t flips[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff, 0x7f};
    struct sample s = sample_build();
    struct lucet_artifact_error err;
    size_t refused = 0, accepted = 0;

    (void)state;
    for (size_t i = 0; i < s.text; i++) {
        if (i >= s.metadata + s.metadata_size && i < 0x1a00) /* filling */
            continue;
        for (size_t k = 0; k < sizeof(flips); k++) {
            struct lucet_artifact a;
            s.bytes[i] ^= flips[k];
            if (read_sample(&s, &a, &err)) {
                accepted++;
                touch(&a);
            } else {
                refused++;
                assert_true(err.text[0] != '\0');
            }
            s.bytes[i] ^= flips[k];
        }
    }
    print_message("%zu refused, %zu accepted\n", refused, accepted);
    assert_true(refused > 0 && accepted > 0);
    free(s.bytes);
}

static void random_damage_is_refused_or_harmless(void **state)
{
    struct sample s = sample_build();
    uint8_t *good = malloc(s.size);
    struct lucet_artifact_error err;
    uint64_t random = 88172645463325252u;

    (void)state;
    memcpy(good, s.bytes, s.size);
    for (int round = 0; round < 20000; round++) {
        struct lucet_artifact a;
        memcpy(s.bytes, good, s.size);
        for (int k = 0; k < 4; k++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            size_t at = s.metadata + random % (s.metadata_size / 4) * 4;
            uint32_t value = (uint32_t)(random >> 32) >> (random >> 20) % 32;
            memcpy(s.bytes + at, &value, sizeof(value));
        }
        if (read_sample(&s, &a, &err))
            touch(&a);
    }
    free(good);
    free(s.bytes);
}

/* ---- Each rule ---- */

CHANGE(elf_class, s->bytes[4] = 1)
CHANGE(elf_type, s->bytes[16] = 2)
CHANGE(elf_machine, s->bytes[18] = 3)
CHANGE(writable_text, s->bytes[64 + 56 + 4] = 7)
CHANGE(writable_data, s->bytes[64 + 4] = 6)
CHANGE(only_executable, s->bytes[64 + 56 + 4] = 1)
CHANGE(two_executables, s->bytes[64 + 4] = 5)
CHANGE(unaligned_segment, s->bytes[64 + 8] = 1)
CHANGE(bss, s->bytes[64 + 56 + 40 + 1] = 0x40)
CHANGE(overlap, s->bytes[64 + 56 + 16 + 1] = 0x10)
CHANGE(interpreter, s->bytes[64] = 3)
CHANGE(more_code, s->bytes[s->text + s->text_size] = 0x90)
CHANGE(relocations, s->bytes[s->text - 0x500 + 3 * 64 + 4] = 4)
CHANGE(magic, h->magic[0] = 'l')
CHANGE(format_version, h->format_version++)
CHANGE(abi_version, h->abi_version++)
/* A good header where only a look at the sections' names finds it. */
static void decoy(struct sample *s, struct lucet_module_header *h)
{
    Elf64_Shdr *sections = (void *)(s->bytes + ((Elf64_Ehdr *)(void *)s->bytes)->e_shoff);

    memcpy(s->bytes + s->text - 0x300, h, 64);
    sections[0] = (Elf64_Shdr){
        .sh_name = 7, .sh_type = SHT_PROGBITS, .sh_offset = s->text - 0x300, .sh_size = 64};
    h->abi_version++;
}
CHANGE(other_arch, h->arch = LUCET_ARCH_AARCH64)
CHANGE(unknown_flag, h->flags |= 1u << 30)
CHANGE(section_size, h->size++)
CHANGE(data_size, h->data_size = 17)
CHANGE(span_count, h->funcs.count = UINT32_MAX)
CHANGE(span_offset, h->funcs.offset = UINT32_MAX - 7)
CHANGE(span_unaligned, h->globals.offset++)
CHANGE(start_missing, h->start = 3)
CHANGE(start_type, h->start = 2)
CHANGE(import_count, h->nimported_funcs = 2)
CHANGE(heap_unaligned, h->heap.guard_size++)
CHANGE(heap_huge, h->heap.reserved_size = UINT64_MAX - 4095)
CHANGE(array_in_fixed_part, h->layout.memories = 8)
CHANGE(arrays_overlap, h->layout.tables = 520)
CHANGE(array_in_guest_part, h->layout.funcrefs = 4096)
CHANGE(array_wraps, h->layout.type_ids = UINT32_MAX - 7)
CHANGE(guest_part_unaligned, h->layout.guest_part = 4096 + 16)
CHANGE(scratch_small, h->layout.scratch_size = 16)
CHANGE(scratch_on_globals, h->layout.scratch = 4096 + 64)
/* The tag's type, which is the start function's, gets a parameter. */
static void tag_with_value(struct sample *s, struct lucet_module_header *h, uint8_t type)
{
    h->start = LUCET_NONE;
    R(types, type, 0)->valtypes = 3;
    R(types, type, 0)->nparams = 1;
    *SAMPLE_RECORD(s, valtypes, uint8_t, 3) = type;
    *SAMPLE_RECORD(s, reftypes, uint32_t, 3) = type;
}
CHANGE(tag_type, R(tags, tag, 0)->type = 3)
CHANGE(tag_results, R(tags, tag, 0)->type = 1)
CHANGE(tag_array, h->layout.tags = 656)
CHANGE(tag_no_place, h->layout.exception_size = 0)
CHANGE(exception_small, h->layout.exception_size = 8)
CHANGE(exception_unaligned, h->layout.exception += 8)
CHANGE(exception_on_globals, h->layout.exception -= 16)
CHANGE(exception_wraps, h->layout.exception_size = UINT32_MAX)
CHANGE(exception_values, tag_with_value(s, h, LUCET_I64); h->layout.exception_size = 16)
CHANGE(tag_not_private, tag_with_value(s, h, LUCET_FUNCREF); h->flags |= LUCET_MODULE_PRIVATE_FUNCS;
       h->exports.count = 0)
CHANGE(context_small, h->layout.size = 4096 + 127)
CHANGE(cell_outside, R(globals, global, 3)->cell = 4096 + 128)
CHANGE(cell_wraps, R(globals, global, 3)->cell = UINT32_MAX - 7)
CHANGE(cell_unaligned, R(globals, global, 2)->cell = 4096 + 72)
CHANGE(cell_of_import, R(globals, global, 1)->cell = 4096 + 64)
CHANGE(global_type, R(globals, global, 2)->type = 0x40)
CHANGE(init_type, R(globals, global, 2)->init.first = 0)
CHANGE(init_missing, R(globals, global, 2)->init.count = 0)
CHANGE(init_outside, R(globals, global, 2)->init.first = 5)
CHANGE(init_of_mutable, SAMPLE_RECORD(s, init_ops, struct lucet_init_op, 3)->value[0] = 1)
CHANGE(init_func, SAMPLE_RECORD(s, init_ops, struct lucet_init_op, 2)->value[0] = 3)
CHANGE(init_operands,
       SAMPLE_RECORD(s, init_ops, struct lucet_init_op, 3)->kind = LUCET_INIT_I32_ADD)
CHANGE(init_values, R(globals, global, 2)->init = ((struct lucet_init){0, 5}))
CHANGE(init_null, SAMPLE_RECORD(s, init_ops, struct lucet_init_op, 4)->value[0] = LUCET_I32)
CHANGE(group_before, R(types, type, 0)->group_before = 1)
CHANGE(group_after, R(types, type, 2)->group_after = 1)
CHANGE(group_begins_late, R(types, type, 1)->group_before = 1)
CHANGE(group_ends_early, R(types, type, 1)->group_after = 1)
CHANGE(type_open, R(types, type, 1)->is_open = 2)
CHANGE(exact_other_plain, *SAMPLE_RECORD(s, reftypes, uint32_t, 1) = LUCET_FUNCREF)
CHANGE(exact_none, *SAMPLE_RECORD(s, reftypes, uint32_t, 1) = 0x17e)
CHANGE(exact_count, h->reftypes.count--)
static void refer(struct sample *s, uint32_t type)
{
    *SAMPLE_RECORD(s, valtypes, uint8_t, 0) = LUCET_FUNCREF;
    *SAMPLE_RECORD(s, reftypes, uint32_t, 0) = type << 8 | LUCET_REF_TYPE;
}
CHANGE(refers_to_none, refer(s, 3))
CHANGE(refers_later, refer(s, 2))
CHANGE(table_of_no_type, R(tables, table, 0)->elem = 3u << 8 | LUCET_REF_TYPE)
CHANGE(table_init_type, R(tables, table, 0)->init = ((struct lucet_init){0, 1}))
CHANGE(global_of_no_type, R(globals, global, 3)->type = 3u << 8 | LUCET_REF_TYPE)
CHANGE(type_outside, R(types, type, 2)->valtypes = 4)
CHANGE(type_arity, R(types, type, 2)->nparams = 1001)
CHANGE(entry_outside, R(types, type, 0)->entry = 8)
CHANGE(func_type, R(funcs, func, 2)->type = 3)
CHANGE(func_code, R(funcs, func, 2)->code += 64)
CHANGE(func_no_code, R(funcs, func, 2)->code = 0)
CHANGE(func_name, R(funcs, func, 2)->name.size = 1000)
CHANGE(func_name_wraps, R(funcs, func, 1)->name.offset = UINT32_MAX)
CHANGE(import_kind, R(imports, import, 1)->kind = 5)
CHANGE(import_order, R(imports, import, 1)->index = 1)
CHANGE(export_order, R(exports, export, 1)->name.size = 1)
CHANGE(export_index, R(exports, export, 1)->index = 1)
CHANGE(table_elem, R(tables, table, 0)->elem = LUCET_I32)
CHANGE(table_max, R(tables, table, 0)->max = 0)
CHANGE(memory_min, R(memories, memory, 0)->min = 65537)
CHANGE(elem_table, R(elems, elem, 0)->table = 2)
CHANGE(elem_table_type, R(elems, elem, 0)->table = 1)
CHANGE(elem_count, R(elems, elem, 0)->count = 3)
CHANGE(elem_func, *SAMPLE_RECORD(s, elem_funcs, uint32_t, 1) = 3)
CHANGE(data_bytes, R(datas, data, 1)->bytes = 9)
CHANGE(data_wraps, R(datas, data, 1)->size = UINT64_MAX)
CHANGE(data_memory, R(datas, data, 0)->memory = 1)
CHANGE(data_offset, R(datas, data, 0)->offset.first = 1)
CHANGE(ref_func, *SAMPLE_RECORD(s, ref_funcs, uint32_t, 0) = 3)
CHANGE(helper_code, R(helpers, helper, 0)->code = 0)
CHANGE(not_private, h->flags |= LUCET_MODULE_PRIVATE_FUNCS)

static const struct change damages[] = {
    {"64 bits", elf_class},
    {"a program", elf_type},
    {"machine", elf_machine},
    {"not R or R+X", writable_text},
    {"not R or R+X", writable_data},
    {"not R or R+X", only_executable},
    {"more than one executable", two_executables},
    {"begin at a page", unaligned_segment},
    {"larger than in the file", bss},
    {"overlaps", overlap},
    {"a program", interpreter},
    {"more than .text", more_code},
    {"relocations", relocations},
    {"magic", magic},
    {"artifact format", format_version},
    {"ABI", abi_version},
    {"ABI", decoy},
    {"architecture", other_arch},
    {"flags", unknown_flag},
    {"size", section_size},
    {"data bytes", data_size},
    {"table funcs", span_count},
    {"table funcs", span_offset},
    {"table globals", span_unaligned},
    {"start", start_missing},
    {"start", start_type},
    {"imports", import_count},
    {"multiples of the page size", heap_unaligned},
    {"address space", heap_huge},
    {"overlaps", array_in_fixed_part},
    {"overlaps", arrays_overlap},
    {"guest's part", array_in_guest_part},
    {"guest's part", array_wraps},
    {"begin at a page", guest_part_unaligned},
    {"too small", scratch_small},
    {"overlap", scratch_on_globals},
    {"behind the context", context_small},
    {"type 3 does not exist", tag_type},
    {"results", tag_results},
    {"overlaps", tag_array},
    {"no place", tag_no_place},
    {"too small", exception_small},
    {"not aligned", exception_unaligned},
    {"overlaps", exception_on_globals},
    {"behind the context", exception_wraps},
    {"do not fit", exception_values},
    {"throws function references", tag_not_private},
    {"cell", cell_outside},
    {"cell", cell_wraps},
    {"cell", cell_unaligned},
    {"has a cell", cell_of_import},
    {"global 2", global_type},
    {"not of its type", init_type},
    {"no or too long", init_missing},
    {"no or too long", init_outside},
    {"is not one", init_of_mutable},
    {"is not one", init_func},
    {"is not one", init_operands},
    {"not of its type", init_values},
    {"is not one", init_null},
    {"its group does not exist", group_before},
    {"its group does not exist", group_after},
    {"not of the group of the type before", group_begins_late},
    {"its group ends before its end", group_ends_early},
    {"its group does not exist", type_open},
    {"of another plain type", exact_other_plain},
    {"of another plain type", exact_none},
    {"5 exact types for 6 plain ones", exact_count},
    {"of another plain type", refers_to_none},
    {"refers to a later type", refers_later},
    {"is no reference", table_of_no_type},
    {"table 0", table_init_type},
    {"global 3", global_of_no_type},
    {"valtypes", type_outside},
    {"more than 1000", type_arity},
    {"outside .text", entry_outside},
    {"type 3", func_type},
    {"outside .text", func_code},
    {"no code", func_no_code},
    {"outside the strings", func_name},
    {"outside the strings", func_name_wraps},
    {"kind", import_kind},
    {"out of order", import_order},
    {"out of order", export_order},
    {"does not exist", export_index},
    {"no reference", table_elem},
    {"maximum", table_max},
    {"minimum", memory_min},
    {"no such table", elem_table},
    {"no such table", elem_table_type},
    {"do not exist", elem_count},
    {"does not exist", elem_func},
    {"do not exist", data_bytes},
    {"do not exist", data_wraps},
    {"does not exist", data_memory},
    {"not of its type", data_offset},
    {"does not exist", ref_func},
    {"no code", helper_code},
    {"private module exports", not_private},
};

static void each_rule_is_enforced_with_its_reason(void **state)
{
    (void)state;
    expect_changes(damages, sizeof(damages) / sizeof(*damages));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_artifact_is_read),
        cmocka_unit_test(truncation_is_refused_at_every_length),
        cmocka_unit_test(damage_at_every_byte_is_refused_or_harmless),
        cmocka_unit_test(random_damage_is_refused_or_harmless),
        cmocka_unit_test(each_rule_is_enforced_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
