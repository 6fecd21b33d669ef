/* The trap manifest: found by decoding, for the metadata has none. */
#include "lucet/types.h"
#include "tools/lucet-objdump/objdump.h"

static const char *trap_name(uint8_t code)
{
    switch (code) {
#define X(number, id, text)                                                                        \
    case number: return #id;
        LUCET_TRAP_CODES(X)
#undef X
    default: return NULL;
    }
}

static json_t *json_trap(uint8_t code)
{
    const char *name = trap_name(code);

    return name ? must(json_string(name)) : must(json_sprintf("code %u", code));
}

/* Calls `visit` for every trap instruction of a function. */
static void each_trap(const struct audit_input *in, uint32_t number,
                      void (*visit)(void *arg, uint32_t at, uint8_t code), void *arg)
{
    const struct audit_function *fn = &in->functions[number];
    struct audit_insn insn;

    for (uint32_t at = fn->start; at < fn->end; at += insn.size) {
        const uint8_t *bytes = in->text.bytes + (at - in->text.start);
        if (!audit_decode(bytes, fn->end - at, at, in->has_bmi, &insn))
            return;
        if (insn.trap)
            visit(arg, at, insn.trap);
    }
}

static void count_trap(void *arg, uint32_t at, uint8_t code)
{
    uint32_t *counts = arg;

    (void)at;
    counts[code]++;
}

static json_t *json_counts(const uint32_t counts[256], uint64_t *total)
{
    json_t *o = must(json_object());

    for (unsigned code = 1; code < 256; code++) {
        const char *name = trap_name((uint8_t)code);
        char number[16];
        snprintf(number, sizeof number, "code %u", code);
        if (counts[code])
            must_do(json_object_set_new(o, name ? name : number, json_integer(counts[code])));
        *total += counts[code];
    }
    return o;
}

json_t *section_trap_counts(struct view *v)
{
    const struct audit_input *in = &v->map.input;
    uint32_t sums[256] = {0};
    uint64_t total = 0;
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < in->nfunctions; i++) {
        uint32_t counts[256] = {0};
        uint64_t n = 0;
        each_trap(in, i, count_trap, counts);
        json_t *codes = json_counts(counts, &n);
        if (n == 0) {
            json_decref(codes);
            continue;
        }
        for (unsigned c = 0; c < 256; c++)
            sums[c] += counts[c];
        must_do(json_array_append_new(
            list,
            must(json_pack("{sssosIso}", "function", in->functions[i].name, "name",
                           json_function_label(v, i), "count", (json_int_t)n, "codes", codes))));
    }
    json_t *codes = json_counts(sums, &total);
    return must(
        json_pack("{sIsoso}", "count", (json_int_t)total, "codes", codes, "functions", list));
}

struct sites {
    struct view *v;
    json_t *list;
    uint32_t function;
};

static void append_site(void *arg, uint32_t at, uint8_t code)
{
    struct sites *s = arg;
    const struct audit_function *fn = &s->v->map.input.functions[s->function];

    must_do(json_array_append_new(
        s->list, must(json_pack("{sIsIsssoso}", "address", (json_int_t)at, "offset",
                                (json_int_t)(at - fn->start), "function", fn->name, "name",
                                json_function_label(s->v, s->function), "code", json_trap(code)))));
}

json_t *section_trap_sites(struct view *v)
{
    struct sites s = {.v = v, .list = must(json_array())};

    for (s.function = 0; s.function < v->map.input.nfunctions; s.function++)
        each_trap(&v->map.input, s.function, append_site, &s);
    return s.list;
}
