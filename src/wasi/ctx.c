/* Contexts: what the embedder gives a guest. */
#include "wasi/ctx.h"

#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasi/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct lucet_wasi_ctx *wasi_ctx(struct lucet_vmctx *vmctx)
{
    struct lucet_wasi_ctx *ctx = lucet_vmctx_get_delegate(vmctx);
    if (ctx == NULL) {
        lucet_vmctx_terminate(vmctx, NULL);
    }
    return ctx;
}

void wasi_lock(struct lucet_vmctx *vmctx)
{
    struct wasi_process *p = wasi_ctx(vmctx)->process;
    if (p->threads) {
        pthread_mutex_lock(&p->lock);
    }
}

void wasi_unlock(struct lucet_vmctx *vmctx)
{
    struct wasi_process *p = wasi_ctx(vmctx)->process;
    if (p->threads) {
        pthread_mutex_unlock(&p->lock);
    }
}

/* ---- Errors ---- */

enum lucet_error wasi_ok(void)
{
    return lucet_set_error(lucet_error_ok, "no error");
}

enum lucet_error wasi_no_memory(void)
{
    return lucet_set_error(lucet_error_no_memory, "out of memory");
}

enum lucet_error wasi_invalid(const char *what)
{
    return lucet_set_error(lucet_error_invalid_argument, "%s", what);
}

/* ---- Contexts ---- */

enum lucet_error lucet_wasi_ctx_new(struct lucet_wasi_ctx **out)
{
    if (out == NULL) {
        return wasi_invalid("lucet_wasi_ctx_new: NULL");
    }
    struct lucet_wasi_ctx *ctx = lucet_calloc(1, sizeof(*ctx));
    struct wasi_process *process = lucet_calloc(1, sizeof(*process));
    *out = NULL;
    if (ctx == NULL || process == NULL) {
        lucet_free(ctx);
        lucet_free(process);
        return wasi_no_memory();
    }
    ctx->process = process;
    *out = ctx;
    pthread_mutex_init(&process->lock, NULL);
    wasi_fd_table_init(&ctx->process->fds);
    struct rlimit limit;
    ctx->process->file_size_limited =
        getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY;
    return wasi_ok();
}

static char *copy_text(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = lucet_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static void strings_release(struct wasi_strings *s)
{
    for (size_t i = 0; i < s->count; i++) {
        lucet_free(s->item[i]);
    }
    lucet_free(s->item);
}

void lucet_wasi_ctx_release(struct lucet_wasi_ctx *ctx)
{
    if (ctx == NULL) {
        return;
    }
    if (!ctx->is_thread) {
        struct wasi_process *process = ctx->process;
        wasi_threads_release(process);
        strings_release(&process->args);
        strings_release(&process->environment);
        wasi_fd_table_release(&process->fds);
        pthread_mutex_destroy(&process->lock);
        lucet_free(process);
    }
    lucet_free(ctx);
}

static enum lucet_error strings_add(struct wasi_strings *s, const char *text)
{
    uint64_t bytes = strlen(text) + 1;
    /* The guest learns both numbers as 32 bits. */
    if (s->bytes + bytes > UINT32_MAX || s->count + 1 > UINT32_MAX / 4) {
        return wasi_invalid("more arguments or variables than 32 bits can count");
    }
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 16;
        char **item = lucet_realloc(s->item, capacity * sizeof(*item));
        if (item == NULL) {
            return wasi_no_memory();
        }
        s->item = item;
        s->capacity = capacity;
    }
    char *copy = copy_text(text);
    if (copy == NULL) {
        return wasi_no_memory();
    }
    s->item[s->count++] = copy;
    s->bytes += bytes;
    return wasi_ok();
}

enum lucet_error lucet_wasi_ctx_arg(struct lucet_wasi_ctx *ctx, const char *arg)
{
    return ctx == NULL || arg == NULL ? wasi_invalid("lucet_wasi_ctx_arg: NULL")
                                      : strings_add(&ctx->process->args, arg);
}

enum lucet_error lucet_wasi_ctx_env(struct lucet_wasi_ctx *ctx, const char *key_value)
{
    if (ctx == NULL || key_value == NULL) {
        return wasi_invalid("lucet_wasi_ctx_env: NULL");
    }
    if (strchr(key_value, '=') == NULL) {
        return lucet_set_error(lucet_error_invalid_argument, "\"%.200s\" is no NAME=VALUE",
                               key_value);
    }
    return strings_add(&ctx->process->environment, key_value);
}

/* Rights of standard input or output on a host descriptor: input is read, output written, whatever
 * the host descriptor could do besides. A terminal shows as one by having no position. */
static uint64_t stdio_rights(int guest_fd, const struct wasi_fd *f)
{
    uint64_t rights = R(FD_FDSTAT_SET_FLAGS) | R(FD_FILESTAT_GET) | R(POLL_FD_READWRITE);
    rights |= guest_fd == 0 ? R(FD_READ) : R(FD_WRITE) | R(FD_SYNC) | R(FD_DATASYNC);
    if (f->filetype == WASI_FILETYPE_REGULAR_FILE) {
        rights |= R(FD_ADVISE);
    }
    if (!f->filtered && lseek(f->host, 0, SEEK_CUR) >= 0) {
        rights |= R(FD_SEEK) | R(FD_TELL);
    }
    return rights;
}

enum lucet_error lucet_wasi_ctx_stdio(struct lucet_wasi_ctx *ctx, int guest_fd, int host_fd,
                                      bool owned)
{
    struct wasi_fd entry;
    if (ctx == NULL || guest_fd < 0 || guest_fd > 2) {
        return wasi_invalid("lucet_wasi_ctx_stdio: NULL, or none of 0, 1 and 2");
    }
    if (wasi_fd_describe(host_fd, owned, &entry)) {
        return lucet_set_error(lucet_error_io, "descriptor %d is not open", host_fd);
    }
    if (entry.filetype == WASI_FILETYPE_DIRECTORY) {
        return lucet_set_error(lucet_error_io, "descriptor %d is a directory", host_fd);
    }
    entry.base = stdio_rights(guest_fd, &entry);
    return wasi_fd_put(&ctx->process->fds, &entry, (uint32_t)guest_fd) ? wasi_no_memory()
                                                                       : wasi_ok();
}

enum lucet_error lucet_wasi_ctx_inherit_stdio(struct lucet_wasi_ctx *ctx)
{
    if (ctx == NULL) {
        return wasi_invalid("lucet_wasi_ctx_inherit_stdio: NULL");
    }
    for (int fd = 0; fd < 3; fd++) {
        /* A process may have been started with some of them closed; so is the guest, then. */
        if (fcntl(fd, F_GETFD) < 0) {
            continue;
        }
        enum lucet_error error = lucet_wasi_ctx_stdio(ctx, fd, fd, false);
        if (error != lucet_error_ok) {
            return error;
        }
    }
    return wasi_ok();
}

/* errno stays as it is. */
static enum lucet_error cannot_open(const char *path)
{
    const int code = errno;
    const bool exhausted = code == ENOMEM || code == EMFILE || code == ENFILE;
    char text[128];
    const char *why = strerror_r(code, text, sizeof(text));
    errno = code;
    return lucet_set_error(exhausted ? lucet_error_no_memory : lucet_error_io,
                           "cannot open the directory \"%.300s\": %s", path, why);
}

enum lucet_error lucet_wasi_ctx_preopen(struct lucet_wasi_ctx *ctx, const char *host_path,
                                        const char *guest_path, bool read_only)
{
    if (ctx == NULL || host_path == NULL || guest_path == NULL || guest_path[0] == '\0') {
        return wasi_invalid("lucet_wasi_ctx_preopen: NULL, or no name for the guest");
    }
    if (strlen(guest_path) >= WASI_PATH_SIZE) {
        return wasi_invalid("lucet_wasi_ctx_preopen: the guest's name for it is too long");
    }
    int host = open(host_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (host < 0) {
        return cannot_open(host_path);
    }
    struct wasi_fd entry;
    char *name = copy_text(guest_path);
    if (name == NULL || wasi_fd_describe(host, true, &entry)) {
        lucet_free(name);
        close(host);
        return wasi_no_memory();
    }
    entry.preopen = true;
    entry.guest_path = name;
    entry.base = WASI_RIGHTS_DIRECTORY;
    entry.inheriting = WASI_RIGHTS_DIRECTORY | WASI_RIGHTS_FILE;
    if (read_only) {
        entry.base &= ~WASI_RIGHTS_CHANGING;
        entry.inheriting &= ~WASI_RIGHTS_CHANGING;
    }
    uint32_t fd; /* 0 to 2 are for standard input and output, given or not */
    return wasi_fd_add(&ctx->process->fds, &entry, 3, &fd)
               ? lucet_set_error(lucet_error_no_memory,
                                 "out of memory or of the guest's descriptors")
               : wasi_ok();
}

enum lucet_error lucet_wasi_ctx_max_descriptors(struct lucet_wasi_ctx *ctx, uint32_t count)
{
    if (ctx == NULL) {
        return wasi_invalid("lucet_wasi_ctx_max_descriptors: NULL");
    }
    if (count < 8 || count < ctx->process->fds.size || count > INT32_MAX / sizeof(struct wasi_fd)) {
        return lucet_set_error(lucet_error_invalid_argument,
                               "%u descriptors: at least 8, and %u that there are, at most %zu",
                               count, ctx->process->fds.size, INT32_MAX / sizeof(struct wasi_fd));
    }
    ctx->process->fds.limit = count;
    return wasi_ok();
}

bool lucet_wasi_ctx_exit_code(const struct lucet_wasi_ctx *ctx, uint32_t *code)
{
    if (ctx->process->exited) {
        *code = ctx->process->exit_code;
    }
    return ctx->process->exited;
}
