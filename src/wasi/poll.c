/* poll_oneoff: waits for clocks and descriptors.
 *
 * Subscriptions are copied first, because events may be written over them. Each becomes one of:
 * an event at once (an error, a file, which is always ready), a deadline, or a descriptor to
 * poll(). Descriptors named more than once share a pollfd, so that their number is bounded by the
 * guest's descriptors and not by its subscriptions. */
#include "wasi/poll.h"

#include "wasi/clock.h"
#include "wasi/errno.h"
#include "wasi/functions.h"
#include "wasi/guest.h"
#include "wasi/rights.h"
#include "wasi/wait.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SUBSCRIPTIONS_AT_MOST = 4096 };

enum kind { NOW, DEADLINE, DESCRIPTOR };

struct item {
    uint64_t userdata;
    uint64_t deadline; /* monotonic, ns */
    uint32_t error;
    uint32_t fd;   /* the guest's */
    uint32_t poll; /* index of its pollfd */
    uint8_t type;
    enum kind kind;
};

struct polling {
    struct lucet_vmctx *vmctx;
    struct lucet_wasi_ctx *ctx;
    const struct wasi_subscription_format *format;
    unsigned char *events;
    uint32_t emitted;
    uint32_t count;
    struct item *item;
    struct pollfd *fds;
    uint32_t fd_count;
    uint64_t deadline; /* the earliest; UINT64_MAX = none */
    bool immediate;    /* some item is ready as it is */
};

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* All deadlines become monotonic ones: a step of the host's calendar during the wait goes
 * unseen. */
static void set_clock(struct polling *p, struct item *item, const struct wasi_subscription *s)
{
    uint64_t now;
    item->kind = NOW;
    if (s->u.clock.id > WASI_CLOCK_MONOTONIC) {
        item->error = s->u.clock.id > WASI_CLOCK_THREAD_CPUTIME ? WASI_EINVAL : WASI_ENOTSUP;
        return;
    }
    if (s->u.clock.flags & ~WASI_SUBCLOCK_ABSTIME) {
        item->error = WASI_EINVAL;
        return;
    }
    uint64_t wait = s->u.clock.timeout;
    if (s->u.clock.flags & WASI_SUBCLOCK_ABSTIME) {
        wasi_clock_now(p->ctx, s->u.clock.id, &now);
        wait = wait > now ? wait - now : 0;
    }
    item->kind = DEADLINE;
    item->deadline = add_saturating(wasi_monotonic_now(), wait);
    if (item->deadline < p->deadline) {
        p->deadline = item->deadline;
    }
}

static void set_descriptor(struct polling *p, struct item *item, uint32_t fd)
{
    const bool reads = item->type == WASI_EVENT_FD_READ;
    struct wasi_fd *f;
    item->kind = NOW;
    item->error = wasi_fd_get(&p->ctx->process->fds, fd,
                              R(POLL_FD_READWRITE) | (reads ? R(FD_READ) : R(FD_WRITE)), &f);
    if (item->error) {
        return;
    }
    item->fd = fd;
    if (!f->stream) {
        return;
    }
    item->kind = DESCRIPTOR;
    for (item->poll = 0; item->poll < p->fd_count; item->poll++) {
        if (p->fds[item->poll].fd == f->host) {
            break;
        }
    }
    if (item->poll == p->fd_count) {
        p->fds[p->fd_count++] = (struct pollfd){.fd = f->host};
    }
    p->fds[item->poll].events |= reads ? POLLIN : POLLOUT;
}

static uint32_t read_subscriptions(struct polling *p, const unsigned char *list)
{
    for (uint32_t i = 0; i < p->count; i++) {
        struct wasi_subscription s;
        p->format->read(list + (size_t)i * p->format->size, &s);
        struct item *item = &p->item[i];
        item->userdata = s.userdata;
        item->type = s.tag;
        if (s.tag == WASI_EVENT_CLOCK) {
            set_clock(p, item, &s);
        } else if (s.tag == WASI_EVENT_FD_READ || s.tag == WASI_EVENT_FD_WRITE) {
            set_descriptor(p, item, s.u.fd);
        } else {
            return WASI_EINVAL;
        }
        p->immediate |= item->kind == NOW;
    }
    return WASI_OK;
}

/* How much can be read now, as far as the kernel tells. */
static uint64_t readable(const struct wasi_fd *f)
{
    int waiting = 0;
    struct stat st;
    if (f->stream) {
        return ioctl(f->host, FIONREAD, &waiting) == 0 && waiting > 0 ? (uint64_t)waiting : 0;
    }
    off_t at = lseek(f->host, 0, SEEK_CUR);
    return at >= 0 && fstat(f->host, &st) == 0 && st.st_size > at ? (uint64_t)(st.st_size - at) : 0;
}

static void emit(struct polling *p, const struct item *item, short revents)
{
    struct wasi_fd *f;
    struct wasi_event event = {
        .userdata = item->userdata,
        .error = (uint16_t)item->error,
        .type = item->type,
    };
    if (revents & POLLNVAL) {
        event.error = WASI_EBADF;
    } else if (!item->error && item->type != WASI_EVENT_CLOCK &&
               !wasi_fd_get(&p->ctx->process->fds, item->fd, 0, &f)) {
        event.nbytes = item->type == WASI_EVENT_FD_READ ? readable(f) : 0;
        event.flags = revents & POLLHUP ? WASI_EVENT_HANGUP : 0;
    }
    memcpy(p->events + p->emitted * sizeof(event), &event, sizeof(event));
    p->emitted++;
}

static void emit_ready(struct polling *p)
{
    const uint64_t now = wasi_monotonic_now();
    for (uint32_t i = 0; i < p->count; i++) {
        const struct item *item = &p->item[i];
        short revents = 0;
        bool ready = item->kind == NOW || (item->kind == DEADLINE && item->deadline <= now);
        if (item->kind == DESCRIPTOR) {
            const short wanted = item->type == WASI_EVENT_FD_READ ? POLLIN : POLLOUT;
            revents = p->fds[item->poll].revents;
            ready = revents & (wanted | POLLHUP | POLLERR | POLLNVAL);
        }
        if (ready) {
            emit(p, item, revents);
        }
    }
}

static uint32_t run(struct polling *p, const unsigned char *list)
{
    int ready;
    uint32_t error = read_subscriptions(p, list);
    if (!error) {
        error = wasi_poll(p->vmctx, p->fds, p->fd_count, p->immediate ? 0 : p->deadline, &ready);
    }
    if (!error) {
        emit_ready(p);
    }
    return error;
}

uint32_t wasi_poll_oneoff(struct lucet_vmctx *vmctx, const struct wasi_subscription_format *format,
                          uint32_t in, uint32_t events, uint32_t count, uint32_t out)
{
    struct polling p = {
        .vmctx = vmctx,
        .ctx = wasi_ctx(vmctx),
        .format = format,
        .events = wasi_guest(vmctx, events, (uint64_t)count * sizeof(struct wasi_event)),
        .count = count,
        .deadline = UINT64_MAX,
    };
    const unsigned char *list = wasi_guest(vmctx, in, (uint64_t)count * format->size);
    void *result = wasi_guest(vmctx, out, 4);
    if (list == NULL || p.events == NULL || result == NULL) {
        return WASI_EFAULT;
    }
    if (count == 0 || count > SUBSCRIPTIONS_AT_MOST) {
        return WASI_EINVAL;
    }
    struct item *item = lucet_calloc(count, sizeof(*item));
    struct pollfd *fds = lucet_calloc(count, sizeof(*fds));
    p.item = item;
    p.fds = fds;
    uint32_t error = item && fds ? run(&p, list) : (uint32_t)WASI_ENOMEM;
    lucet_free(item);
    lucet_free(fds);
    if (!error) {
        wasi_put32(result, p.emitted);
    }
    return error;
}

static void read_subscription(const unsigned char *from, struct wasi_subscription *to)
{
    memcpy(to, from, sizeof(*to));
}

uint32_t lucet_wasi_poll_oneoff(struct lucet_vmctx *vmctx, uint32_t in, uint32_t events,
                                uint32_t count, uint32_t out)
{
    static const struct wasi_subscription_format format = {sizeof(struct wasi_subscription),
                                                           read_subscription};
    return wasi_poll_oneoff(vmctx, &format, in, events, count, out);
}
