/* Reading whole files of unknown origin. */
#ifndef LUCET_TOOLS_FILE_H
#define LUCET_TOOLS_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Reads a file, or standard input when `path` is "-", whatever size it claims to have. Returns 0,
 * or an errno: EFBIG when there are more than `limit` bytes. *out is owned by the caller (free),
 * and a NUL that does not count stands behind its last byte. */
int tool_read_file(const char *path, size_t limit, uint8_t **out, size_t *size);

#endif
