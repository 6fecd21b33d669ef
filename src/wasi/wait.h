/* Waiting in host calls without becoming deaf to kill switches and time limits, and operations
 * whose signals must not reach the host. */
#ifndef LUCET_WASI_WAIT_H
#define LUCET_WASI_WAIT_H

#include "lucet/lucet.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

/* poll() until a descriptor is ready or `deadline` (monotonic clock, ns; UINT64_MAX = never)
 * passes. *ready gets the number of ready descriptors. INTR as soon as the guest is to stop. */
uint32_t wasi_poll(struct lucet_vmctx *vmctx, struct pollfd *fds, nfds_t count, uint64_t deadline,
                   int *ready);

/* Waits for one descriptor: 0, or INTR. */
uint32_t wasi_wait(struct lucet_vmctx *vmctx, int fd, short events);

/* Keeps `signo` (SIGPIPE, SIGXFSZ) from a host whose disposition we do not know: a guest that
 * writes to a closed pipe must not kill the server. */
struct wasi_quiet {
    int signo;
    bool had_pending;
    sigset_t before;
};
void wasi_quiet_begin(struct wasi_quiet *q, int signo);
/* `failed`: the operation may have raised the signal; it is taken away. errno is kept. */
void wasi_quiet_end(struct wasi_quiet *q, bool failed);

uint64_t wasi_monotonic_now(void);

#endif
