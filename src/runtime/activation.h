/* A run of guest code on a thread: the host's registers to come back to, and how it ended.
 *
 * Activations of a thread form a chain, innermost first: a host function, which runs on the stack
 * of the guest that called it, may run another instance or the same one again. They live in the
 * frame of the function that runs the guest. Signal handlers walk the chain, on the same thread.
 *
 * What compiled code sees of it (struct lucet_activation) stands once per thread, so that the
 * pointers to it in contexts never dangle, whichever way a nested run ends. While an inner
 * activation runs, the outer one's values are kept in the outer one. */
#ifndef LUCET_RUNTIME_ACTIVATION_H
#define LUCET_RUNTIME_ACTIVATION_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "lucet/types.h"
#include "module/abi.h"

#define LUCET__FRAMES_INNER 48u
#define LUCET__FRAMES_OUTER 16u
#define LUCET__FRAMES (LUCET__FRAMES_INNER + LUCET__FRAMES_OUTER)

enum outcome {
    OUTCOME_RETURNED,
    OUTCOME_FAULTED,
    OUTCOME_TERMINATED,
    OUTCOME_YIELDED, /* the instance's `suspended` says how it goes on */
    OUTCOME_THREW,
};

/* Program counters of a guest's frames, innermost first; collected by code that must be safe in
 * a signal handler, so without allocation. */
struct trace {
    uintptr_t pcs[LUCET__FRAMES];
    uint32_t count;
    bool truncated; /* frames between the inner and the outer ones are missing */
    bool from_call; /* the innermost one is a return address too */
};

struct activation {
    struct lucet_activation abi; /* its values while an inner one runs */

    /* Written and read by enter.S at these offsets. */
    void *host_sp;
    void *guest_sp;    /* 16-byte aligned; NULL: go on below the caller's frame */
    const void *entry; /* void (ctx, nest callee, cell) */
    const void *callee;
    void *cell;  /* where the address of the values stands; of a resumed run: what lucet__suspend()
                   returns, or its registers */
    uint64_t gs; /* of calls by handle, see gs.h */
    union {
        struct {
            enum outcome outcome;
            uint32_t
                odd; /* not 0: something happened that the quick end of a run does not look at */
        };
        uint64_t not_plain; /* both */
    };
    const void *return_to; /* where lucet__leave() goes; NULL: lucet__enter() returns */

    struct activation *outer;
    struct lucet_instance *instance; /* the one that was entered */
    uint8_t *stack_low, *stack_high; /* of the guest stack in use */
    size_t stack_guard;
    uint64_t deadline;  /* CLOCK_MONOTONIC nanoseconds, 0 = none */
    uint64_t slice;     /* its time slice in nanoseconds, LUCET_SLICE_..., 0 = none */
    uint64_t slice_end; /* CLOCK_MONOTONIC nanoseconds, 0 = no timer ends it */

    enum lucet_trapcode trapcode;
    enum lucet_terminated_reason reason;
    bool fatal;
    void *provided;
    uintptr_t pc, fault_addr;
    struct trace *trace; /* the instance's */

    struct lucet_vmctx *begun; /* where the run began */
    struct lucet_vmctx *left; /* where the exception comes from that goes to another instance now */
    /* Each with a reference. */
    struct lucet_exception *throwing; /* by the host function that is running, when it returns */
    struct lucet_exception *passing;  /* on its way where its tag is not known */
    struct lucet_exception *thrown;   /* OUTCOME_THREW: this */
};

LUCET_STATIC_OFFSET(activation, host_sp, 40);
LUCET_STATIC_OFFSET(activation, guest_sp, 48);
LUCET_STATIC_OFFSET(activation, entry, 56);
LUCET_STATIC_OFFSET(activation, callee, 64);
LUCET_STATIC_OFFSET(activation, cell, 72);
LUCET_STATIC_OFFSET(activation, gs, 80);
LUCET_STATIC_OFFSET(activation, not_plain, 88);
LUCET_STATIC_OFFSET(activation, return_to, 96);

/* Per thread. Reached by signal handlers and by enter.S, hence the initial-exec model. */
struct thread {
    struct activation *current;       /* the innermost */
    struct lucet_activation abi;      /* its values, which compiled code reads and writes */
    struct lucet_activation *own_abi; /* the address of `abi`, once the thread is ready */
    /* Whose calls by handle find `abi`, gs and, if it names this thread, their stop as they need
     * them: set while nothing runs, and taken back by every run that is not such a call, or does
     * not simply return, or does not begin. Only compared: it may be gone and another in its place,
     * but that one's stop names nobody, or has waited in the same slot. LUCET__UNBOUND:
     * nobody's. */
    const struct lucet_instance *bound;
    uint64_t gs;                /* what was left in it, see gs.h */
    struct thread *next, *prev; /* all threads that ever ran a guest and live */
    void *signal_stack;         /* ours, NULL when the thread has one of its own */
    size_t signal_stack_size;
    size_t signal_stack_least; /* what a signal must have left of it */
    uint32_t *waiting;         /* wait.c: what it sleeps on, else NULL */
    void *timer, *slice_timer; /* timer_t */
    uint64_t slice_timer_at;   /* when it fires, 0 = never */
    uint32_t slice_again;      /* nanoseconds until it does when a slice cannot end yet */
    _Atomic uint64_t deadline; /* of its runs, for lucet_expire_timeouts(): see timeout.c */
    int tid;
    bool ready, have_timer, armed, have_slice_timer;
};
LUCET_STATIC_OFFSET(thread, current, 0);
LUCET_STATIC_OFFSET(thread, abi, 8);
LUCET_STATIC_OFFSET(thread, own_abi, 48);
LUCET_STATIC_OFFSET(thread, bound, 56);

/* No instance, and not NULL. */
#define LUCET__UNBOUND ((const struct lucet_instance *)&lucet__thread_mark)
extern const char lucet__thread_mark; /* its address marks signals of ours, too */

extern _Thread_local struct thread lucet__thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The thread that an activation's values belong to. After a run was put aside, builtins find it by
 * their context's `activation` only: the address of lucet__thread may be one kept from before. */
static inline struct thread *lucet__activation_thread(const struct lucet_activation *abi)
{
    return (struct thread *)((uintptr_t)abi - offsetof(struct thread, abi));
}

/* Killers on other threads read it. */
static inline void lucet__guest_frame_set(struct lucet_activation *abi, void *frame)
{
    __atomic_store_n(&abi->guest_frame, frame, __ATOMIC_RELAXED);
}

/* Makes it what it was before an inner run. */
static inline void lucet__activation_restore(struct lucet_activation *abi,
                                             const struct lucet_activation *kept)
{
    abi->hostcall_limit = kept->hostcall_limit;
    abi->ctx = kept->ctx;
    abi->pending = kept->pending;
    abi->catcher = kept->catcher;
    lucet__guest_frame_set(abi, kept->guest_frame);
}

/* pthread_self() without a call into the C library. */
static inline pthread_t lucet__self(void)
{
#if defined(__GLIBC__)
    return (pthread_t)__builtin_thread_pointer();
#else
    return pthread_self();
#endif
}

/* enter.S: switches to the guest stack, clears all registers, calls entry(ctx, callee, cell);
 * returns when that returns or when lucet__leave() is reached. */
void lucet__enter(struct activation *act);
/* quick.S. From here to lucet__quick_end the guest counts as running though its code is not reached
 * yet. */
extern const char lucet__quick_begin[], lucet__quick_end[], lucet__quick_left[];
extern const char lucet__closed_begin[], lucet__closed_end[]; /* the same, of closed functions */
/* The instruction that may fault, because gs may be anything, and where it goes on then. */
extern const char lucet__gs_probe[], lucet__gs_unknown[];
/* Ends the thread's current activation: restores its host stack and registers, so that its
 * lucet__enter() returns. Handlers jump here too. */
LUCET_NORETURN void lucet__leave(void);
/* The same for functions of the host. */
LUCET_NORETURN void lucet__leave_host(void);
/* Puts the host function that called it, on a guest's stack, aside for lucet__resume(): stores
 * where to *sp and ends the current activation. Returns the resumed activation's `cell`, on
 * whichever thread that is: addresses of thread-local variables taken before are another
 * thread's. */
void *lucet__suspend(void **sp);
/* Like lucet__enter() for a guest that was suspended, act->guest_sp saying where; it is in the host
 * function. */
void lucet__resume(struct activation *act);
/* Like lucet__enter() for a guest that was preempted: act->cell has its registers; act->guest_sp is
 * NULL, or where eight bytes directly below the guest's red zone may be written. */
void lucet__continue(struct activation *act);
/* Where handlers send a preempted guest, on its host's stack: rdi = struct registers *. */
extern const char lucet__preempted[];
/* In a signal handler, instead of returning to lucet__leave(): with the signal mask *mask, for the
 * thread's current activation. Returns when the mask cannot be set. */
void lucet__leave_handler(const sigset_t *mask);
/* From here to lucet__continue_end the guest counts as running. */
extern const char lucet__continue_begin[], lucet__continue_end[];

/* From here to lucet__enter_end the guest counts as running though its code is not reached yet. */
extern const char lucet__enter_begin[], lucet__enter_end[];
/* So far after these ends some steps may be taken on the guest's stack. */
extern const char lucet__enter_left[], lucet__quick_came_back[], lucet__closed_came_back[];
/* 0 = SSE, 1 = AVX, 2 = AVX-512: which registers there are to clear. */
extern uint8_t lucet__vector_level;
/* How the vector registers are saved: by 0 = FXSAVE, 1 = XSAVE, 2 = XSAVEC; which of them; in how
 * many bytes. */
extern uint8_t lucet__xsave_kind;
extern uint64_t lucet__xsave_mask;
extern uint32_t lucet__xsave_size;

#define LUCET__RED_ZONE 128u /* bytes below a guest's stack pointer that are its own */

/* All registers of a preempted guest. */
struct registers {
    uint64_t general[24]; /* as in a signal's context, and room; see enter.S */
    uint8_t vectors[] __attribute__((aligned(64)));
};
LUCET_STATIC_OFFSET(registers, vectors, 192);

enum {
    LUCET__PENDING_STOP = 1,
    LUCET__PENDING_PREEMPT = 2,
    LUCET__PENDING_THROW = 4
}; /* bits of lucet_activation.pending */

/* Prepares the calling thread for running guests: alternate signal stack, signal mask, timer.
 * no_memory. */
enum lucet_error lucet__thread_prepare(size_t signal_stack_size);
/* True when any thread is inside lucet__enter(). */
bool lucet__threads_running(void);
/* `visit` for every thread that is ready, none of which goes away meanwhile. */
void lucet__threads_each(void (*visit)(struct thread *t, void *arg), void *arg);

#endif
