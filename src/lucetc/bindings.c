#include "lucetc/bindings.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/diagnostic.h"

/* { module: { import: symbol } }, validated. */
struct lucetc_bindings {
    json_t *modules;
};

enum lucet_error lucetc_bindings_new(struct lucetc_bindings **out)
{
    if (!out)
        return lucet_error_invalid_argument;
    struct lucetc_bindings *b = calloc(1, sizeof *b);
    if (b)
        b->modules = json_object();
    if (!b || !b->modules) {
        free(b);
        return lucet_error_no_memory;
    }
    *out = b;
    return lucet_error_ok;
}

void lucetc_bindings_release(struct lucetc_bindings *b)
{
    if (!b)
        return;
    json_decref(b->modules);
    free(b);
}

static void say(char *message, size_t size, const char *what, const char *module,
                const char *import)
{
    if (message && size > 0)
        snprintf(message, size, "%s%s%.64s%s%.64s", what, module ? ": " : "", module ? module : "",
                 import ? "." : "", import ? import : "");
}

/* Letters, digits, `_`, `.` and `$`, not beginning with a digit: what a C linker would take. */
static bool is_symbol(const char *s)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.$";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.$0123456789";
    return *s && strchr(first, *s) && s[strspn(s, rest)] == '\0' && strlen(s) <= 255;
}

/* The object of a module, made when it is missing. Borrowed. */
static json_t *module_object(struct lucetc_bindings *b, const char *module, size_t length)
{
    json_t *imports = json_object_getn(b->modules, module, length);
    if (imports)
        return imports;
    return json_object_setn_new(b->modules, module, length, json_object()) == 0
               ? json_object_getn(b->modules, module, length)
               : NULL;
}

static enum lucet_error add(struct lucetc_bindings *b, const char *module, size_t module_length,
                            const char *import, size_t import_length, const char *symbol,
                            char *message, size_t message_size)
{
    if (!is_symbol(symbol)) {
        say(message, message_size, "not a symbol name", module, import);
        return lucet_error_invalid_argument;
    }
    json_t *imports = module_object(b, module, module_length);
    if (!imports)
        return lucet_error_no_memory;
    const char *before = json_string_value(json_object_getn(imports, import, import_length));
    if (before && strcmp(before, symbol) != 0) {
        say(message, message_size, "bound twice, to different symbols", module, import);
        return lucet_error_invalid_argument;
    }
    return json_object_setn_new(imports, import, import_length, json_string(symbol)) == 0
               ? lucet_error_ok
               : lucet_error_no_memory;
}

enum lucet_error lucetc_bindings_add(struct lucetc_bindings *b, const char *module,
                                     const char *import, const char *symbol)
{
    if (!b || !module || !import || !symbol)
        return lucet_error_invalid_argument;
    return add(b, module, strlen(module), import, strlen(import), symbol, NULL, 0);
}

static enum lucet_error add_module(struct lucetc_bindings *b, const char *module,
                                   size_t module_length, json_t *imports, char *message,
                                   size_t message_size)
{
    const char *import;
    size_t length;
    json_t *symbol;
    if (!json_is_object(imports)) {
        say(message, message_size, "a module's bindings must be an object", module, NULL);
        return lucet_error_invalid_argument;
    }
    json_object_keylen_foreach(imports, import, length, symbol)
    {
        if (!json_is_string(symbol)) {
            say(message, message_size, "a binding must be a string", module, import);
            return lucet_error_invalid_argument;
        }
        enum lucet_error e = add(b, module, module_length, import, length,
                                 json_string_value(symbol), message, message_size);
        if (e)
            return e;
    }
    return lucet_error_ok;
}

static enum lucet_error add_json(struct lucetc_bindings *b, json_t *root, const json_error_t *error,
                                 char *message, size_t message_size)
{
    const char *module;
    size_t length;
    json_t *imports;
    if (!json_is_object(root)) {
        if (message && message_size > 0)
            snprintf(message, message_size, "line %d: %s", root ? 1 : error->line,
                     root ? "bindings must be an object" : error->text);
        return lucet_error_invalid_argument;
    }
    json_object_keylen_foreach(root, module, length, imports)
    {
        enum lucet_error e = add_module(b, module, length, imports, message, message_size);
        if (e)
            return e;
    }
    return lucet_error_ok;
}

enum lucet_error lucetc_bindings_add_json(struct lucetc_bindings *b, const char *json, size_t size,
                                          char *message, size_t message_size)
{
    if (!b || !json)
        return lucet_error_invalid_argument;
    json_error_t error = {0};
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    enum lucet_error e = add_json(b, root, &error, message, message_size);
    json_decref(root);
    return e;
}

enum lucet_error lucetc_bindings_add_file(struct lucetc_bindings *b, const char *path,
                                          char *message, size_t message_size)
{
    if (!b || !path)
        return lucet_error_invalid_argument;
    json_error_t error = {0};
    FILE *file = fopen(path, "re");
    if (!file) {
        say(message, message_size, strerror(errno), NULL, NULL);
        return lucet_error_io;
    }
    errno = 0;
    json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    const int read_error = ferror(file) ? errno : 0;
    fclose(file);
    enum lucet_error e = lucet_error_io;
    if (read_error) /* of a directory, too, which can be opened */
        say(message, message_size, strerror(read_error), NULL, NULL);
    else
        e = add_json(b, root, &error, message, message_size);
    json_decref(root);
    return e;
}

const char *bindings_find(const struct compilation *c, const struct wasm_import *import)
{
    if (!c->options->bindings)
        return NULL;
    json_t *imports = json_object_getn(c->options->bindings->modules,
                                       (const char *)import->module.data, import->module.size);
    return json_string_value(
        json_object_getn(imports, (const char *)import->name.data, import->name.size));
}

enum lucet_error bindings_check(const struct compilation *c)
{
    if (c->options->allow_undefined)
        return lucet_error_ok;
    for (uint32_t i = 0; i < c->module->nimports; i++) {
        const struct wasm_import *import = &c->module->imports[i];
        if (import->kind != WASM_EXTERN_FUNC || bindings_find(c, import))
            continue;
        char module[64], name[128];
        escape_name(module, sizeof module, import->module);
        escape_name(name, sizeof name, import->name);
        diagnose(c->diagnostic, "import",
                 "no binding for imported function \"%s\" of module \"%s\": lucetc wants it "
                 "in a --bindings file, or %s--allow-undefined",
                 name, module, strncmp(module, "wasi", 4) == 0 ? "--wasi or " : "");
        return lucet_error_compile;
    }
    return lucet_error_ok;
}
