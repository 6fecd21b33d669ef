/* The one way errors are reported inside the compiler. */
#ifndef LUCETC_DIAGNOSTIC_H
#define LUCETC_DIAGNOSTIC_H

#include "lucetc/compilation.h"

/* Fills *d (which may be NULL) with a message that concerns no place in the module. */
void diagnose(struct lucetc_diagnostic *d, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a function (WASM_NONE = none) and a byte offset (UINT64_MAX = none). */
void diagnose_at(struct lucetc_diagnostic *d, const char *kind, const struct wasm_module *m,
                 uint32_t func, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

void diagnose_wasm_error(struct lucetc_diagnostic *d, const struct wasm_error *e);

/* Copies bytes so that they are one printable line: what is not printable ASCII becomes \xHH. Cut
 * to `size` with the NUL. */
void escape_name(char *out, size_t size, struct wasm_bytes name);

#endif
