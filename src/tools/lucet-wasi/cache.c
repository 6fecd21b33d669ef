#include "tools/lucet-wasi/cache.h"

#include "tools/common/size.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_LIMIT (UINT64_C(4) << 30)

/* The directory that is to be used, and whether the user named it. */
static bool choose(struct cache *c, const struct cli *cli, bool *named)
{
    const char *env = getenv("LUCET_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int n = -1;

    *named = true;
    if (cli->cache_dir) {
        n = snprintf(c->path, sizeof c->path, "%s", cli->cache_dir);
    } else if (env && env[0]) {
        n = snprintf(c->path, sizeof c->path, "%s", env);
    } else {
        *named = false;
        if (xdg && xdg[0] == '/') {
            n = snprintf(c->path, sizeof c->path, "%s/lucet", xdg);
        } else if (home && home[0] == '/') {
            n = snprintf(c->path, sizeof c->path, "%s/.cache/lucet", home);
        }
    }
    return n > 0 && n < (int)sizeof c->path;
}

static void make_directories(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p == '/') {
            *p = '\0';
            mkdir(path, 0700);
            *p = '/';
        }
    }
    mkdir(path, 0700);
}

static bool trusted(const struct stat *st)
{
    return st->st_uid == geteuid() && (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

void cache_open(struct cache *c, const struct cli *cli)
{
    bool named;
    struct stat st;
    const char *why = NULL;

    c->dir = -1;
    if (cli->no_cache || !choose(c, cli, &named)) {
        return;
    }
    make_directories(c->path);
    c->dir = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir < 0 || fstat(c->dir, &st) != 0) {
        why = strerror(errno);
    } else if (!trusted(&st)) {
        why = "it belongs to someone else, or others can write to it";
    } else {
        return;
    }
    cli_complain("cache directory %s is not used: %s", c->path, why);
    if (named) {
        exit(EXIT_CANNOT_RUN);
    }
    if (c->dir >= 0) {
        close(c->dir);
    }
    c->dir = -1;
}

int cache_lookup(const struct cache *c, const char *name)
{
    struct stat st;
    const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    if (c->dir < 0) {
        return -1;
    }
    int fd = openat(c->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !trusted(&st) || st.st_nlink != 1) {
        close(fd);
        return -1;
    }
    futimens(fd, now); /* for cache_prune(); a read-only file system does not matter */
    return fd;
}

void cache_remove(const struct cache *c, const char *name)
{
    unlinkat(c->dir, name, 0);
}

void cache_temporary(const struct cache *c, char path[PATH_MAX])
{
    /* Not by the process: containers that share a cache number theirs alike, and what one has
     * compiled would be taken for the other's. */
    uint64_t random[2];
    randombytes_buf(random, sizeof random);
    snprintf(path, PATH_MAX, "%.*s/.tmp-%016" PRIx64 "%016" PRIx64, PATH_MAX - 64, c->path,
             random[0], random[1]);
}

static uint64_t limit(void)
{
    uint64_t size;
    const char *text = getenv("LUCET_CACHE_SIZE");
    return text && tool_parse_size(text, &size) ? size : DEFAULT_LIMIT;
}

int cache_publish(const struct cache *c, const char *temporary, const char *name)
{
    const char *base = strrchr(temporary, '/') + 1;
    int fd = openat(c->dir, base, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    /* A crash must not leave a file whose end was never written. */
    bool good =
        fchmod(fd, 0600) == 0 && fsync(fd) == 0 && renameat(c->dir, base, c->dir, name) == 0;
    close(fd);
    if (!good) {
        unlinkat(c->dir, base, 0);
        return -1;
    }
    cache_prune(c->dir, limit());
    return cache_lookup(c, name);
}
