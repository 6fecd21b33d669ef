/* What differs between processors: the segment base, and registers in a signal's context. */
#ifndef LUCET_RUNTIME_MACHINE_H
#define LUCET_RUNTIME_MACHINE_H

#include <asm/prctl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "runtime/activation.h"

extern bool lucet__have_fsgsbase;
/* Sets this and what enter.S needs to know of the processor. */
void machine_look(void);

/* By number: where a component of XSAVE is in the standard format. Size 0: there is none. */
extern struct xsave_component {
    uint32_t offset, size;
} lucet__xsave_components[63];
extern uint32_t lucet__xsave_largest;       /* in the standard format, of all that are enabled */
extern uint32_t lucet__xsave_standard_size; /* of those that guests have */
#define LUCET__XSAVE_RIGHTS 9u              /* PKRU: rights by memory keys */

/* Where that component exists. */
static inline uint32_t machine_rights(void)
{
    uint32_t rights, unused;

    __asm__ volatile("rdpkru" : "=a"(rights), "=d"(unused) : "c"(0));
    return rights;
}

#define MACHINE_X87 1u /* its component */

/* x87 alone, out of what XSAVE or the kernel has saved. */
static inline void machine_load_x87(const uint8_t *image)
{
    __asm__ volatile("xrstor64 %0" ::"m"(*image), "a"(MACHINE_X87), "d"(0) : "memory");
}

static __attribute__((noinline, unused)) uint64_t machine_ask_gs(void)
{
    uint64_t base = 0;

    syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
    return base;
}

static inline uint64_t machine_get_gs(void)
{
    uint64_t base;

    if (__builtin_expect(!lucet__have_fsgsbase, 0))
        return machine_ask_gs();
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

static inline void machine_set_gs(uint64_t base)
{
    if (lucet__have_fsgsbase)
        __asm__ volatile("wrgsbase %0" ::"r"(base) : "memory");
    else
        syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}

static inline uintptr_t machine_pc(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
}

static inline uintptr_t machine_sp(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.gregs[REG_RSP];
}

/* The register that stack probes use as frame address. */
static inline uintptr_t machine_probe_register(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.gregs[REG_R11];
}

/* Makes the interrupted code go on at `pc` with stack `sp`. */
static inline void machine_redirect(ucontext_t *u, const void *pc, const void *sp)
{
    u->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)pc;
    u->uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)sp;
}

/* The general registers of the interrupted code; the others are still in the processor when it goes
 * on. */
static inline void machine_save_general(const ucontext_t *u, struct registers *out)
{
    _Static_assert(REG_R8 == 0 && REG_RDI == 8 && REG_RSP == 15 && REG_RIP == 16 && REG_EFL == 17,
                   "the order that enter.S knows");
    memcpy(out->general, u->uc_mcontext.gregs, 18 * sizeof(out->general[0]));
}

static inline uintptr_t machine_saved_pc(const struct registers *r)
{
    return r->general[REG_RIP];
}

static inline uintptr_t machine_saved_sp(const struct registers *r)
{
    return r->general[REG_RSP];
}

/* The same as machine_redirect(), for code that needs a pointer and flags as C has them. */
static inline void machine_redirect_to_stub(ucontext_t *u, const void *pc, const void *sp,
                                            void *arg)
{
    machine_redirect(u, pc, sp);
    u->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)arg;
    u->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x40500; /* alignment check, direction, trap */
}

/* In a signal handler: the kernel called it, and nobody to whom it would return. What it returns to
 * says so as it does to unwinders: `mov $15,%rax; syscall`. */
#define machine_called_by_kernel() machine_is_sigreturn(__builtin_return_address(0))

static inline bool machine_is_sigreturn(const void *code)
{
    static const uint8_t sigreturn[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};

    return memcmp(code, sigreturn, sizeof(sigreturn)) == 0;
}

/* The trap code in the instruction at `pc` of `left` readable bytes: `ud1l code(%eax),%eax`.
 * 0 = another instruction. */
static inline unsigned machine_trap_code(const uint8_t *pc, uint64_t left)
{
    static const uint8_t ud1[4] = {0x67, 0x0f, 0xb9, 0x40};

    return left >= 5 && memcmp(pc, ud1, sizeof(ud1)) == 0 ? pc[4] : 0;
}

#endif
