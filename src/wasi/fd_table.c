/* The guest's descriptors; see fd_table.h. */
#include "wasi/fd_table.h"

#include "lucet/lucet.h"
#include "wasi/abi.h"
#include "wasi/errno.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FDS_AT_MOST = 1024,
    FDS_AT_LEAST = 32,
    FDS_SHARE = 8,  /* a guest gets an eighth of what the process may open */
    FDS_RESERVE = 4 /* and nobody the last quarter */
};

void wasi_fd_table_init(struct wasi_fd_table *t)
{
    struct rlimit limit;
    rlim_t most = INT32_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < most) {
        most = limit.rlim_cur;
    }
    t->fd = NULL;
    t->size = 0;
    t->host_limit = (uint32_t)(most - most / FDS_RESERVE);
    t->limit = (uint32_t)(most / FDS_SHARE);
    if (t->limit > FDS_AT_MOST) {
        t->limit = FDS_AT_MOST;
    } else if (t->limit < FDS_AT_LEAST) {
        t->limit = FDS_AT_LEAST;
    }
}

static void drop(struct wasi_fd *f)
{
    if (f->host >= 0 && f->owned) {
        close(f->host);
    }
    lucet_free(f->guest_path);
    *f = (struct wasi_fd){.host = -1};
}

void wasi_fd_table_release(struct wasi_fd_table *t)
{
    for (uint32_t i = 0; i < t->size; i++) {
        drop(&t->fd[i]);
    }
    lucet_free(t->fd);
    t->fd = NULL;
    t->size = 0;
}

uint32_t wasi_fd_get(struct wasi_fd_table *t, uint32_t fd, uint64_t rights, struct wasi_fd **out)
{
    if (fd >= t->size || t->fd[fd].host < 0) {
        return WASI_EBADF;
    }
    if ((t->fd[fd].base & rights) != rights) {
        return WASI_ENOTCAPABLE;
    }
    *out = &t->fd[fd];
    return WASI_OK;
}

static uint32_t grow(struct wasi_fd_table *t, uint32_t size)
{
    if (size > t->limit) {
        return WASI_EMFILE;
    }
    uint32_t want = t->size < 8 ? 8 : t->size * 2;
    if (want < size) {
        want = size;
    }
    if (want > t->limit) {
        want = t->limit;
    }
    struct wasi_fd *fd = lucet_realloc(t->fd, want * sizeof(*fd));
    if (fd == NULL) {
        return WASI_ENOMEM;
    }
    for (uint32_t i = t->size; i < want; i++) {
        fd[i] = (struct wasi_fd){.host = -1};
    }
    t->fd = fd;
    t->size = want;
    return WASI_OK;
}

uint32_t wasi_fd_put(struct wasi_fd_table *t, const struct wasi_fd *entry, uint32_t fd)
{
    struct wasi_fd own = *entry;
    if (fd >= t->size) {
        uint32_t error = fd < t->limit ? grow(t, fd + 1) : (uint32_t)WASI_EMFILE;
        if (error) {
            drop(&own);
            return error;
        }
    }
    drop(&t->fd[fd]);
    own.id = ++t->last_id;
    t->fd[fd] = own;
    return WASI_OK;
}

static uint32_t lowest_free(const struct wasi_fd_table *t, uint32_t first)
{
    uint32_t i = first;
    while (i < t->size && t->fd[i].host >= 0) {
        i++;
    }
    return i;
}

uint32_t wasi_fd_room(struct wasi_fd_table *t)
{
    uint32_t i = lowest_free(t, 0);
    return i < t->size ? (uint32_t)WASI_OK : grow(t, i + 1);
}

uint32_t wasi_fd_add(struct wasi_fd_table *t, const struct wasi_fd *entry, uint32_t first,
                     uint32_t *fd)
{
    *fd = lowest_free(t, first);
    return wasi_fd_put(t, entry, *fd);
}

uint32_t wasi_fd_close(struct wasi_fd_table *t, uint32_t fd)
{
    struct wasi_fd *f;
    uint32_t error = wasi_fd_get(t, fd, 0, &f);
    if (error) {
        return error;
    }
    /* A language's library remembers which numbers are preopens; another file in such a place
     * would be taken for the directory. */
    if (f->preopen) {
        return WASI_ENOTSUP;
    }
    drop(f);
    return WASI_OK;
}

uint32_t wasi_fd_renumber(struct wasi_fd_table *t, uint32_t from, uint32_t to)
{
    struct wasi_fd *source, *target;
    uint32_t error = wasi_fd_get(t, from, 0, &source);
    if (!error) {
        error = wasi_fd_get(t, to, 0, &target);
    }
    if (error) {
        return error;
    }
    if (source->preopen || target->preopen) {
        return WASI_EBADF;
    }
    if (source != target) {
        drop(target);
        *target = *source;
        *source = (struct wasi_fd){.host = -1};
    }
    return WASI_OK;
}

uint8_t wasi_filetype_from_mode(uint32_t mode, int host)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return WASI_FILETYPE_REGULAR_FILE;
    case S_IFDIR: return WASI_FILETYPE_DIRECTORY;
    case S_IFLNK: return WASI_FILETYPE_SYMBOLIC_LINK;
    case S_IFBLK: return WASI_FILETYPE_BLOCK_DEVICE;
    case S_IFCHR: return WASI_FILETYPE_CHARACTER_DEVICE;
    case S_IFSOCK: break;
    default: return WASI_FILETYPE_UNKNOWN;
    }
    int type = 0;
    socklen_t size = sizeof(type);
    if (host >= 0 && getsockopt(host, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
        type == SOCK_DGRAM) {
        return WASI_FILETYPE_SOCKET_DGRAM;
    }
    return WASI_FILETYPE_SOCKET_STREAM;
}

uint32_t wasi_fd_describe(int host, bool owned, struct wasi_fd *out)
{
    struct stat st;
    if (fstat(host, &st) != 0) {
        return wasi_errno_from_host(errno);
    }
    *out = (struct wasi_fd){
        .host = host,
        .filetype = wasi_filetype_from_mode(st.st_mode, host),
        .owned = owned,
    };
    out->stream = out->filetype != WASI_FILETYPE_REGULAR_FILE &&
                  out->filetype != WASI_FILETYPE_DIRECTORY &&
                  out->filetype != WASI_FILETYPE_BLOCK_DEVICE;
    out->filtered = out->filetype == WASI_FILETYPE_CHARACTER_DEVICE && isatty(host);
    return WASI_OK;
}
