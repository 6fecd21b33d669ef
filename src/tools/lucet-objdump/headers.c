/* What the artifact is, what it assumes of the machine and of the slot it runs in. */
#include <string.h>

#include "module/cpu.h"
#include "tools/lucet-objdump/objdump.h"

static json_t *cpu_features(uint64_t set)
{
    json_t *list = must(json_array());

    for (unsigned bit = 0; bit < 64; bit++) {
        const char *name = lucet_cpu_feature_llvm_name(bit);
        if (set >> bit & 1)
            must_do(json_array_append_new(list, name ? must(json_string(name))
                                                     : must(json_sprintf("bit %u", bit))));
    }
    return list;
}

static json_t *flags(uint32_t set)
{
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {{LUCET_MODULE_PRIVATE_FUNCS, "private-functions"},
                 {LUCET_MODULE_PRECISE_TRAPS, "precise-traps"},
                 {LUCET_MODULE_COUNTS_INSTRUCTIONS, "counts-instructions"},
                 {LUCET_MODULE_TAIL_CALLS, "tail-calls"}};
    json_t *list = must(json_array());

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (set & names[i].flag)
            must_do(json_array_append_new(list, must(json_string(names[i].name))));
    return list;
}

json_t *section_headers(struct view *v)
{
    const struct lucet_artifact *a = v->a;
    const struct lucet_module_header *h = a->header;
    json_t *o = must(json_object());

    must_do(json_object_set_new(o, "module", json_name(a, h->module_name, true)));
    must_do(json_object_set_new(o, "producer", json_name(a, h->producer, true)));
    must_do(json_object_set_new(o, "format_version", json_integer(h->format_version)));
    must_do(json_object_set_new(o, "abi_version", json_integer(h->abi_version)));
    must_do(json_object_set_new(o, "arch", json_string(lucet_artifact_machine(h->arch))));
    must_do(json_object_set_new(o, "cpu", json_name(a, h->cpu, true)));
    must_do(json_object_set_new(o, "cpu_features", cpu_features(h->cpu_features)));
    must_do(json_object_set_new(o, "flags", flags(h->flags)));
    must_do(json_object_set_new(o, "start",
                                h->start == LUCET_NONE ? json_null() : json_integer(h->start)));
    must_do(json_object_set_new(o, "file_size", json_integer((json_int_t)a->size)));
    must_do(json_object_set_new(o, "image_size", json_integer((json_int_t)a->image_size)));
    must_do(json_object_set_new(o, "text_size", json_integer((json_int_t)a->text.size)));
    must_do(json_object_set_new(o, "text_address", json_integer((json_int_t)a->text.vaddr)));
    must_do(json_object_set_new(o, "data_size", json_integer((json_int_t)h->data_size)));
    must_do(json_object_set_new(o, "metadata_size", json_integer(h->size)));
    must_do(json_object_set_new(o, "functions", json_integer(a->nfuncs)));
    must_do(json_object_set_new(o, "helpers", json_integer(a->nhelpers)));
    must_do(json_object_set_new(o, "frames", json_integer(v->map.nframes)));
    return o;
}

json_t *section_heap(struct view *v)
{
    const struct lucet_heap_layout *h = &v->a->header->heap;

    return must(json_pack("{sIsIsI}", "reserved_size", (json_int_t)h->reserved_size, "guard_size",
                          (json_int_t)h->guard_size, "front_guard", (json_int_t)h->front_guard));
}

json_t *section_layout(struct view *v)
{
    const struct lucet_layout *l = &v->a->header->layout;
    json_t *o = must(json_object());

#define FIELD(name) must_do(json_object_set_new(o, #name, json_integer(l->name)))
    FIELD(memories);
    FIELD(imported_memories);
    FIELD(tables);
    FIELD(imported_tables);
    FIELD(imported_funcs);
    FIELD(imported_globals);
    FIELD(type_ids);
    FIELD(funcrefs);
    FIELD(tags);
    FIELD(guest_part);
    FIELD(scratch);
    FIELD(scratch_size);
    FIELD(exception);
    FIELD(exception_size);
    FIELD(globals);
    FIELD(globals_size);
    FIELD(size);
#undef FIELD
    return o;
}
