/* memory.atomic.wait and notify. Every shared memory has a list of its own of those who wait, in
 * the order in which they came: tenants never meet in a queue, and an address can only mean a place
 * in that memory. Nobody sleeps on a word of the guest's: each waiter has a word on its own stack,
 * which notifiers and stop requests change, so that a kill switch or a time limit ends a wait at
 * once. */
#include "runtime/wait.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/activation.h"
#include "runtime/builtins.h"
#include "runtime/fault.h"
#include "runtime/memory.h"
#include "runtime/timeout.h"

enum { NOTIFIED = 1, STOP = 2 };

struct waiter {
    struct waiter *next, *prev;
    uint64_t address;
    /* Set of what has happened; 0 = sleep. Notifiers change it with the memory's mutex held, which
     * the waiter takes before it goes away. */
    uint32_t word;
};

static void append(struct shared_memory *s, struct waiter *w)
{
    w->next = NULL;
    w->prev = s->last;
    *(s->last ? &s->last->next : &s->first) = w;
    s->last = w;
}

static void unlink_waiter(struct shared_memory *s, struct waiter *w)
{
    *(w->prev ? &w->prev->next : &s->first) = w->next;
    *(w->next ? &w->next->prev : &s->last) = w->prev;
}

/* Until the word is not 0 or `deadline` has come: false. Signals end it early. */
static bool sleep_on(uint32_t *word, const struct timespec *deadline)
{
    return syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, 0, deadline, NULL,
                   FUTEX_BITSET_MATCH_ANY) == 0 ||
           errno != ETIMEDOUT;
}

void lucet__wait_stop(struct thread *t)
{
    if (t->waiting)
        __atomic_or_fetch(t->waiting, STOP, __ATOMIC_SEQ_CST);
}

/* True: notified. False: `deadline` has come, or the run is to end. */
static bool wait_for_notice(struct waiter *w, const struct timespec *deadline)
{
    for (;;) {
        const uint32_t happened = __atomic_load_n(&w->word, __ATOMIC_SEQ_CST);
        if (happened & NOTIFIED)
            return true;
        if (happened & STOP) /* it may be meant for a run further out */
            __atomic_and_fetch(&w->word, ~(uint32_t)STOP, __ATOMIC_SEQ_CST);
        if (lucet__stop_pending())
            return false;
        if (!sleep_on(&w->word, deadline))
            return false;
    }
}

static bool as_expected(const uint8_t *at, unsigned width, uint64_t expected)
{
    return width == 4
               ? __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_SEQ_CST) ==
                     (uint32_t)expected
               : __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_SEQ_CST) == expected;
}

static struct timespec after(uint64_t ns)
{
    const uint64_t now = lucet__now();
    const uint64_t end = ns > (uint64_t)INT64_MAX - now ? (uint64_t)INT64_MAX : now + ns;

    return (struct timespec){.tv_sec = (time_t)(end / 1000000000u),
                             .tv_nsec = (long)(end % 1000000000u)};
}

static void check(struct lucet_vmctx *ctx, const struct lucet_memory *m, uint64_t address,
                  unsigned width)
{
    const uint64_t size = lucet__memory_size(m);

    if (address % width)
        lucet__trap(ctx, lucet_trapcode_heap_misaligned);
    if (address > size || width > size - address)
        lucet__trap(ctx, lucet_trapcode_heap_out_of_bounds);
}

uint32_t lucet__memory_wait(struct lucet_vmctx *ctx, struct lucet_memory *m, uint64_t address,
                            unsigned width, uint64_t expected, int64_t timeout)
{
    struct shared_memory *s = ((struct memory *)m->owner)->shared;
    struct thread *t = lucet__activation_thread(ctx->activation);
    struct waiter w = {.address = address};
    struct timespec deadline = {0};

    check(ctx, m, address, width);
    if (!s)
        lucet__trap(ctx, lucet_trapcode_unshared_wait);
    if (timeout >= 0)
        deadline = after((uint64_t)timeout);
    pthread_mutex_lock(&s->mutex);
    if (!as_expected(m->base + address, width, expected)) {
        pthread_mutex_unlock(&s->mutex);
        return 1;
    }
    append(s, &w);
    pthread_mutex_unlock(&s->mutex);
    t->waiting = &w.word;
    atomic_signal_fence(memory_order_seq_cst);
    wait_for_notice(&w, timeout < 0 ? NULL : &deadline);
    t->waiting = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    pthread_mutex_lock(&s->mutex);
    const bool notified = w.word & NOTIFIED;
    if (!notified)
        unlink_waiter(s, &w);
    pthread_mutex_unlock(&s->mutex);
    lucet__poll(ctx);
    return notified ? 0 : 2;
}

uint32_t lucet__memory_notify(struct lucet_vmctx *ctx, struct lucet_memory *m, uint64_t address,
                              uint32_t count)
{
    struct shared_memory *s = ((struct memory *)m->owner)->shared;
    uint32_t woken = 0;

    check(ctx, m, address, 4);
    if (!s)
        return 0;
    pthread_mutex_lock(&s->mutex);
    for (struct waiter *w = s->first, *next; w && woken < count; w = next) {
        next = w->next;
        if (w->address != address)
            continue;
        unlink_waiter(s, w);
        __atomic_or_fetch(&w->word, NOTIFIED, __ATOMIC_SEQ_CST);
        syscall(SYS_futex, &w->word, FUTEX_WAKE_PRIVATE, 1);
        woken++;
    }
    pthread_mutex_unlock(&s->mutex);
    return woken;
}
