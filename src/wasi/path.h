/* Paths of guests. All name resolution is the kernel's, by openat2() with RESOLVE_BENEATH: neither
 * "..", nor absolute paths, nor symbolic links lead out of the directory, whatever changes in the
 * file system meanwhile. A kernel without openat2() gets ENOSYS, never a weaker check. */
#ifndef LUCET_WASI_PATH_H
#define LUCET_WASI_PATH_H

#include "wasi/ctx.h"

/* Copies a path out of guest memory, NUL-terminated. EFAULT; NOENT when empty; NAMETOOLONG; INVAL
 * when it holds a NUL; PERM when it is absolute. */
uint32_t wasi_path_get(struct lucet_vmctx *vmctx, uint32_t address, uint32_t len,
                       char path[WASI_PATH_SIZE]);

/* Opens `path` beneath `dir`. `flags` as for open(); O_CLOEXEC and O_NOCTTY are added. PERM when
 * the path leads out. */
uint32_t wasi_path_open(int dir, const char *path, int flags, unsigned mode, int *out);

/* A path split for operations on the name itself: the directory that holds it and its last
 * component, which is never ".", ".." or empty and has no slash. */
struct wasi_name {
    int dir;
    bool owned; /* close dir */
    bool slash; /* the path ended in slashes: it can only mean a directory */
    char *name; /* within the path's buffer */
};
/* INVAL when the last component is "." or ".." (and the path resolves). Changes `path`. */
uint32_t wasi_path_split(int dir, char path[WASI_PATH_SIZE], struct wasi_name *out);
void wasi_name_release(struct wasi_name *n);

/* What `n` is, not following it: 0 and its mode, or an errno. */
uint32_t wasi_name_mode(const struct wasi_name *n, uint32_t *mode);

#endif
