/* What lucetc --emit header writes names and types with. Names of a module's are any bytes; they
 * become C identifiers and string literals here, and nothing else of the module gets into the
 * text. */
#include "lucetc/header_text.h"

#include <stdlib.h>
#include <string.h>

static const struct header_kind kinds[] = {
    {WASM_I32, 'i', "uint32_t ", "u32", "uint32_t"},
    {WASM_I64, 'I', "uint64_t ", "u64", "uint64_t"},
    {WASM_F32, 'f', "float ", "f32", "float"},
    {WASM_F64, 'F', "double ", "f64", "double"},
    {WASM_V128, 'v', "union lucet_raw ", NULL, "__m128i"},
    {WASM_FUNCREF, 'r', "void *", "ref", "uint64_t"},
    {WASM_EXTERNREF, 'e', "void *", "ref", "uint64_t"},
};

const struct header_kind *header_kind(wasm_valtype type)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

bool header_has_c_types(const struct wasm_functype *t)
{
    for (uint32_t i = 0; i < t->nparams; i++)
        if (!header_kind(t->params[i]))
            return false;
    for (uint32_t i = 0; i < t->nresults; i++)
        if (!header_kind(t->results[i]))
            return false;
    return true;
}

/* ---- Names ---- */

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void header_id(char *id, const uint8_t *bytes, size_t size)
{
    size_t n = size < HEADER_ID_MAX ? size : HEADER_ID_MAX;

    for (size_t i = 0; i < n; i++)
        id[i] = is_word(bytes[i]) ? (char)bytes[i] : '_';
    id[n] = '\0';
}

static int compare_ids(const void *a, const void *b)
{
    const struct header_stub *const *x = a, *const *y = b;
    const int order = strcmp((*x)->id, (*y)->id);

    return order ? order : (*x < *y ? -1 : *x > *y);
}

bool header_ids_unique(struct header_stub *stubs, uint32_t n)
{
    struct header_stub **sorted = malloc((n ? n : 1) * sizeof(struct header_stub *));

    if (!sorted)
        return false;
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = &stubs[i];
    qsort(sorted, n, sizeof(struct header_stub *), compare_ids);
    for (uint32_t i = 0; i < n; i++) {
        const char *id = sorted[i]->id;
        const bool taken = strcmp(id, "funcs") == 0 || strcmp(id, "funcs_init") == 0 ||
                           strcmp(id, "imports") == 0 || strcmp(id, "imports_link") == 0;
        const bool same = i > 0 && strcmp(id, sorted[i - 1]->id) == 0;
        if (i > 0)
            sorted[i - 1]->numbered |= same;
        sorted[i]->numbered = same || taken || id[0] == '\0' || strstr(id, "__");
    }
    for (uint32_t i = 0; i < n; i++)
        if (stubs[i].numbered)
            snprintf(stubs[i].id + strlen(stubs[i].id), 16, "__%u", i);
    free(sorted);
    return true;
}

void header_literal(FILE *f, const struct wasm_bytes *name)
{
    fputc('"', f);
    for (size_t i = 0; i < name->size; i++) {
        const uint8_t c = name->data[i];
        if (is_word(c) || (c && strchr(" !#$%&'()*+,-./:;<=>@[]^`{|}~", c)))
            fputc(c, f);
        else
            fprintf(f, "\\%03o", c);
    }
    fputc('"', f);
}

void header_signature(FILE *f, const struct wasm_functype *t)
{
    fputc('"', f);
    for (uint32_t i = 0; i < t->nparams; i++)
        fputc(header_kind(t->params[i])->letter, f);
    fputc(':', f);
    for (uint32_t i = 0; i < t->nresults; i++)
        fputc(header_kind(t->results[i])->letter, f);
    fputc('"', f);
}
