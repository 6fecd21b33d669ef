/* Waiting and quiet signals; see wait.h. */
#include "wasi/wait.h"

#include "wasi/ctx.h"
#include "wasi/errno.h"

#include <errno.h>

uint64_t wasi_monotonic_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct timespec until(uint64_t deadline)
{
    uint64_t now = wasi_monotonic_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    return (struct timespec){.tv_sec = (time_t)(left / 1000000000u),
                             .tv_nsec = (long)(left % 1000000000u)};
}

/* A request to stop that comes between our look and the system call must still end it. So signals
 * are blocked from the look on, and ppoll() lets them in again while it waits. */
uint32_t wasi_poll(struct lucet_vmctx *vmctx, struct pollfd *fds, nfds_t count, uint64_t deadline,
                   int *ready)
{
    sigset_t all, before;
    uint32_t error = WASI_OK;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (;;) {
        if (lucet_vmctx_stop_requested(vmctx)) {
            error = WASI_EINTR;
            break;
        }
        struct timespec left = until(deadline);
        wasi_unlock(vmctx);
        *ready = ppoll(fds, count, deadline == UINT64_MAX ? NULL : &left, &before);
        const int reason = errno;
        wasi_lock(vmctx);
        errno = reason;
        if (*ready >= 0) {
            break;
        }
        if (errno != EINTR) {
            error = wasi_errno_from_host(errno);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

uint32_t wasi_wait(struct lucet_vmctx *vmctx, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int ready;
    return wasi_poll(vmctx, &p, 1, UINT64_MAX, &ready);
}

void wasi_quiet_begin(struct wasi_quiet *q, int signo)
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, signo);
    q->signo = signo;
    pthread_sigmask(SIG_BLOCK, &set, &q->before);
    /* One that was waiting before is the host's, and stays. Only a blocked signal can wait. */
    q->had_pending =
        sigismember(&q->before, signo) && sigpending(&pending) == 0 && sigismember(&pending, signo);
}

void wasi_quiet_end(struct wasi_quiet *q, bool failed)
{
    int saved = errno;
    if (failed && !q->had_pending) {
        const struct timespec none = {0};
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, q->signo);
        sigtimedwait(&set, NULL, &none);
    }
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
    errno = saved;
}
