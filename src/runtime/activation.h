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

#include "lucet/types.h"
#include "module/abi.h"

#define LUCET__FRAMES_INNER 48u
#define LUCET__FRAMES_OUTER 16u
#define LUCET__FRAMES (LUCET__FRAMES_INNER + LUCET__FRAMES_OUTER)

enum outcome {
    OUTCOME_RETURNED,
    OUTCOME_FAULTED,
    OUTCOME_TERMINATED,
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
    const void *entry; /* void (ctx, nest callee, argv) */
    const void *callee;
    void *argv;

    struct activation *outer;
    struct lucet_instance *instance; /* the one that was entered */
    uint8_t *stack_low, *stack_high; /* of the guest stack in use */
    size_t stack_guard;
    uint64_t deadline; /* CLOCK_MONOTONIC nanoseconds, 0 = none */

    enum outcome outcome;
    enum lucet_trapcode trapcode;
    enum lucet_terminated_reason reason;
    bool fatal;
    void *provided;
    uintptr_t pc, fault_addr;
    struct trace *trace; /* the instance's */
};

LUCET_STATIC_OFFSET(activation, host_sp, 32);
LUCET_STATIC_OFFSET(activation, guest_sp, 40);
LUCET_STATIC_OFFSET(activation, entry, 48);
LUCET_STATIC_OFFSET(activation, callee, 56);
LUCET_STATIC_OFFSET(activation, argv, 64);

/* Per thread. Reached by signal handlers and by enter.S, hence the initial-exec model. */
struct thread {
    struct activation *current;  /* the innermost */
    struct lucet_activation abi; /* its values, which compiled code reads and writes */
    struct thread *next, *prev;  /* all threads that ever ran a guest and live */
    void *signal_stack;          /* ours, NULL when the thread has one of its own */
    size_t signal_stack_size;
    void *timer; /* timer_t */
    int tid;
    bool ready, have_timer, armed;
};
LUCET_STATIC_OFFSET(thread, current, 0);
LUCET_STATIC_OFFSET(thread, abi, 8);

extern _Thread_local struct thread lucet__thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* enter.S: switches to the guest stack, clears all registers, calls entry(ctx, callee, argv);
 * returns when that returns or when lucet__leave() is reached. */
void lucet__enter(struct activation *act);
/* Ends the thread's current activation: restores its host stack and registers, so that its
 * lucet__enter() returns. Handlers jump here too. */
LUCET_NORETURN void lucet__leave(void);
/* From here to lucet__enter_end the guest counts as running though its code is not reached yet. */
extern const char lucet__enter_begin[], lucet__enter_end[];
/* 0 = SSE, 1 = AVX, 2 = AVX-512: which registers there are to clear. */
extern uint8_t lucet__vector_level;

/* Prepares the calling thread for running guests: alternate signal stack, signal mask, timer.
 * no_memory. */
enum lucet_error lucet__thread_prepare(size_t signal_stack_size);
/* True when any thread is inside lucet__enter(). */
bool lucet__threads_running(void);

#endif
