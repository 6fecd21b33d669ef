/* wasi_unstable, the version before preview 1: what differs from it. */
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/poll.h"
#include "wasi/stat.h"

struct filestat {
    uint64_t dev, ino;
    uint8_t filetype;
    uint8_t pad[3];
    uint32_t nlink;
    uint64_t size, atim, mtim, ctim;
};
_Static_assert(sizeof(struct filestat) == 56, "filestat");
_Static_assert(offsetof(struct filestat, nlink) == 20, "filestat.nlink");

struct subscription {
    uint64_t userdata;
    uint8_t tag;
    uint8_t pad[7];
    union {
        struct {
            uint64_t identifier;
            uint32_t id, pad;
            uint64_t timeout, precision;
            uint16_t flags;
            uint8_t pad2[6];
        } clock;
        uint32_t fd;
    } u;
};
_Static_assert(sizeof(struct subscription) == 56, "subscription");
_Static_assert(offsetof(struct subscription, u.clock.timeout) == 32, "subscription_clock");
_Static_assert(offsetof(struct subscription, u.clock.flags) == 48, "subscription_clock");

uint32_t lucet_wasi_unstable_fd_seek(struct lucet_vmctx *vmctx, uint32_t fd, uint64_t offset,
                                     uint32_t whence, uint32_t out)
{
    static const uint32_t map[] = {WASI_WHENCE_CUR, WASI_WHENCE_END, WASI_WHENCE_SET};
    return whence > 2 ? (uint32_t)WASI_EINVAL
                      : lucet_wasi_fd_seek(vmctx, fd, offset, map[whence], out);
}

static void put_stat(void *to, const struct wasi_filestat *from)
{
    const struct filestat stat = {
        .dev = from->dev,
        .ino = from->ino,
        .filetype = from->filetype,
        .nlink = from->nlink > UINT32_MAX ? UINT32_MAX : (uint32_t)from->nlink,
        .size = from->size,
        .atim = from->atim,
        .mtim = from->mtim,
        .ctim = from->ctim,
    };
    memcpy(to, &stat, sizeof(stat));
}

uint32_t lucet_wasi_unstable_fd_filestat_get(struct lucet_vmctx *vmctx, uint32_t fd, uint32_t out)
{
    struct wasi_filestat stat;
    void *result = wasi_guest(vmctx, out, sizeof(struct filestat));
    uint32_t error = result ? wasi_fd_stat(vmctx, fd, &stat) : (uint32_t)WASI_EFAULT;
    if (!error) {
        put_stat(result, &stat);
    }
    return error;
}

uint32_t lucet_wasi_unstable_path_filestat_get(struct lucet_vmctx *vmctx, uint32_t fd,
                                               uint32_t lookup, uint32_t path, uint32_t len,
                                               uint32_t out)
{
    struct wasi_filestat stat;
    void *result = wasi_guest(vmctx, out, sizeof(struct filestat));
    uint32_t error =
        result ? wasi_path_stat(vmctx, fd, lookup, path, len, &stat) : (uint32_t)WASI_EFAULT;
    if (!error) {
        put_stat(result, &stat);
    }
    return error;
}

static void read_subscription(const unsigned char *from, struct wasi_subscription *to)
{
    struct subscription s;
    memcpy(&s, from, sizeof(s));
    *to = (struct wasi_subscription){.userdata = s.userdata, .tag = s.tag};
    if (s.tag == WASI_EVENT_CLOCK) {
        to->u.clock.id = s.u.clock.id;
        to->u.clock.timeout = s.u.clock.timeout;
        to->u.clock.precision = s.u.clock.precision;
        to->u.clock.flags = s.u.clock.flags;
    } else {
        to->u.fd = s.u.fd;
    }
}

uint32_t lucet_wasi_unstable_poll_oneoff(struct lucet_vmctx *vmctx, uint32_t in, uint32_t events,
                                         uint32_t count, uint32_t out)
{
    static const struct wasi_subscription_format format = {sizeof(struct subscription),
                                                           read_subscription};
    return wasi_poll_oneoff(vmctx, &format, in, events, count, out);
}
