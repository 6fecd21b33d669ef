/* What the decoder accepts and the code generator cannot translate yet. */
#ifndef LUCETC_SUPPORTED_H
#define LUCETC_SUPPORTED_H

#include "lucetc/compilation.h"

/* An instruction of a body of function `func`. Errors: compile, with a diagnostic. */
enum lucet_error supported_instr(const struct compilation *c, uint32_t func,
                                 const struct wasm_instr *in);

#endif
