/* WebAssembly's text format as input. */
#ifndef LUCET_TOOLS_LUCETC_TEXT_H
#define LUCET_TOOLS_LUCETC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/lucetc/cli.h"

/* Replaces the text in *bytes (malloc'd, owned by the caller before and after) by the binary module
 * that the first installed converter makes of it, of at most `limit` bytes. False: reported as an
 * error of `name`, *bytes as it was. */
bool text_convert(const struct cli *cli, const char *name, size_t limit, uint8_t **bytes,
                  size_t *size);

#endif
