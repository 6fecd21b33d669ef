/* See tsan.h. Nothing here may be watched itself. */
#include "runtime/tsan.h"

#ifdef LUCET_TSAN

#include <elf.h>
#include <link.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "runtime/stop.h"
#include "runtime/x86_64/machine.h"

#define UNWATCHED __attribute__((no_sanitize("thread"), noinline))
#define LATER 20000 /* nanoseconds */

extern void __tsan_read8(void *);

static uintptr_t library_start, library_end;

UNWATCHED static int look(struct dl_phdr_info *info, size_t size, void *unused)
{
    const uintptr_t within = (uintptr_t)__tsan_read8;

    (void)size, (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const uintptr_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && within - start < p->p_memsz) {
            library_start = start;
            library_end = start + p->p_memsz;
        }
    }
    return 0;
}

/* It must be a library of its own, as it is with -shared-libsan: otherwise our code would lie there
 * too. */
__attribute__((constructor)) UNWATCHED static void find_library(void)
{
    dl_iterate_phdr(look, NULL);
    if ((uintptr_t)find_library - library_start < library_end - library_start)
        __builtin_trap();
}

static _Thread_local int timer __attribute__((tls_model("initial-exec")));
static _Thread_local bool made __attribute__((tls_model("initial-exec")));
static _Thread_local bool gone __attribute__((tls_model("initial-exec")));

UNWATCHED static void come_again(int sig)
{
    struct itimerspec when = {.it_value.tv_nsec = LATER};

    if (!made) {
        struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                                 .sigev_signo = sig,
                                 .sigev_value.sival_ptr = (void *)(uintptr_t)&lucet__thread_mark};
        event._sigev_un._tid = (int)syscall(SYS_gettid);
        if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0)
            __builtin_trap();
        made = true;
    }
    syscall(SYS_timer_settime, timer, 0, &when, NULL);
}

UNWATCHED bool lucet__tsan_postpone(int sig, const void *context)
{
    const ucontext_t *u = context;
    const uintptr_t pc = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];

    if (gone)
        return true;
    if (pc < library_start || pc >= library_end)
        return false;
    come_again(sig);
    return true;
}

/* A signal of the timer's that is on its way still comes. */
UNWATCHED void lucet__tsan_thread_gone(void)
{
    gone = true;
    if (made)
        syscall(SYS_timer_delete, timer);
    made = false;
}

#endif
