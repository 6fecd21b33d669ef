/* What a large file's bytes hash to, remembered: reading and hashing 25 MB takes longer than
 * loading what they were compiled to. An entry is named after the file's device and number; it
 * holds
 *
 *     size | mtime | ctime | hash of the bytes
 *
 * and counts only while the file has that size and those times. Nobody but root can set ctime;
 * since two changes in the same tick have the same, a file is remembered only when it has not been
 * changed for a while. */
#include "tools/lucet-wasi/cache.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Below this, hashing takes about a millisecond. */
#define WORTHWHILE (1 << 20)
#define SETTLED 2 /* seconds */

struct known {
    uint64_t size;
    int64_t mtime[2], ctime[2]; /* seconds, nanoseconds */
    uint8_t hash[HASH_SIZE];
};
_Static_assert(sizeof(struct known) == 40 + HASH_SIZE,
               "no padding: it is compared and written whole");

static struct known identify(const struct stat *st)
{
    return (struct known){
        .size = (uint64_t)st->st_size,
        .mtime = {st->st_mtim.tv_sec, st->st_mtim.tv_nsec},
        .ctime = {st->st_ctim.tv_sec, st->st_ctim.tv_nsec},
    };
}

static bool same_state(const struct known *a, const struct known *b)
{
    return memcmp(a, b, offsetof(struct known, hash)) == 0;
}

static void entry_name(const struct stat *st, char name[CACHE_NAME_SIZE])
{
    const uint64_t id[2] = {st->st_dev, st->st_ino};
    uint8_t hash[HASH_SIZE];

    crypto_generichash(hash, sizeof hash, (const uint8_t *)id, sizeof id, NULL, 0);
    sodium_bin2hex(name, CACHE_NAME_SIZE, hash, sizeof hash);
    strcat(name, CACHE_KNOWN_SUFFIX);
}

static bool look_up(const struct cache *c, const struct stat *st, uint8_t hash[HASH_SIZE])
{
    char name[CACHE_NAME_SIZE];
    struct known now = identify(st), then;

    entry_name(st, name);
    int fd = cache_lookup(c, name);
    if (fd < 0) {
        return false;
    }
    bool good = read(fd, &then, sizeof then) == (ssize_t)sizeof then && same_state(&now, &then);
    close(fd);
    if (good) {
        memcpy(hash, then.hash, HASH_SIZE);
    }
    return good;
}

/* Failure does not matter: the file is hashed again. */
static void remember(const struct cache *c, const struct stat *st, const uint8_t hash[HASH_SIZE])
{
    char name[CACHE_NAME_SIZE], path[PATH_MAX];
    struct known k = identify(st);

    memcpy(k.hash, hash, HASH_SIZE);
    entry_name(st, name);
    cache_temporary(c, path);
    const char *temporary = strrchr(path, '/') + 1;
    int fd = openat(c->dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    bool good = write(fd, &k, sizeof k) == (ssize_t)sizeof k;
    close(fd);
    if (!good || renameat(c->dir, temporary, c->dir, name) != 0) {
        unlinkat(c->dir, temporary, 0);
    }
}

static bool settled(const struct stat *st)
{
    const time_t now = time(NULL) - SETTLED;

    return st->st_mtim.tv_sec < now && st->st_ctim.tv_sec < now;
}

bool cache_hash_file(const struct cache *c, int file, uint8_t hash[HASH_SIZE])
{
    struct stat before, after;

    if (fstat(file, &before) != 0 || before.st_size < WORTHWHILE) {
        return hash_file(file, hash);
    }
    if (look_up(c, &before, hash)) {
        return true;
    }
    if (!hash_file(file, hash)) {
        return false;
    }
    const struct known a = identify(&before);
    if (fstat(file, &after) == 0 && settled(&after)) {
        const struct known b = identify(&after);
        if (same_state(&a, &b)) {
            remember(c, &after, hash);
        }
    }
    return true;
}
