/* Symbolic links: making and reading. */
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/path.h"
#include "wasi/rights.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* How deep a path leads from `depth` on, by its words alone; -1 when it climbs above 0 on the
 * way. */
static int walk(const char *path, int depth)
{
    while (*path && depth >= 0) {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.') {
            depth--;
        } else if (n > 0 && !(n == 1 && path[0] == '.')) {
            depth++;
        }
        path += n + (path[n] == '/');
    }
    return depth;
}

/* A link's text is not resolved when it is made, and guests cannot follow it outside. But programs
 * of the host can: so absolute targets are refused (by wasi_path_get), and those that climb out. */
static bool climbs_out(const char *target, const char *path)
{
    int depth = walk(path, 0);
    return depth < 1 || walk(target, depth - 1) < 0;
}

static uint32_t make(const char *target, const struct wasi_name *name)
{
    uint32_t mode;
    if (name->slash) {
        uint32_t error = wasi_name_mode(name, &mode);
        return error ? error : (uint32_t)WASI_EEXIST;
    }
    return wasi_result(symlinkat(target, name->dir, name->name));
}

uint32_t lucet_wasi_path_symlink(struct lucet_vmctx *vmctx, uint32_t target, uint32_t target_len,
                                 uint32_t fd, uint32_t path, uint32_t len)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    struct wasi_name name;
    struct wasi_fd *dir;
    uint32_t error = wasi_path_get(vmctx, target, target_len, ctx->path[0]);
    if (!error) {
        error = wasi_path_get(vmctx, path, len, ctx->path[1]);
    }
    if (!error) {
        error = wasi_fd_get(&ctx->process->fds, fd, R(PATH_SYMLINK), &dir);
    }
    if (!error && climbs_out(ctx->path[0], ctx->path[1])) {
        error = WASI_EPERM;
    }
    if (!error) {
        error = wasi_path_split(dir->host, ctx->path[1], &name);
    }
    if (error) {
        return error;
    }
    error = make(ctx->path[0], &name);
    wasi_name_release(&name);
    return error;
}

/* "link/" means what the link leads to, which is no link. */
static uint32_t read_slashed(const struct wasi_name *name)
{
    int fd;
    uint32_t error = wasi_path_open(name->dir, name->name, O_PATH | O_DIRECTORY, 0, &fd);
    if (!error) {
        close(fd);
        error = WASI_EINVAL;
    }
    return error;
}

uint32_t lucet_wasi_path_readlink(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t path,
                                  uint32_t len, uint32_t buf, uint32_t buf_len, uint32_t out)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    struct wasi_name name;
    struct wasi_fd *dir;
    void *used = wasi_guest(vmctx, out, 4);
    char *buffer = wasi_guest(vmctx, buf, buf_len);
    if (used == NULL || buffer == NULL) {
        return WASI_EFAULT;
    }
    uint32_t error = wasi_path_get(vmctx, path, len, ctx->path[0]);
    if (!error) {
        error = wasi_fd_get(&ctx->process->fds, fd, R(PATH_READLINK), &dir);
    }
    if (!error) {
        error = wasi_path_split(dir->host, ctx->path[0], &name);
    }
    if (error) {
        return error;
    }
    if (name.slash) {
        error = read_slashed(&name);
    } else {
        ssize_t n = readlinkat(name.dir, name.name, (char *)ctx->buffer, sizeof(ctx->buffer));
        error = wasi_result(n);
        if (!error) {
            uint32_t size = (uint32_t)n < buf_len ? (uint32_t)n : buf_len;
            memcpy(buffer, ctx->buffer, size);
            wasi_put32(used, size);
        }
    }
    wasi_name_release(&name);
    return error;
}
