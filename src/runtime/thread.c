/* What a thread needs before it can run guests: an alternate stack for signal handlers, which must
 * not run on a guest's; unblocked signals; a timer. Made at its first run, gone with the thread. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/activation.h"
#include "runtime/dirty.h"
#include "runtime/error.h"
#include "runtime/gs.h"
#include "runtime/ranges.h"
#include "runtime/signals.h"
#include "runtime/sizes.h"
#include "runtime/slice.h"
#include "runtime/stop.h"
#include "runtime/timeout.h"
#include "runtime/tsan.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* Beyond the kernel's frame: our handlers, and handlers we pass a signal on to. */
#define HANDLER_ROOM (UINT64_C(48) << 10)

/* What calls by handle touch is one line of the cache. */
_Thread_local struct thread lucet__thread __attribute__((aligned(64))) = {.bound = LUCET__UNBOUND};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct thread *threads; /* by next and prev */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t at_exit;
static bool have_key;

static void thread_gone(void *p)
{
    struct thread *t = p;
    stack_t now;

    pthread_mutex_lock(&mutex);
    if (t->prev)
        t->prev->next = t->next;
    else
        threads = t->next;
    if (t->next)
        t->next->prev = t->prev;
    pthread_mutex_unlock(&mutex);
    lucet__timer_release(t);
    lucet__slices_release(t);
    if (t->signal_stack && sigaltstack(NULL, &now) == 0) {
        if (now.ss_sp == (char *)t->signal_stack + LUCET__PAGE)
            sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
        munmap(t->signal_stack, t->signal_stack_size + LUCET__PAGE);
    }
    t->signal_stack = NULL;
    t->ready = false;
    t->bound = LUCET__UNBOUND;
    lucet__gs_forget(t);
    lucet__tsan_thread_gone();
}

/* A fork leaves only the thread that made it, and none of its timers. */
static void in_child(void)
{
    struct thread *t = &lucet__thread;

    pthread_mutex_init(&mutex, NULL);
    t->next = t->prev = NULL;
    threads = t->ready ? t : NULL;
    t->have_timer = t->armed = t->have_slice_timer = false;
    t->slice_timer_at = 0;
    t->tid = (int)syscall(SYS_gettid);
    lucet__deadline_in_child(t);
    lucet__stop_prepare();
}

static void make_key(void)
{
    pthread_atfork(NULL, NULL, in_child);
    have_key = pthread_key_create(&at_exit, thread_gone) == 0;
}

/* Uses the thread's own alternate stack when it is large enough. */
static enum lucet_error make_signal_stack(struct thread *t, size_t wanted)
{
    uint64_t frame = getauxval(AT_MINSIGSTKSZ);
    uint64_t least = (frame ? frame : 4096) + (UINT64_C(8) << 10);
    uint64_t size = round_up((frame ? frame : 4096) + HANDLER_ROOM, LUCET__PAGE);
    stack_t now;

    t->signal_stack_least = least;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE) && now.ss_size >= least)
        return lucet_error_ok;
    size = size < wanted ? round_up(wanted, LUCET__PAGE) : size;
    /* Its lowest page stays inaccessible. */
    void *p = mmap(NULL, size + LUCET__PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a signal stack");
    stack_t ours = {.ss_sp = (char *)p + LUCET__PAGE, .ss_size = size};
    if (mprotect(ours.ss_sp, size, PROT_READ | PROT_WRITE) != 0 || sigaltstack(&ours, NULL) != 0) {
        munmap(p, size + LUCET__PAGE);
        return lucet__fail_errno(lucet_error_no_memory, "cannot make a signal stack");
    }
    t->signal_stack = p;
    t->signal_stack_size = size;
    return lucet_error_ok;
}

/* A blocked fault kills the process, a blocked stop signal never stops a guest. */
static void unblock_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGBUS);
    sigaddset(&set, SIGILL);
    sigaddset(&set, SIGFPE);
    sigaddset(&set, lucet__stop_signal());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* It has what the thread that made it had: where that is a guest's, it was left there, and is no
 * host's. */
static void look_at_gs(struct thread *t)
{
    const uint64_t now = machine_get_gs();

    if (lucet__range_find(&lucet__region_ranges, now))
        t->gs = now;
}

enum lucet_error lucet__thread_prepare(size_t signal_stack_size)
{
    struct thread *t = &lucet__thread;
    enum lucet_error e;

    if (t->ready)
        return lucet_error_ok;
    pthread_once(&once, make_key);
    if (!have_key)
        return lucet__fail(lucet_error_no_memory, "no more thread-specific keys");
    e = make_signal_stack(t, signal_stack_size);
    if (e != lucet_error_ok)
        return e;
    if (pthread_setspecific(at_exit, t) != 0)
        return lucet__no_memory();
    t->tid = (int)syscall(SYS_gettid);
    unblock_signals();
    pthread_mutex_lock(&mutex);
    t->prev = NULL;
    t->next = threads;
    if (threads)
        threads->prev = t;
    threads = t;
    pthread_mutex_unlock(&mutex);
    look_at_gs(t);
    lucet__guest_frame_set(&t->abi, t); /* not in guest code */
    t->own_abi = &t->abi;
    t->ready = true;
    lucet__timer_prepare(t); /* without it, runs with a time limit fail */
    lucet__dirty_prepare();  /* who forbids opening files from now on has it open */
    return lucet_error_ok;
}

void lucet__threads_each(void (*visit)(struct thread *t, void *arg), void *arg)
{
    pthread_mutex_lock(&mutex);
    for (struct thread *t = threads; t; t = t->next)
        visit(t, arg);
    pthread_mutex_unlock(&mutex);
}

static void note_running(struct thread *t, void *running)
{
    *(bool *)running |= __atomic_load_n(&t->current, __ATOMIC_ACQUIRE) != NULL;
}

bool lucet__threads_running(void)
{
    bool running = false;

    lucet__threads_each(note_running, &running);
    return running;
}

enum lucet_error lucet_thread_attach(size_t signal_stack_size)
{
    lucet__clear_error();
    return lucet__thread_prepare(signal_stack_size);
}

enum lucet_error lucet_thread_detach(void)
{
    struct thread *t = &lucet__thread;

    lucet__clear_error();
    if (t->current)
        return lucet__fail(lucet_error_instance_not_returned, "this thread is running a guest");
    if (t->ready) {
        pthread_setspecific(at_exit, NULL);
        thread_gone(t);
    }
    return lucet_error_ok;
}
