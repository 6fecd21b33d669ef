/* The cache of compiled programs: a directory of artifacts, each named after everything that its
 * bytes depend on. What lies in it is machine code that we would run unseen: it is believed only
 * when directory and file belong to us and nobody else can write them. */
#ifndef LUCET_TOOLS_WASI_CACHE_H
#define LUCET_TOOLS_WASI_CACHE_H

#include "tools/lucet-wasi/cli.h"
#include "tools/lucet-wasi/hash.h"

#include <limits.h>

struct cache {
    int dir; /* -1: there is none */
    char path[PATH_MAX];
};

/* Finds and, where needed, makes the directory. Without one that can be trusted, the program is run
 * uncached after a warning; if the user named it (--cache-dir, LUCET_CACHE_DIR), the program
 * ends. */
void cache_open(struct cache *c, const struct cli *cli);

enum { CACHE_NAME_SIZE = HASH_SIZE * 2 + 4 };
/* The name of the artifact for a module of that hash, compiled as `cli` says by `lucetc`. */
void cache_name(const struct cli *cli, const char *lucetc, const uint8_t wasm[HASH_SIZE],
                char name[CACHE_NAME_SIZE]);

/* hash_file() for a cache that is there; large files that have not changed since are not read
 * again. */
bool cache_hash_file(const struct cache *c, int file, uint8_t hash[HASH_SIZE]);
/* Ends the names of entries that say what a file's bytes hash to; as long as ".so". */
#define CACHE_KNOWN_SUFFIX ".id"

/* Opens an entry and marks it as used. -1 when there is none, or none to be trusted. */
int cache_lookup(const struct cache *c, const char *name);
void cache_remove(const struct cache *c, const char *name);
/* Path of a temporary file in the directory. */
void cache_temporary(const struct cache *c, char path[PATH_MAX]);
/* Puts the temporary file in its place, and removes the entries that have not been used for
 * longest if there is too much. Returns it opened, or -1. */
int cache_publish(const struct cache *c, const char *temporary, const char *name);

/* Removes what was used longest ago until at most `limit` bytes are left, leftovers of
 * compilations that did not end, and hashes of files that nobody asked for in a month. */
void cache_prune(int dir, uint64_t limit);

#endif
