/* Hashes of files: BLAKE2b over four lanes, so that two processors halve the time. */
#ifndef LUCET_TOOLS_WASI_HASH_H
#define LUCET_TOOLS_WASI_HASH_H

#include <stdbool.h>
#include <stdint.h>

enum { HASH_SIZE = 32 };

/* The bytes of a file that can be read at any offset; its position is not used. False: errno. */
bool hash_file(int fd, uint8_t out[HASH_SIZE]);

#endif
