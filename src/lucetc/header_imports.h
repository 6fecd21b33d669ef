/* --emit header: the host functions that a module imports, as typed pointers. */
#ifndef LUCETC_HEADER_IMPORTS_H
#define LUCETC_HEADER_IMPORTS_H

#include <stdio.h>

#include "lucetc/header_text.h"

struct header_imports {
    struct header_stub *stubs; /* each function once */
    uint32_t n, left_out;
};

/* Those of the module but WASI's, which liblucet-wasi registers. False: no memory. */
bool header_imports_find(struct header_imports *out, const struct compilation *c);
bool header_imports_have_vectors(const struct header_imports *imports);
/* A struct of pointers and a function that registers them; nothing when there are none. */
void header_imports_write(FILE *f, const char *prefix, const struct header_imports *imports);
void header_imports_free(struct header_imports *imports);

#endif
