#include "tools/lucet-wasi/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LEFTOVER_AGE = 24 * 3600, KNOWN_AGE = 30 * 24 * 3600 };

struct entry {
    char name[CACHE_NAME_SIZE];
    uint64_t size;
    struct timespec used;
};

struct entries {
    struct entry *entry;
    size_t count;
    uint64_t total;
};

static bool is_entry_name(const char *name, const char *suffix)
{
    return strlen(name) == CACHE_NAME_SIZE - 1 &&
           strspn(name, "0123456789abcdef") == HASH_SIZE * 2 &&
           strcmp(name + HASH_SIZE * 2, suffix) == 0;
}

static void add(struct entries *e, const char *name, const struct stat *st)
{
    struct entry *more = reallocarray(e->entry, e->count + 1, sizeof *more);
    if (more == NULL) {
        return;
    }
    e->entry = more;
    strcpy(more[e->count].name, name);
    more[e->count].size = (uint64_t)st->st_size;
    more[e->count].used = st->st_mtim;
    e->total += (uint64_t)st->st_size;
    e->count++;
}

/* What a compilation that was killed has left: a file, or a directory of files. */
static void remove_leftover(int dir, const char *name)
{
    const struct dirent *d;
    if (unlinkat(dir, name, 0) == 0) {
        return;
    }
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL) {
        return;
    }
    while ((d = readdir(list)) != NULL) {
        unlinkat(fd, d->d_name, 0);
    }
    closedir(list);
    unlinkat(dir, name, AT_REMOVEDIR);
}

static void collect(int dir, struct entries *e)
{
    const struct dirent *d;
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL) {
        return;
    }
    while ((d = readdir(list)) != NULL) {
        struct stat st;
        if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        if (S_ISREG(st.st_mode) && is_entry_name(d->d_name, ".so")) {
            add(e, d->d_name, &st);
        } else if (S_ISREG(st.st_mode) && is_entry_name(d->d_name, CACHE_KNOWN_SUFFIX)) {
            if (st.st_mtim.tv_sec + KNOWN_AGE < time(NULL)) {
                unlinkat(dir, d->d_name, 0);
            }
        } else if (strncmp(d->d_name, ".tmp-", 5) == 0 &&
                   st.st_mtim.tv_sec + LEFTOVER_AGE < time(NULL)) {
            remove_leftover(dir, d->d_name);
        }
    }
    closedir(list);
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct entry *)a)->used;
    const struct timespec *y = &((const struct entry *)b)->used;
    if (x->tv_sec != y->tv_sec) {
        return x->tv_sec < y->tv_sec ? -1 : 1;
    }
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

void cache_prune(int dir, uint64_t limit)
{
    struct entries e = {0};
    collect(dir, &e);
    if (e.total > limit) {
        qsort(e.entry, e.count, sizeof *e.entry, by_use);
        /* The newest stays, whatever its size: it is about to run. */
        for (size_t i = 0; i + 1 < e.count && e.total > limit; i++) {
            unlinkat(dir, e.entry[i].name, 0);
            e.total -= e.entry[i].size;
        }
    }
    free(e.entry);
}
