/* Sizes, counts and times as people write them on command lines. */
#ifndef LUCET_TOOLS_SIZE_H
#define LUCET_TOOLS_SIZE_H

#include <stdbool.h>
#include <stdint.h>

/* "4096", "64KiB", "64K", "1MiB", "1M", "8GiB", "8G", "1TiB", "16B", "0x1000": bytes, in powers of
 * 1024, in either case. Nothing else may follow or precede. False, with *out as it was, when `text`
 * is no size or exceeds 64 bits. */
bool tool_parse_size(const char *text, uint64_t *out);

/* A plain decimal number of at most `max`. False as above. */
bool tool_parse_number(const char *text, uint64_t max, uint64_t *out);

/* Milliseconds: "1500", "1500ms", "10s", "2m", "1h". False as above. */
bool tool_parse_duration(const char *text, uint64_t *out);

/* "64KiB": the largest unit that says it exactly. `buffer` has room for 32 bytes; returned. */
const char *tool_format_size(uint64_t size, char *buffer);

#endif
