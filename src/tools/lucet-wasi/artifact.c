#include "tools/lucet-wasi/artifact.h"

#include "tools/common/kind.h"
#include "tools/lucet-wasi/cache.h"
#include "tools/lucet-wasi/lucetc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void complain(const struct cli *cli, enum lucet_error error)
{
    const char *detail = lucet_error_detail();
    cli_complain("%s: %s", cli->module, detail[0] ? detail : lucet_error_message(error));
}

/* A descriptor, not a path: what was checked is what is loaded. */
static enum lucet_error load(int fd, struct lucet_dl_module **out)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return lucet_dl_module_load(path, out);
}

static struct lucet_dl_module *load_or_complain(const struct cli *cli, int fd)
{
    struct lucet_dl_module *module;
    enum lucet_error error = load(fd, &module);
    close(fd);
    if (error == lucet_error_ok) {
        return module;
    }
    complain(cli, error);
    return NULL;
}

/* The same as lucetc's: a pipe need not end. */
#define SNAPSHOT_LIMIT (UINT64_C(1) << 30)

/* The bytes as they are now, in memory, from the descriptor's position on: what is hashed must be
 * what is compiled, whatever happens to the file meanwhile. -1: errno. */
static int snapshot(int from)
{
    char buffer[65536];
    uint64_t size = 0;
    int fd = memfd_create("module", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ssize_t n = -1;

    if (fd >= 0) {
        while ((n = read(from, buffer, sizeof buffer)) > 0) {
            size += (uint64_t)n;
            if (size > SNAPSHOT_LIMIT) {
                errno = EFBIG;
                n = -1;
                break;
            }
            if (write(fd, buffer, (size_t)n) != n) {
                n = -1;
                break;
            }
        }
    }
    if (n == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK) == 0 &&
        lseek(fd, 0, SEEK_SET) == 0) {
        return fd;
    }
    if (fd >= 0) {
        int saved = errno;
        close(fd);
        errno = saved;
    }
    return -1;
}

/* Compiles into a directory of its own, which is gone when this returns. */
static int compile_uncached(const struct cli *cli, struct tool_signals *signals, const char *lucetc,
                            int wasm)
{
    const char *tmp = getenv("TMPDIR");
    char dir[PATH_MAX], output[PATH_MAX + 16];
    int fd = -1;

    snprintf(dir, sizeof dir, "%.4000s/lucet-wasi-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL) {
        cli_complain("no temporary directory: %s", strerror(errno));
        return -1;
    }
    snprintf(output, sizeof output, "%s/program.so", dir);
    if (lucetc_run(cli, signals, lucetc, wasm, output)) {
        fd = open(output, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    }
    unlink(output);
    rmdir(dir);
    return fd;
}

static int compile_cached(const struct cli *cli, const struct cache *cache,
                          struct tool_signals *signals, const char *lucetc, int wasm)
{
    char name[CACHE_NAME_SIZE], output[PATH_MAX];
    uint8_t hash[HASH_SIZE];

    if (!hash_file(wasm, hash)) {
        cli_complain("%s: %s", cli->module, strerror(errno));
        return -1;
    }
    cache_name(cli, lucetc, hash, name);
    cache_temporary(cache, output);
    mode_t mask = umask(0077);
    bool good = lucetc_run(cli, signals, lucetc, wasm, output);
    umask(mask);
    if (!good) {
        unlink(output);
        return -1;
    }
    int fd = cache_publish(cache, output, name);
    if (fd < 0) {
        cli_complain("cache directory %s: the compiled program cannot be kept or read: %s",
                     cache->path, strerror(errno));
    }
    return fd;
}

static int compile(const struct cli *cli, const struct cache *cache, const char *lucetc, int file)
{
    int wasm = lseek(file, 0, SEEK_SET) == 0 ? snapshot(file) : -1;
    if (wasm < 0) {
        cli_complain("%s: %s", cli->module, strerror(errno));
        return -1;
    }
    struct tool_signals signals;
    tool_signals_hold(&signals); /* so that none leaves files behind, or the compiler running */
    int fd = cache->dir >= 0 ? compile_cached(cli, cache, &signals, lucetc, wasm)
                             : compile_uncached(cli, &signals, lucetc, wasm);
    tool_signals_let(&signals);
    close(wasm);
    return fd;
}

static struct lucet_dl_module *from_cache(const struct cli *cli, const struct cache *cache,
                                          const char *lucetc, int file)
{
    char name[CACHE_NAME_SIZE];
    uint8_t hash[HASH_SIZE];
    struct lucet_dl_module *module;

    if (cache->dir < 0 || !cache_hash_file(cache, file, hash)) {
        return NULL; /* what is wrong with the file will show when it is compiled */
    }
    cache_name(cli, lucetc, hash, name);
    int fd = cache_lookup(cache, name);
    if (fd < 0) {
        return NULL;
    }
    enum lucet_error error = load(fd, &module);
    close(fd);
    if (error != lucet_error_ok) {
        cache_remove(cache, name); /* damaged: it is made anew */
        return NULL;
    }
    return module;
}

static struct lucet_dl_module *get_compiled(const struct cli *cli, int file)
{
    struct cache cache;
    struct lucet_dl_module *module = NULL;
    char *lucetc = lucetc_find();

    if (lucetc) {
        cache_open(&cache, cli);
        module = from_cache(cli, &cache, lucetc, file);
        if (module == NULL) {
            int fd = compile(cli, &cache, lucetc, file);
            module = fd >= 0 ? load_or_complain(cli, fd) : NULL;
        }
        if (cache.dir >= 0) {
            close(cache.dir);
        }
    }
    free(lucetc);
    return module;
}

/* The file at its beginning; of what can be read only once, and of standard input, which is the
 * program's too, a copy. -1: errno. */
static int open_module(const char *path)
{
    struct stat st;
    int copy = -1;

    if (strcmp(path, "-") == 0) {
        return fcntl(STDIN_FILENO, F_GETFD) < 0 ? -1 : snapshot(STDIN_FILENO);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))) {
        return fd;
    }
    copy = snapshot(fd); /* EISDIR, for a directory */
    const int saved = errno;
    close(fd);
    errno = saved;
    return copy;
}

/* By the first bytes, not by the name. */
struct lucet_dl_module *artifact_get(const struct cli *cli)
{
    struct lucet_dl_module *module = NULL;
    uint8_t bytes[TOOL_KIND_BYTES];
    const int fd = open_module(cli->module);
    const ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof bytes, 0);

    if (n < 0) {
        cli_complain("%s: %s", cli->module, strerror(errno));
    } else {
        switch (tool_kind(bytes, (size_t)n)) {
        case TOOL_KIND_ELF: return load_or_complain(cli, fd);
        case TOOL_KIND_MODULE:
        case TOOL_KIND_TEXT: module = get_compiled(cli, fd); break;
        case TOOL_KIND_UNKNOWN: /* it may be large, and its beginning says what it is */
            complain(cli, lucet_dl_module_load_bytes(bytes, (size_t)n, &module));
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return module;
}
