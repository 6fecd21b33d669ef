/* The audit's report, as JSON and as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lucet-objdump/objdump.h"

enum { FIRST_FINDINGS = 20 };

static json_t *json_counts(const struct audit_counts *c)
{
    json_t *memory = must(json_object()), *branches = must(json_object());
    json_t *findings = must(json_object());

    for (unsigned i = 0; i < MEMORY_COUNT; i++)
        must_do(json_object_set_new(memory, audit_memory_name(i),
                                    json_integer((json_int_t)c->memory[i])));
    for (unsigned i = 0; i < BRANCH_COUNT; i++)
        must_do(json_object_set_new(branches, audit_branch_name(i),
                                    json_integer((json_int_t)c->branches[i])));
    for (unsigned i = 0; i < FINDING_COUNT; i++)
        if (c->findings[i])
            must_do(json_object_set_new(findings, audit_finding_name(i),
                                        json_integer((json_int_t)c->findings[i])));
    return must(json_pack("{sIsIsIsIsosososI}", "functions", (json_int_t)c->functions, "bytes",
                          (json_int_t)c->bytes, "instructions", (json_int_t)c->instructions,
                          "unreached", (json_int_t)c->unreached, "memory", memory, "branches",
                          branches, "findings", findings, "violations", (json_int_t)c->violations));
}

static json_t *json_instruction(const struct audit_input *in, uint32_t at)
{
    char text[128];

    if (at < in->text.start || at >= in->text.end)
        return must(json_null());
    audit_disassemble(in->text.bytes + (at - in->text.start), in->text.end - at, at, text,
                      sizeof text);
    return must(json_string(text));
}

static json_t *json_finding(const struct view *v, const struct audit_finding *f)
{
    const struct audit_input *in = &v->map.input;
    const struct audit_function *fn = &in->functions[f->function];

    return must(json_pack("{sssssosIsIsbssso}", "kind", audit_finding_name(f->kind), "function",
                          fn->name, "name", json_function_label(v, f->function), "address",
                          (json_int_t)f->at, "offset", (json_int_t)f->at - fn->start, "violation",
                          (int)f->violation, "text", f->text, "instruction",
                          json_instruction(in, f->at)));
}

static json_t *json_findings(const struct view *v, const struct audit_report *r)
{
    json_t *list = must(json_array());

    for (uint32_t i = 0; i < r->nfindings; i++)
        must_do(json_array_append_new(list, json_finding(v, &r->findings[i])));
    return list;
}

json_t *section_audit(struct view *v)
{
    const struct audit_input *in = &v->map.input;
    struct audit_report r;
    json_t *classes = must(json_object());

    if (!audit_run(in, &r))
        out_of_memory();
    v->violations = r.total.violations != 0 || !v->map.frames_readable;
    for (unsigned c = 0; c < CLASS_COUNT; c++)
        if (r.classes[c].functions)
            must_do(json_object_set_new(classes, audit_class_name(c), json_counts(&r.classes[c])));
    json_t *o = must(json_pack(
        "{sbsIsbsosos{sIsIsI}}", "clean", (int)!v->violations, "violations",
        (json_int_t)r.total.violations, "eh_frame_readable", (int)v->map.frames_readable, "classes",
        classes, "total", json_counts(&r.total), "effects", "closed", (json_int_t)r.closed, "quiet",
        (json_int_t)r.quiet, "quiet_stack", (json_int_t)r.quiet_stack));
    if (in->nfunctions)
        must_do(json_object_set_new(o, "largest_frame",
                                    json_pack("{sIss}", "bytes", (json_int_t)r.largest_frame,
                                              "function", in->functions[r.largest_function].name)));
    must_do(json_object_set_new(o, "findings", json_findings(v, &r)));
    audit_report_free(&r);
    return o;
}

/* ---- Text ---- */

static json_int_t number(const json_t *o, const char *group, const char *key)
{
    const json_t *from = group ? json_object_get(o, group) : o;
    return json_integer_value(json_object_get(from, key));
}

static void print_row(const json_t *audit, const char *group, const char *key, const char *what)
{
    const json_t *total = json_object_get(audit, "total");
    json_t *classes = json_object_get(audit, "classes"), *c;
    const char *name;

    printf("  %-15s", key);
    json_object_foreach(classes, name, c)
        printf(" %9" JSON_INTEGER_FORMAT, number(c, group, key));
    printf(" %10" JSON_INTEGER_FORMAT "  %s\n", number(total, group, key), what);
}

static void print_counts(const json_t *audit)
{
    static const char *const plain[][2] = {{"functions", ""},
                                           {"bytes", ""},
                                           {"instructions", ""},
                                           {"unreached", "instructions that no path reaches"}};
    json_t *classes = json_object_get(audit, "classes"), *c;
    const char *name;

    printf("  %-15s", "");
    json_object_foreach(classes, name, c)
        printf(" %9s", name);
    printf(" %10s\n", "total");
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        print_row(audit, NULL, plain[i][0], plain[i][1]);
    puts("memory operands");
    for (unsigned i = 0; i < MEMORY_COUNT; i++)
        print_row(audit, "memory", audit_memory_name(i), audit_memory_text(i));
    puts("branches");
    for (unsigned i = 0; i < BRANCH_COUNT; i++)
        print_row(audit, "branches", audit_branch_name(i), audit_branch_text(i));
    puts("findings");
    for (unsigned i = 0; i < FINDING_COUNT; i++)
        if (number(json_object_get(audit, "total"), "findings", audit_finding_name(i)))
            print_row(audit, "findings", audit_finding_name(i), "");
    print_row(audit, NULL, "violations", "");
}

static void print_finding(const json_t *f)
{
    const json_t *name = json_object_get(f, "name");

    printf("  %s+%#llx", json_string_value(json_object_get(f, "function")),
           (unsigned long long)json_integer_value(json_object_get(f, "offset")));
    if (json_is_string(name))
        printf(" <%.60s>", json_string_value(name));
    printf(": %s%s: %s", json_is_true(json_object_get(f, "violation")) ? "" : "note: ",
           json_string_value(json_object_get(f, "kind")),
           json_string_value(json_object_get(f, "text")));
    if (json_is_string(json_object_get(f, "instruction")))
        printf("  [%s]", json_string_value(json_object_get(f, "instruction")));
    putchar('\n');
}

void print_audit(const json_t *audit, bool verbose)
{
    const json_t *findings = json_object_get(audit, "findings");
    const json_t *frame = json_object_get(audit, "largest_frame");
    const size_t n = json_array_size(findings);

    puts("Audit of the machine code");
    print_counts(audit);
    if (frame)
        printf("largest frame: %" JSON_INTEGER_FORMAT " bytes, %s\n",
               json_integer_value(json_object_get(frame, "bytes")),
               json_string_value(json_object_get(frame, "function")));
    printf("functions marked as closed: %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
           " of them quiet, with %" JSON_INTEGER_FORMAT " bytes of stack at most\n",
           number(audit, "effects", "closed"), number(audit, "effects", "quiet"),
           number(audit, "effects", "quiet_stack"));
    if (json_is_false(json_object_get(audit, "eh_frame_readable")))
        puts(".eh_frame is not understood");
    for (size_t i = 0; i < n && (verbose || i < FIRST_FINDINGS); i++)
        print_finding(json_array_get(findings, i));
    if (!verbose && n > FIRST_FINDINGS)
        printf("  ... and %zu more (--audit=verbose)\n", n - FIRST_FINDINGS);
    printf("result: %s\n\n", json_is_true(json_object_get(audit, "clean")) ? "clean" : "NOT clean");
}
