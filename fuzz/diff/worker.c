/* lucet-difftest: what fuzz/diff/diff.py runs modules with. Reads requests from standard input, one
 * JSON object a line, and answers each with a line:
 *
 *   {"wasm": path, "artifact": path, "opt": 0..2, "precise": bool, "timeout": ms,
 *    "globals": [name...], "calls": [[name, [value...]]...]}
 *
 * A module is compiled in this process, instantiated with the imports of host.c, and its exports
 * are called in order. When a call traps, the state is recorded and the next call gets a fresh
 * instance. Values are a letter of their type and their bits in hexadecimal, "i2a". */
#include "fuzz/diff/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_VALUES = 1000, SLOTS = 16 };

struct guest {
    struct lucet_region *region;
    struct lucet_dl_module *code;
    struct lucet_linker *linker;
    struct lucet_instance *instance;
    const json_t *request;
};

/* ---- Values -------------------------------------------------------------------------------- */

static const struct {
    char letter;
    enum lucet_val_type type;
    unsigned digits;
} types[] = {
    {'i', lucet_val_type_i32, 8},       {'I', lucet_val_type_i64, 16},
    {'f', lucet_val_type_f32, 8},       {'F', lucet_val_type_f64, 16},
    {'v', lucet_val_type_v128, 32},     {'r', lucet_val_type_funcref, 1},
    {'e', lucet_val_type_externref, 1},
};

static bool value_read(const char *text, struct lucet_val *v)
{
    uint64_t halves[2] = {0, 0};
    char high[17] = "";
    const size_t length = text[0] ? strlen(text + 1) : 0;

    if (length > 16)
        snprintf(high, sizeof high, "%.*s", (int)(length - 16), text + 1);
    halves[1] = strtoull(high, NULL, 16);
    halves[0] = strtoull(length > 16 ? text + 1 + (length - 16) : text + 1, NULL, 16);
    memcpy(v->inner_val.as_v128, halves, 16);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i].letter == text[0]) {
            v->ty = types[i].type;
            return length > 0;
        }
    }
    return false;
}

static json_t *value_write(const struct lucet_val *v)
{
    uint64_t halves[2];

    memcpy(halves, v->inner_val.as_v128, sizeof halves);
    switch (v->ty) {
    case lucet_val_type_i32: return json_sprintf("i%x", (uint32_t)halves[0]);
    case lucet_val_type_f32: return json_sprintf("f%x", (uint32_t)halves[0]);
    case lucet_val_type_i64: return json_sprintf("I%llx", (unsigned long long)halves[0]);
    case lucet_val_type_f64: return json_sprintf("F%llx", (unsigned long long)halves[0]);
    case lucet_val_type_externref: return json_sprintf("e%llx", (unsigned long long)halves[0]);
    case lucet_val_type_funcref: return json_sprintf("r%d", halves[0] != 0);
    case lucet_val_type_v128:
        return json_sprintf("v%llx%016llx", (unsigned long long)halves[1],
                            (unsigned long long)halves[0]);
    default: return json_sprintf("?%d", (int)v->ty);
    }
}

/* ---- One instance --------------------------------------------------------------------------- */

/* CRC-32 as in zlib, which the other engines' runners have. */
static uint32_t crc32(const uint8_t *bytes, uint64_t n)
{
    static uint32_t table[8][256];
    uint32_t crc = ~0u;

    for (uint32_t i = 0; i < 256 && !table[0][255]; i++) {
        table[0][i] = i;
        for (int bit = 0; bit < 8; bit++)
            table[0][i] = table[0][i] >> 1 ^ (table[0][i] & 1 ? 0xedb88320u : 0);
    }
    for (uint32_t i = 0; i < 256 && !table[7][255]; i++)
        for (int k = 1; k < 8; k++)
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
    for (; n >= 8; n -= 8, bytes += 8) {
        uint32_t a, b;
        memcpy(&a, bytes, 4);
        memcpy(&b, bytes + 4, 4);
        a ^= crc;
        crc = table[7][a & 0xff] ^ table[6][a >> 8 & 0xff] ^ table[5][a >> 16 & 0xff] ^
              table[4][a >> 24] ^ table[3][b & 0xff] ^ table[2][b >> 8 & 0xff] ^
              table[1][b >> 16 & 0xff] ^ table[0][b >> 24];
    }
    for (; n > 0; n--, bytes++)
        crc = crc >> 8 ^ table[0][(crc ^ *bytes) & 0xff];
    return ~crc;
}

static json_t *state(struct guest *g)
{
    json_t *globals = json_array(), *name;
    const uint8_t *heap = lucet_instance_heap(g->instance);
    const uint64_t size = lucet_instance_heap_len(g->instance);
    size_t i;

    json_array_foreach(json_object_get(g->request, "globals"), i, name) {
        struct lucet_val v;
        const enum lucet_error e = lucet_instance_get_global(g->instance, json_string_value(name),
                                                             json_string_length(name), &v);
        json_array_append_new(globals, e ? json_string(lucet_error_name(e)) : value_write(&v));
    }
    return json_pack("{s:I, s:I, s:o}", "size", (json_int_t)size, "crc",
                     (json_int_t)(size ? crc32(heap, size) : 0), "globals", globals);
}

static void drop_instance(struct guest *g)
{
    lucet_instance_release(g->instance);
    if (g->linker)
        lucet_linker_release(g->linker);
    g->instance = NULL;
    g->linker = NULL;
}

static void set_timeout(const struct guest *g)
{
    lucet_instance_set_timeout(
        g->instance, (uint64_t)json_integer_value(json_object_get(g->request, "timeout")));
}

/* NULL, or why there is no instance: a trap's name or words. */
static json_t *make_instance(struct guest *g)
{
    host_reset();
    if (lucet_linker_new(&g->linker) != lucet_error_ok || host_link(g->linker) != lucet_error_ok)
        return json_sprintf("linker: %s", lucet_error_detail());
    const struct lucet_instance_options options = {.linker = g->linker, .run_start = true};
    const enum lucet_error e =
        lucet_region_new_instance_with(g->region, g->code, &options, &g->instance);
    if (e == lucet_error_runtime_fault)
        return json_string(lucet_trapcode_name(lucet_instantiation_trap()));
    if (e == lucet_error_runtime_threw)
        return json_string("exception");
    if (e)
        return json_sprintf("%s: %s", lucet_error_name(e), lucet_error_detail());
    set_timeout(g);
    return NULL;
}

static const char *ending(enum lucet_error e, const struct lucet_result *result)
{
    if (e == lucet_error_runtime_fault && result->tag == lucet_result_tag_faulted)
        return lucet_trapcode_name(result->val.faulted.trapcode);
    if (e == lucet_error_runtime_terminated)
        return "timeout";
    if (e == lucet_error_runtime_threw)
        return "exception";
    return lucet_error_name(e);
}

/* The type of its result: what the code of a closed function gives is one integer at most. */
static enum lucet_val_type result_type(const struct guest *g, const char *name)
{
    struct lucet_extern_desc d;

    for (size_t i = 0; lucet_dl_module_export(g->code, i, &d) == lucet_error_ok; i++)
        if (d.name_len == strlen(name) && memcmp(d.name, name, d.name_len) == 0)
            return strchr(d.signature, ':')[1] == 'i' ? lucet_val_type_i32 : lucet_val_type_i64;
    return lucet_val_type_i32;
}

/* Of functions without loops, which need no time limit; with one they are called in the general
 * way. */
static enum lucet_error call_by_handle(const struct guest *g, const struct lucet_func *f,
                                       const char *name, const struct lucet_val *values,
                                       struct lucet_val *results, struct lucet_result *result)
{
    union lucet_raw raw[MAX_VALUES];

    for (size_t i = 0; i < f->nparams; i++)
        memcpy(&raw[i], values[i].inner_val.as_v128, sizeof *raw);
    lucet_instance_set_timeout(g->instance, 0);
    const enum lucet_error e = lucet_func_call(f, g->instance, raw, result);
    set_timeout(g);
    if (e == lucet_error_ok && f->nresults == 1) {
        results[0].ty = result_type(g, name);
        memcpy(results[0].inner_val.as_v128, &raw[0], sizeof *raw);
    }
    return e;
}

static enum lucet_error call_export(const struct guest *g, const json_t *name, size_t n,
                                    const struct lucet_val *values, struct lucet_val *results,
                                    struct lucet_result *result)
{
    const char *text = json_string_value(name);
    const size_t length = json_string_length(name);
    struct lucet_func f;

    if (strlen(text) == length && lucet_dl_module_func(g->code, text, NULL, &f) == lucet_error_ok &&
        f.effects && f.nparams == n)
        return call_by_handle(g, &f, text, values, results, result);
    return lucet_instance_call(g->instance, text, length, n, values, MAX_VALUES, results, result);
}

static json_t *call(struct guest *g, const json_t *name, const json_t *args)
{
    static struct lucet_val values[MAX_VALUES], results[MAX_VALUES];
    struct lucet_result result;
    json_t *list, *arg;
    size_t i;

    json_array_foreach(args, i, arg) {
        if (i >= MAX_VALUES || !value_read(json_string_value(arg), &values[i]))
            return json_pack("{s:s}", "t", "bad argument");
    }
    for (i = 0; i < MAX_VALUES; i++)
        results[i].ty = (enum lucet_val_type) - 1;
    const enum lucet_error e =
        call_export(g, name, json_array_size(args), values, results, &result);
    if (e) {
        json_t *end = json_pack("{s:s, s:I, s:o}", "t", ending(e, &result), "h",
                                (json_int_t)host_trace(), "s", state(g));
        drop_instance(g);
        return end;
    }
    list = json_array();
    for (i = 0; i < MAX_VALUES && results[i].ty != (enum lucet_val_type) - 1; i++)
        json_array_append_new(list, value_write(&results[i]));
    return json_pack("{s:o, s:I}", "r", list, "h", (json_int_t)host_trace());
}

/* ---- Requests ------------------------------------------------------------------------------ */

static json_t *run(struct guest *g)
{
    json_t *calls = json_array(), *one, *trap = make_instance(g);
    size_t i;

    json_array_foreach(json_object_get(g->request, "calls"), i, one) {
        if (!g->instance && (trap || (trap = make_instance(g))))
            break;
        json_array_append_new(calls, call(g, json_array_get(one, 0), json_array_get(one, 1)));
    }
    json_t *last = g->instance ? state(g) : json_null();
    drop_instance(g);
    return json_pack("{s:o, s:o, s:o}", "calls", calls, "state", last, "start",
                     trap ? trap : json_null());
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    uint8_t *bytes = NULL;

    if (in && fseek(in, 0, SEEK_END) == 0) {
        *size = (size_t)ftell(in);
        rewind(in);
        bytes = malloc(*size + 1);
        if (bytes && fread(bytes, 1, *size, in) != *size)
            *size = 0;
    }
    if (in)
        fclose(in);
    return bytes;
}

static json_t *answer(struct lucet_region *region, const json_t *request)
{
    struct guest g = {.region = region, .request = request};
    struct lucetc_options options = lucetc_options_default();
    struct lucetc_diagnostic d;
    const char *artifact = json_string_value(json_object_get(request, "artifact"));
    size_t size = 0;
    uint8_t *wasm = read_file(json_string_value(json_object_get(request, "wasm")), &size);

    options.opt_level = (enum lucetc_opt_level)json_integer_value(json_object_get(request, "opt"));
    options.precise_traps = json_is_true(json_object_get(request, "precise"));
    options.allow_undefined = true;
    options.jobs = 1;
    enum lucet_error e = lucetc_compile(wasm, size, &options, artifact, &d);
    free(wasm);
    if (e)
        return json_pack("{s:s, s:s}", "refused", d.kind, "message", d.message);
    e = lucet_dl_module_load(artifact, &g.code);
    unlink(artifact);
    if (e)
        return json_pack("{s:s, s:s}", "refused", "load", "message", lucet_error_detail());
    json_t *result = run(&g);
    lucet_dl_module_release(g.code);
    return result;
}

static bool make_region(struct lucet_region **region)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    limits.heap_memory_size = UINT64_C(4) << 30;
    limits.stack_size = 1 << 20;
    limits.globals_size = 1 << 20;
    limits.context_size = 1 << 20;
    return lucet_mmap_region_create(SLOTS, &limits, region) == lucet_error_ok;
}

int main(void)
{
    const struct rlimit none = {0, 0};
    struct lucet_region *region;
    char *line = NULL;
    size_t room = 0;

    setrlimit(RLIMIT_CORE, &none);
    if (!make_region(&region)) {
        fprintf(stderr, "lucet-difftest: %s\n", lucet_error_detail());
        return 1;
    }
    while (getline(&line, &room, stdin) > 0) {
        json_t *request = json_loads(line, JSON_ALLOW_NUL, NULL);
        json_t *result = request ? answer(region, request)
                                 : json_pack("{s:s, s:s}", "refused", "request", "message", line);
        json_dumpf(result, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(result);
        json_decref(request);
    }
    free(line);
    lucet_region_release(region);
    return 0;
}
