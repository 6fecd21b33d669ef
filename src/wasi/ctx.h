/* struct lucet_wasi_ctx: everything a guest has been given. */
#ifndef LUCET_WASI_CTX_H
#define LUCET_WASI_CTX_H

#include "lucet/wasi.h"
#include "wasi/fd_table.h"
#include "wasi/terminal.h"

#include <pthread.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
    WASI_PATH_SIZE = 4096, /* longest path + NUL */
    WASI_IOV_MAX = 1024,
    WASI_BUFFER_SIZE = 32768,
};

/* A list of strings as WASI hands them out: count, and bytes with their NULs. */
struct wasi_strings {
    char **item;
    size_t count, capacity;
    uint64_t bytes;
};

/* What all threads of a guest have in common. With threads, `lock` is held while one of them is in
 * a WASI function, but for waiting (wait.c): what has been looked up before a wait must be looked
 * up again. */
struct wasi_process {
    pthread_mutex_t lock;
    struct wasi_threads *threads; /* threads.c; NULL: there is one thread, and no locking */

    struct wasi_strings args, environment;
    struct wasi_fd_table fds;

    /* Of all descriptors that are terminals, since they are likely the same one: a guest could
     * otherwise put a control character together from what is harmless on each. */
    struct wasi_terminal terminal;

    bool exited;
    uint32_t exit_code;

    /* The process has a limit on file sizes: exceeding it would kill the process by SIGXFSZ. */
    bool file_size_limited;
};

/* One thread of a guest. */
struct lucet_wasi_ctx {
    struct wasi_process *process;
    bool is_thread; /* not the first: it does not own `process` */

    /* Processor time is counted from the guest's first question, on whatever thread it runs: what
     * the thread did for others before is not the guest's business. */
    bool cpu_known;
    pid_t cpu_thread;
    uint64_t cpu_base, cpu_before;

    /* Working space. Host functions run on a small reserve of the guest's stack, may be left
     * without unwinding, and never run twice at a time for one thread: so it lives here. */
    char path[2][WASI_PATH_SIZE];
    struct iovec iov[WASI_IOV_MAX];
    _Alignas(16) unsigned char buffer[WASI_BUFFER_SIZE];
};

/* The context of the calling guest. An instance that was created without one ends as terminated
 * (reason provided, NULL). */
struct lucet_wasi_ctx *wasi_ctx(struct lucet_vmctx *vmctx);

/* For embedders: set lucet_error_detail() and return the error. */
enum lucet_error wasi_ok(void);
enum lucet_error wasi_no_memory(void);
enum lucet_error wasi_invalid(const char *what);

/* Around every WASI function that a guest calls, and, in reverse, around waits. */
void wasi_lock(struct lucet_vmctx *vmctx);
void wasi_unlock(struct lucet_vmctx *vmctx);

/* threads.c. Ends all threads, waits for them, and forgets them. */
void wasi_threads_release(struct wasi_process *p);

#endif
