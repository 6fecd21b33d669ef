/* SQL functions: what the declaration in an export's name says, and calls. What comes from a guest,
 * its declarations and addresses among it, is checked before it is used. */
#include "lucet_sqlite.h"

#include <string.h>

SQLITE_EXTENSION_INIT3

static const struct {
    const char *name, *param, *result; /* letters of signatures */
} types[TYPES] = {
    [TYPE_INTEGER] = {"integer", "I", "I"},
    [TYPE_REAL] = {"real", "F", "F"},
    [TYPE_TEXT] = {"text", "ii", "I"},
    [TYPE_BLOB] = {"blob", "ii", "I"},
};

/* ---- Declarations: "name(type, type): type" ------------------------------------------------- */

/* What is left of one. */
struct words {
    const char *at, *end;
};

static void skip_blanks(struct words *w)
{
    while (w->at < w->end && *w->at == ' ')
        w->at++;
}

static bool take(struct words *w, char c)
{
    skip_blanks(w);
    if (w->at == w->end || *w->at != c)
        return false;
    w->at++;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Letters, digits and _; 0: none, or too long. */
static size_t take_word(struct words *w, char out[MAX_NAME])
{
    size_t n = 0;

    skip_blanks(w);
    for (; w->at < w->end; w->at++, n++) {
        if (!is_letter(*w->at) && !(n > 0 && *w->at >= '0' && *w->at <= '9'))
            break;
        if (n == MAX_NAME - 1)
            return 0;
        out[n] = *w->at;
    }
    out[n] = '\0';
    return n;
}

static bool take_type(struct words *w, enum type *type)
{
    char word[MAX_NAME];

    if (take_word(w, word) == 0)
        return false;
    for (int t = 0; t < TYPES; t++)
        if (strcmp(types[t].name, word) == 0) {
            *type = (enum type)t;
            return true;
        }
    return false;
}

static bool take_params(struct words *w, struct function *f)
{
    if (take(w, ')'))
        return true;
    for (; f->nparams < MAX_PARAMS; f->nparams++) {
        if (!take_type(w, &f->params[f->nparams]))
            return false;
        if (!take(w, ',')) {
            f->nparams++;
            return take(w, ')');
        }
    }
    return false;
}

static bool take_declaration(struct words *w, struct function *f)
{
    if (take_word(w, f->name) == 0 || !take(w, '(') || !take_params(w, f) || !take(w, ':') ||
        !take_type(w, &f->result))
        return false;
    skip_blanks(w);
    return w->at == w->end;
}

static enum lucet_error find(struct function *f, const char *export)
{
    char signature[2 * MAX_PARAMS + 3] = "";

    for (unsigned i = 0; i < f->nparams; i++)
        strcat(signature, types[f->params[i]].param);
    strcat(signature, ":");
    strcat(signature, types[f->result].result);
    return lucet_dl_module_func(f->library->module, export, signature, &f->func);
}

static bool has_bytes(enum type type)
{
    return type == TYPE_TEXT || type == TYPE_BLOB;
}

static bool needs_allocation(const struct function *f)
{
    for (unsigned i = 0; i < f->nparams; i++)
        if (has_bytes(f->params[i]))
            return true;
    return false;
}

struct function *function_new(struct library *l, const struct lucet_extern_desc *export,
                              const char **why)
{
    struct words words = {export->name, export->name + export->name_len};
    struct function *f = sqlite3_malloc(sizeof *f);

    *why = "out of memory";
    if (!f)
        return NULL;
    *f = (struct function){.library = l};
    l->references++;
    if (!take_declaration(&words, f))
        *why = "its name is no declaration, such as \"name(integer, real, text, blob): integer\"";
    else if (find(f, export->name) != lucet_error_ok)
        *why = lucet_error_detail();
    else if (needs_allocation(f) && !l->allocates)
        *why = "it takes text or a blob, and there is no export allocate, \"i:i\"";
    else
        return f;
    function_release(f);
    return NULL;
}

void function_release(void *function)
{
    struct function *f = function;

    library_release(f->library);
    sqlite3_free(f);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

/* Copies a text or a blob to where the guest wants it. */
static enum lucet_error pass_bytes(const struct function *f, sqlite3_value *value,
                                   union lucet_raw out[2])
{
    struct library *l = f->library;
    const bool is_text = sqlite3_value_type(value) != SQLITE_BLOB;
    const void *bytes =
        is_text ? (const void *)sqlite3_value_text(value) : sqlite3_value_blob(value);
    const uint32_t size = (uint32_t)sqlite3_value_bytes(value); /* at most 2^31 - 1 */
    union lucet_raw v = {.u32 = size};

    if (size > 0 && !bytes)
        return lucet_error_no_memory; /* converted, in the case of text */
    const enum lucet_error e = lucet_func_call(&l->allocate, l->instance, &v, NULL);
    if (e != lucet_error_ok)
        return e;
    void *place = lucet_instance_guest_range(l->instance, v.u32, size);
    if (!place)
        return lucet_error_limits_exceeded;
    if (size > 0)
        memcpy(place, bytes, size);
    out[0].u32 = v.u32;
    out[1].u32 = size;
    return lucet_error_ok;
}

static enum lucet_error pass(const struct function *f, sqlite3_value **argv, union lucet_raw *v)
{
    enum lucet_error e = lucet_error_ok;

    for (unsigned i = 0; i < f->nparams && e == lucet_error_ok; i++)
        switch (f->params[i]) {
        case TYPE_INTEGER: v++->i64 = sqlite3_value_int64(argv[i]); break;
        case TYPE_REAL: v++->f64 = sqlite3_value_double(argv[i]); break;
        default:
            e = pass_bytes(f, argv[i], v);
            v += 2;
            break;
        }
    return e;
}

/* Address in the lower half, size in the upper one; the address 0 is NULL. */
static void return_bytes(sqlite3_context *context, const struct function *f, uint64_t result)
{
    const uint32_t at = (uint32_t)result, size = (uint32_t)(result >> 32);
    const void *bytes = lucet_instance_guest_range(f->library->instance, at, size);

    if (at == 0)
        sqlite3_result_null(context);
    else if (!bytes)
        sqlite3_result_error(context, "the guest's result is not in its memory", -1);
    else if (f->result == TYPE_TEXT)
        sqlite3_result_text64(context, bytes, size, SQLITE_TRANSIENT, SQLITE_UTF8);
    else
        sqlite3_result_blob64(context, bytes, size, SQLITE_TRANSIENT);
}

static void return_value(sqlite3_context *context, const struct function *f,
                         const union lucet_raw *v)
{
    if (has_bytes(f->result))
        return_bytes(context, f, v->u64);
    else if (f->result == TYPE_REAL)
        sqlite3_result_double(context, v->f64);
    else
        sqlite3_result_int64(context, v->i64);
}

static void return_error(sqlite3_context *context, enum lucet_error e)
{
    if (e == lucet_error_no_memory)
        sqlite3_result_error_nomem(context);
    else if (e == lucet_error_limits_exceeded)
        sqlite3_result_error(context, "the guest has no room for a text or a blob", -1);
    else
        sqlite3_result_error(context, lucet_error_detail(), -1);
}

/* Of NULL comes NULL, as in most functions of SQL. */
void function_call(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    const struct function *f = sqlite3_user_data(context);
    union lucet_raw values[2 * MAX_PARAMS];

    for (int i = 0; i < argc; i++)
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
            return;
    enum lucet_error e = lucet_instance_reset(f->library->instance);
    if (e == lucet_error_ok)
        e = pass(f, argv, values);
    if (e == lucet_error_ok)
        e = lucet_func_call(&f->func, f->library->instance, values, NULL);
    if (e == lucet_error_ok)
        return_value(context, f, values);
    else
        return_error(context, e);
}
