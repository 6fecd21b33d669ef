/* Operations on names in directories: create, remove, rename, link. The directory is found by
 * openat2() beneath the guest's descriptor, the name itself is never followed; see path.h. */
#include "wasi/abi.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/path.h"
#include "wasi/rights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The descriptor with `rights`, and the name that a guest's path means there. `which` of the two
 * path buffers is used until the name is released. */
static uint32_t name_get(struct lucet_vmctx *vmctx, int which, uint32_t fd, uint64_t rights,
                         uint32_t path, uint32_t len, struct wasi_name *name,
                         struct wasi_fd **dir_out)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    uint32_t error = wasi_path_get(vmctx, path, len, ctx->path[which]);
    if (!error) {
        error = wasi_fd_get(&ctx->process->fds, fd, rights, dir_out);
    }
    return error ? error : wasi_path_split((*dir_out)->host, ctx->path[which], name);
}

uint32_t lucet_wasi_path_create_directory(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t path,
                                          uint32_t len)
{
    struct wasi_name name = {0};
    struct wasi_fd *dir;
    uint32_t error = name_get(vmctx, 0, fd, R(PATH_CREATE_DIRECTORY), path, len, &name, &dir);
    if (error == WASI_EINVAL && name.name != NULL) {
        return WASI_EEXIST; /* "." or "..", which the path was split to find */
    }
    if (error) {
        return error;
    }
    error = wasi_result(mkdirat(name.dir, name.name, 0777));
    wasi_name_release(&name);
    return error;
}

uint32_t lucet_wasi_path_remove_directory(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t path,
                                          uint32_t len)
{
    struct wasi_name name;
    struct wasi_fd *dir;
    uint32_t error = name_get(vmctx, 0, fd, R(PATH_REMOVE_DIRECTORY), path, len, &name, &dir);
    if (error) {
        return error;
    }
    error = wasi_result(unlinkat(name.dir, name.name, AT_REMOVEDIR));
    wasi_name_release(&name);
    return error;
}

/* What a name with slashes behind it means to a call that does not work on directories. */
static uint32_t slash_error(const struct wasi_name *name, uint32_t if_directory)
{
    uint32_t mode;
    uint32_t error = wasi_name_mode(name, &mode);
    if (error) {
        return error;
    }
    return S_ISDIR(mode) ? if_directory : (uint32_t)WASI_ENOTDIR;
}

uint32_t lucet_wasi_path_unlink_file(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t path,
                                     uint32_t len)
{
    struct wasi_name name;
    struct wasi_fd *dir;
    uint32_t error = name_get(vmctx, 0, fd, R(PATH_UNLINK_FILE), path, len, &name, &dir);
    if (error) {
        return error;
    }
    error = name.slash ? slash_error(&name, WASI_EISDIR)
                       : wasi_result(unlinkat(name.dir, name.name, 0));
    wasi_name_release(&name);
    return error;
}

/* Whether a file may come to stand in directory `to` as well as, or instead of, in `from`: not
 * when `to` would allow more with it. Otherwise a guest could make a file that it may only read
 * appear where it may write. */
static bool may_move(const struct wasi_fd *from, const struct wasi_fd *to)
{
    return (to->inheriting & ~from->inheriting) == 0;
}

static uint32_t rename_checked(const struct wasi_name *old, const struct wasi_name *new)
{
    /* The kernel would look for itself, but names have lost their slashes here. */
    if (old->slash || new->slash) {
        uint32_t mode;
        uint32_t error = wasi_name_mode(old, &mode);
        if (error) {
            return error;
        }
        if (!S_ISDIR(mode)) {
            return WASI_ENOTDIR;
        }
    }
    return wasi_result(renameat(old->dir, old->name, new->dir, new->name));
}

uint32_t lucet_wasi_path_rename(struct lucet_vmctx *vmctx, uint32_t old_fd, uint32_t old_path,
                                uint32_t old_len, uint32_t new_fd, uint32_t new_path,
                                uint32_t new_len)
{
    struct wasi_name old, new;
    struct wasi_fd *from, *to;
    uint32_t error =
        name_get(vmctx, 0, old_fd, R(PATH_RENAME_SOURCE), old_path, old_len, &old, &from);
    if (error) {
        return error;
    }
    error = name_get(vmctx, 1, new_fd, R(PATH_RENAME_TARGET), new_path, new_len, &new, &to);
    if (!error) {
        error = may_move(from, to) ? rename_checked(&old, &new) : (uint32_t)WASI_ENOTCAPABLE;
        wasi_name_release(&new);
    }
    wasi_name_release(&old);
    return error;
}

/* Links what `path` leads to beneath `dir`, following a last link. The descriptor pins the file;
 * /proc is the way to name it (see O_TMPFILE in open(2)). */
static uint32_t link_followed(int dir, const char *path, const struct wasi_name *new)
{
    int fd;
    char self[40];
    uint32_t error = wasi_path_open(dir, path, O_PATH, 0, &fd);
    if (error) {
        return error;
    }
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    error = wasi_result(linkat(AT_FDCWD, self, new->dir, new->name, AT_SYMLINK_FOLLOW));
    close(fd);
    return error;
}

static uint32_t link_name(const struct wasi_name *old, const struct wasi_name *new)
{
    if (old->slash) {
        return slash_error(old, WASI_EPERM);
    }
    return wasi_result(linkat(old->dir, old->name, new->dir, new->name, 0));
}

uint32_t lucet_wasi_path_link(struct lucet_vmctx *vmctx, uint32_t old_fd, uint32_t old_lookup,
                              uint32_t old_path, uint32_t old_len, uint32_t new_fd,
                              uint32_t new_path, uint32_t new_len)
{
    struct lucet_wasi_ctx *ctx = wasi_ctx(vmctx);
    struct wasi_name old, new;
    struct wasi_fd *from, *to;
    if (old_lookup > WASI_LOOKUP_SYMLINK_FOLLOW) {
        return WASI_EINVAL;
    }
    uint32_t error = wasi_path_get(vmctx, old_path, old_len, ctx->path[0]);
    if (!error) {
        error = wasi_fd_get(&ctx->process->fds, old_fd, R(PATH_LINK_SOURCE), &from);
    }
    if (!error) {
        error = name_get(vmctx, 1, new_fd, R(PATH_LINK_TARGET), new_path, new_len, &new, &to);
    }
    if (error) {
        return error;
    }
    if (!may_move(from, to)) {
        error = WASI_ENOTCAPABLE;
    } else if (new.slash) {
        error = slash_error(&new, WASI_EEXIST);
    } else if (old_lookup & WASI_LOOKUP_SYMLINK_FOLLOW) {
        error = link_followed(from->host, ctx->path[0], &new);
    } else {
        error = wasi_path_split(from->host, ctx->path[0], &old);
        if (!error) {
            error = link_name(&old, &new);
            wasi_name_release(&old);
        }
    }
    wasi_name_release(&new);
    return error;
}
