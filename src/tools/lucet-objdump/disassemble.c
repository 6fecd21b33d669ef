/* Assembly with the names of functions and traps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lucet-objdump/objdump.h"

static void print_heading(const struct view *v, uint32_t number)
{
    const struct audit_function *fn = &v->map.input.functions[number];
    json_t *label = json_function_label(v, number);

    printf("%08x <%s>", fn->start, fn->name);
    if (json_is_string(label))
        printf(" \"%s\"", json_string_value(label));
    puts(":");
    json_decref(label);
}

/* What cannot be seen in the instruction itself: whom it calls, which trap it is. */
static void print_note(const struct view *v, const struct audit_insn *insn)
{
    const struct audit_input *in = &v->map.input;

    if (insn->trap) {
        const char *name = "unknown code";
        switch (insn->trap) {
#define X(number, id, text)                                                                        \
    case number: name = #id; break;
            LUCET_TRAP_CODES(X)
#undef X
        default: break;
        }
        printf("  ; trap %u, %s", insn->trap, name);
        return;
    }
    if ((insn->flow != FLOW_CALL && insn->flow != FLOW_JUMP) || insn->target < 0)
        return;
    const uint32_t callee = audit_function_from(in, (uint64_t)insn->target);
    if (callee == UINT32_MAX)
        return;
    json_t *label = json_function_label(v, callee);
    printf("  ; %s", in->functions[callee].name);
    if (json_is_string(label))
        printf(" \"%.80s\"", json_string_value(label));
    json_decref(label);
}

static void print_function(const struct view *v, uint32_t number)
{
    const struct audit_input *in = &v->map.input;
    const struct audit_function *fn = &in->functions[number];
    uint32_t at = fn->start;

    print_heading(v, number);
    while (at < fn->end) {
        const uint8_t *bytes = in->text.bytes + (at - in->text.start);
        struct audit_insn insn;
        char text[160];
        const size_t n = audit_disassemble(bytes, fn->end - at, at, text, sizeof text);
        printf("  %8x:  ", at);
        for (size_t i = 0; i < 11; i++)
            printf(i < n ? "%02x " : "   ", bytes[i < n ? i : 0]);
        printf(" %s", text);
        if (audit_decode(bytes, fn->end - at, at, in->has_bmi, &insn))
            print_note(v, &insn);
        putchar('\n');
        at += (uint32_t)n;
    }
    putchar('\n');
}

static bool is_wanted(const struct view *v, uint32_t number, const char *wanted)
{
    const uint32_t index = v->map.wasm_index[number];
    char text[16];

    if (strcmp(v->map.input.functions[number].name, wanted) == 0)
        return true;
    if (index == LUCET_NONE)
        return false;
    snprintf(text, sizeof text, "%u", index);
    if (strcmp(text, wanted) == 0)
        return true;
    json_t *label = json_function_label(v, number);
    const bool same = json_is_string(label) && strcmp(json_string_value(label), wanted) == 0;
    json_decref(label);
    return same;
}

/* An exported function may be asked for by its export's name. */
static uint32_t exported(const struct view *v, const char *wanted)
{
    const struct lucet_module_export *e = lucet_artifact_export(v->a, wanted, strlen(wanted));

    if (!e || e->kind != LUCET_EXTERN_FUNC)
        return UINT32_MAX;
    return audit_function_from(&v->map.input,
                               lucet_artifact_code(v->a, v->a->funcs[e->index].code));
}

bool print_disassembly(struct view *v)
{
    const char *wanted = v->options->disassemble;
    const uint32_t by_export = wanted ? exported(v, wanted) : UINT32_MAX;
    bool found = !wanted;

    for (uint32_t i = 0; i < v->map.input.nfunctions; i++)
        if (!wanted || i == by_export || is_wanted(v, i, wanted)) {
            print_function(v, i);
            found = true;
        }
    return found;
}
