/* --invoke: numbers from the command line to a function and back. */
#include "tools/lucet-wasi/run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = 64 };

static const char *find_signature(const struct lucet_dl_module *module, const char *name)
{
    struct lucet_extern_desc d;
    for (size_t i = 0; i < lucet_dl_module_export_count(module); i++) {
        if (lucet_dl_module_export(module, i, &d) == lucet_error_ok &&
            d.kind == lucet_extern_func && strcmp(d.name, name) == 0) {
            return d.signature;
        }
    }
    return NULL;
}

/* Both signed and unsigned numbers are understood: -1 and 0xffffffff are the same i32. */
static bool parse_integer(const char *text, int64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    if (text[0] == '-') {
        const long long n = strtoll(text, &end, 0);
        *out = (uint64_t)n;
        return errno == 0 && end != text && *end == '\0' && n >= min;
    }
    *out = strtoull(text, &end, 0);
    return errno == 0 && end != text && *end == '\0' && *out <= max;
}

static bool parse_value(char letter, const char *text, struct lucet_val *out)
{
    uint64_t n = 0;
    char *end = NULL;
    switch (letter) {
    case 'i':
        if (!parse_integer(text, INT32_MIN, UINT32_MAX, &n)) {
            return false;
        }
        *out = LUCET_VAL_I32((int32_t)(uint32_t)n);
        return true;
    case 'I':
        if (!parse_integer(text, INT64_MIN, UINT64_MAX, &n)) {
            return false;
        }
        *out = LUCET_VAL_I64((int64_t)n);
        return true;
    case 'f': *out = LUCET_VAL_F32(strtof(text, &end)); break;
    case 'F': *out = LUCET_VAL_F64(strtod(text, &end)); break;
    default: return false;
    }
    return end != text && *end == '\0';
}

static void print_value(const struct lucet_val *v)
{
    switch (v->ty) {
    case lucet_val_type_i32: printf("%" PRId32 "\n", v->inner_val.as_i32); break;
    case lucet_val_type_i64: printf("%" PRId64 "\n", v->inner_val.as_i64); break;
    case lucet_val_type_f32: printf("%.9g\n", (double)v->inner_val.as_f32); break;
    case lucet_val_type_f64: printf("%.17g\n", v->inner_val.as_f64); break;
    case lucet_val_type_v128:
        printf("0x");
        for (int i = 15; i >= 0; i--) {
            printf("%02x", v->inner_val.as_v128[i]);
        }
        putchar('\n');
        break;
    default: puts("<reference>"); break;
    }
}

static enum lucet_val_type type_of(char letter)
{
    switch (letter) {
    case 'i': return lucet_val_type_i32;
    case 'I': return lucet_val_type_i64;
    case 'f': return lucet_val_type_f32;
    case 'F': return lucet_val_type_f64;
    case 'v': return lucet_val_type_v128;
    case 'r': return lucet_val_type_funcref;
    default: return lucet_val_type_externref;
    }
}

/* How many arguments a function wants, and of which types. */
static void complain_count(const struct cli *cli, const char *name, const char *signature,
                           const char *colon)
{
    char types[200] = "";
    size_t given = 0;

    while (cli->args[given]) {
        given++;
    }
    for (const char *p = signature; p < colon; p++) {
        const size_t used = strlen(types);
        snprintf(types + used, sizeof types - used, "%s%s", used ? ", " : "",
                 lucet_val_type_name(type_of(*p)));
    }
    const bool some = signature < colon;
    cli_complain("%.200s takes %zu argument%s%s%s%s, not %zu", name, (size_t)(colon - signature),
                 colon - signature == 1 ? "" : "s", some ? " (" : "", types, some ? ")" : "",
                 given);
}

int invoke(const struct cli *cli, const struct lucet_dl_module *module, struct lucet_instance *inst,
           struct lucet_wasi_ctx *ctx)
{
    struct lucet_val args[VALUES], results[VALUES];
    struct lucet_result result;
    size_t argc = 0, nresults = 0;
    const char *name = cli->entrypoint, *signature = find_signature(module, name);

    if (signature == NULL) {
        cli_complain("%s exports no function \"%.200s\"", cli->module, name);
        return EXIT_CANNOT_RUN;
    }
    const char *colon = strchr(signature, ':');
    for (; signature + argc < colon && argc < VALUES && cli->args[argc]; argc++) {
        if (!parse_value(signature[argc], cli->args[argc], &args[argc])) {
            cli_complain("argument %zu of %.200s is no number of its type: \"%.100s\"", argc + 1,
                         name, cli->args[argc]);
            return EXIT_USAGE;
        }
    }
    if (signature + argc < colon || cli->args[argc]) {
        complain_count(cli, name, signature, colon);
        return EXIT_USAGE;
    }
    for (; colon[1 + nresults] && nresults < VALUES; nresults++) {
        results[nresults] = (struct lucet_val){.ty = type_of(colon[1 + nresults])};
    }
    enum lucet_error error =
        lucet_instance_call(inst, name, strlen(name), argc, args, nresults, results, &result);
    const bool returned = error == lucet_error_ok && result.tag == lucet_result_tag_returned;
    for (size_t i = 0; returned && i < nresults; i++) {
        print_value(&results[i]);
    }
    return finish(cli, inst, ctx, error, &result);
}
