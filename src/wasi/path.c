/* Resolution of guests' paths; see path.h. */
#include "wasi/path.h"

#include "wasi/errno.h"
#include "wasi/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel answers EAGAIN when it cannot tell, because of a concurrent rename, whether ".."
 * stayed inside. A guest that keeps renaming must not keep us here. */
enum { RESOLVE_ATTEMPTS = 64 };

uint32_t wasi_path_get(struct lucet_vmctx *vmctx, uint32_t address, uint32_t len,
                       char path[WASI_PATH_SIZE])
{
    const char *bytes = wasi_guest(vmctx, address, len);
    if (bytes == NULL) {
        return WASI_EFAULT;
    }
    if (len == 0) {
        return WASI_ENOENT;
    }
    if (len >= WASI_PATH_SIZE) {
        return WASI_ENAMETOOLONG;
    }
    memcpy(path, bytes, len);
    path[len] = '\0';
    if (strlen(path) != len) {
        return WASI_EINVAL;
    }
    return path[0] == '/' ? (uint32_t)WASI_EPERM : (uint32_t)WASI_OK;
}

uint32_t wasi_path_open(int dir, const char *path, int flags, unsigned mode, int *out)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    if (!(flags & O_PATH)) {
        how.flags |= O_NOCTTY;
    }
    *out = -1;
    for (int i = 0; i < RESOLVE_ATTEMPTS; i++) {
        long fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
        if (fd >= 0) {
            *out = (int)fd;
            return WASI_OK;
        }
        if (errno != EAGAIN) {
            break;
        }
    }
    /* EXDEV is the kernel's word for "leads out of the directory". */
    return errno == EXDEV ? (uint32_t)WASI_EPERM : wasi_errno_from_host(errno);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

uint32_t wasi_path_split(int dir, char path[WASI_PATH_SIZE], struct wasi_name *out)
{
    *out = (struct wasi_name){.dir = dir};
    size_t len = strlen(path);
    while (len > 0 && path[len - 1] == '/') {
        len--;
        out->slash = true;
    }
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    out->name = slash ? slash + 1 : path;
    if (out->name[0] == '\0') {
        return WASI_ENOENT;
    }
    if (is_dots(out->name)) {
        int fd;
        uint32_t error = wasi_path_open(dir, path, O_PATH | O_DIRECTORY, 0, &fd);
        if (error) {
            return error;
        }
        close(fd);
        return WASI_EINVAL;
    }
    if (slash == NULL) {
        return WASI_OK;
    }
    /* The path is relative, so there is at least one character before the slash. */
    *slash = '\0';
    uint32_t error = wasi_path_open(dir, path, O_PATH | O_DIRECTORY, 0, &out->dir);
    out->owned = !error;
    return error;
}

void wasi_name_release(struct wasi_name *n)
{
    if (n->owned) {
        close(n->dir);
    }
    n->owned = false;
}

uint32_t wasi_name_mode(const struct wasi_name *n, uint32_t *mode)
{
    struct stat st;
    uint32_t error = wasi_result(fstatat(n->dir, n->name, &st, AT_SYMLINK_NOFOLLOW));
    *mode = error ? 0 : st.st_mode;
    return error;
}
