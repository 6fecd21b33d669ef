/* header_text.c: names and types in headers. */
#ifndef LUCETC_HEADER_TEXT_H
#define LUCETC_HEADER_TEXT_H

#include <stdio.h>

#include "lucetc/compilation.h"

#define HEADER_ID_MAX 200u

/* A function that is exported or imported. */
struct header_stub {
    const struct wasm_bytes *name;
    const struct wasm_bytes *module; /* imports: or NULL, when they have a symbol */
    const char *symbol;
    const struct wasm_functype *type;
    char id[HEADER_ID_MAX + 16];
    bool numbered;
};

/* A type of values in C. */
struct header_kind {
    wasm_valtype type;
    char letter;
    const char *c_type, *member; /* of stubs; of union lucet_raw, NULL: all of it */
    const char *host_type;       /* of host functions */
};
/* NULL: C cannot express it. */
const struct header_kind *header_kind(wasm_valtype type);
bool header_has_c_types(const struct wasm_functype *t);

/* Letters, digits and _ stay, each other byte becomes one _. */
void header_id(char *id, const uint8_t *bytes, size_t size);
/* Names that are no identifier of their own get the number of their stub behind two underscores,
 * and so does whatever has two underscores: then all differ. False: no memory. */
bool header_ids_unique(struct header_stub *stubs, uint32_t n);
/* In quotes. */
void header_literal(FILE *f, const struct wasm_bytes *name);
void header_signature(FILE *f, const struct wasm_functype *t);

#endif
