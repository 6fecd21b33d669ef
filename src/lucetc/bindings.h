/* Which native symbol an import is bound to. */
#ifndef LUCETC_BINDINGS_H
#define LUCETC_BINDINGS_H

#include "lucetc/compilation.h"

/* The symbol of an import, or NULL when it has none. Owned by the bindings. */
const char *bindings_find(const struct compilation *c, const struct wasm_import *import);

/* Refuses modules that import what nobody allowed: functions without a binding, unless
 * options->allow_undefined. Error compile (diagnosed). */
enum lucet_error bindings_check(const struct compilation *c);

#endif
