/* What a guest finds in registers and flags when it begins, and what the host finds in its own
 * afterwards: the way in and out is tried with functions in assembly instead of guests. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lucet/lucet.h"
#include "runtime/activation.h"
#include "runtime/sizes.h"
#include "runtime/x86_64/machine.h"
#include "runtime/x86_64/signal_frame.h"

/* Entered like a guest's entry; stores what it finds to argv, spoils everything, and returns or
 * leaves. Offsets: 0 the sixteen integer registers, 128 mxcsr, 132 x87 control word, 136 flags,
 * 144 gs base, 192 zmm0..31, 2240 k0..7. */
struct seen {
    uint64_t integers[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8 .. r15 */
    uint32_t mxcsr;
    uint16_t x87, filler;
    uint64_t flags, gs, filler2[5];
    uint8_t zmm[32][64];
    uint64_t k[8];
} __attribute__((aligned(64)));

extern const char look_and_return[], look_and_leave[];
extern uint8_t look_avx512;

__asm__(".pushsection .text\n"
        "look_and_leave: push $1\n jmp 1f\n"
        "look_and_return: push $0\n"
        "1: mov %rax,0(%rdi)\n mov %rbx,8(%rdi)\n mov %rcx,16(%rdi)\n mov %rdx,24(%rdi)\n"
        "mov %rsi,32(%rdi)\n mov %rdi,40(%rdi)\n mov %rbp,48(%rdi)\n mov %rsp,56(%rdi)\n"
        "mov %r8,64(%rdi)\n mov %r9,72(%rdi)\n mov %r10,80(%rdi)\n mov %r11,88(%rdi)\n"
        "mov %r12,96(%rdi)\n mov %r13,104(%rdi)\n mov %r14,112(%rdi)\n mov %r15,120(%rdi)\n"
        "stmxcsr 128(%rdi)\n fnstcw 132(%rdi)\n pushfq\n pop 136(%rdi)\n"
        "cmpb $0,look_avx512(%rip)\n je 2f\n"
        "vmovups %zmm0,192(%rdi)\n vmovups %zmm1,256(%rdi)\n vmovups %zmm15,1152(%rdi)\n"
        "vmovups %zmm16,1216(%rdi)\n vmovups %zmm17,1280(%rdi)\n vmovups %zmm31,2176(%rdi)\n"
        "kmovw %k0,%eax\n mov %eax,2240(%rdi)\n kmovw %k1,%eax\n mov %eax,2248(%rdi)\n"
        "kmovw %k7,%eax\n mov %eax,2296(%rdi)\n"
        "2: movups %xmm2,320(%rdi)\n"
        /* spoil what a guest may spoil */
        "mov $-1,%rbx\n mov $-1,%r12\n mov $-1,%r14\n mov $-1,%r15\n mov $-1,%rbp\n"
        "pcmpeqd %xmm0,%xmm0\n"
        "pop %rax\n test %rax,%rax\n jz 3f\n"
        "xor %r13d,%r13d\n mov $0xdead0000,%rsp\n jmp lucet__leave\n" /* as after a fault */
        "3: ret\n"
        ".popsection\n"
        ".pushsection .data\n look_avx512: .byte 0\n .popsection\n");

static uint8_t stack[65536] __attribute__((aligned(64)));

static void enter(const void *entry, struct seen *seen)
{
    static struct lucet_vmctx ctx;
    struct activation act = {.entry = entry,
                             .callee = (const void *)(uintptr_t)0x1111,
                             .cell = seen,
                             .guest_sp = stack + sizeof(stack)};

    look_avx512 = lucet__vector_level == 2;
    lucet__thread.abi = (struct lucet_activation){.ctx = &ctx, .guest_frame = &act};
    lucet__thread.current = &act;
    lucet__enter(&act);
    lucet__thread.current = NULL;
    assert_non_null(lucet__thread.abi.guest_frame);
}

static void only_the_abi_is_in_registers(void **state)
{
    static struct seen seen;
    static const unsigned clear[] = {0, 1, 2, 3, 4, 6, 8, 9, 12, 14, 15};

    (void)state;
    for (int round = 0; round < 2; round++) {
        memset(&seen, 0xa5, sizeof(seen));
        if (lucet__vector_level == 2) /* host values that must not be seen */
            __asm__ volatile("mov $0x77,%%eax\n kmovw %%eax,%%k1\n kmovw %%eax,%%k7\n"
                             "vpternlogd $255,%%zmm0,%%zmm0,%%zmm0\n vmovaps %%zmm0,%%zmm1\n"
                             "vmovaps %%zmm0,%%zmm15\n vmovaps %%zmm0,%%zmm16\n"
                             "vmovaps %%zmm0,%%zmm17\n vmovaps %%zmm0,%%zmm31\n"
                             "vmovaps %%zmm0,%%zmm2\n" ::
                                 : "eax", "xmm0", "xmm1", "xmm2", "xmm15");
        else
            __asm__ volatile("pcmpeqd %%xmm2,%%xmm2" ::: "xmm2");
        enter(round ? look_and_leave : look_and_return, &seen);
        for (size_t i = 0; i < sizeof(clear) / sizeof(*clear); i++)
            assert_int_equal(seen.integers[clear[i]], 0);
        assert_int_equal(seen.integers[10], 0x1111); /* r10: the callee */
        assert_true(seen.integers[11] == (uintptr_t)(round ? look_and_leave : look_and_return));
        assert_int_equal(seen.integers[7] % 16, 0); /* a return address and a word below 16n */
        for (size_t i = 0; i < 16; i++)
            assert_int_equal(seen.zmm[2][i], 0);
        if (lucet__vector_level == 2) {
            static const unsigned vectors[] = {0, 1, 15, 16, 17, 31};
            static const uint8_t zero[64];
            for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++)
                assert_memory_equal(seen.zmm[vectors[i]], zero, 64);
            assert_int_equal((uint32_t)seen.k[0] | (uint32_t)seen.k[1] | (uint32_t)seen.k[7], 0);
        }
    }
}

static uint32_t get_mxcsr(void)
{
    uint32_t value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static uint16_t get_x87(void)
{
    uint16_t value;

    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static uint64_t get_flags(void)
{
    uint64_t value;

    __asm__ volatile("pushfq\n pop %0" : "=r"(value));
    return value;
}

static void floating_point_state_and_flags_are_defined_and_restored(void **state)
{
    static struct seen seen;
    const uint32_t mxcsr = 0x7f80, mxcsr_before = get_mxcsr(); /* towards zero */
    const uint16_t x87 = 0x0c7f, x87_before = get_x87();
#ifdef LUCET_SANITIZE /* its code makes unaligned accesses */
    const uint64_t alignment_check = 0;
#else
    const uint64_t alignment_check = 0x40000;
#endif

    (void)state;
    for (int round = 0; round < 2; round++) {
        __asm__ volatile("ldmxcsr %0\n fldcw %1" ::"m"(mxcsr), "m"(x87));
        __asm__ volatile("pushfq\n orq %0,(%%rsp)\n popfq" ::"r"(alignment_check) : "cc");
        enter(round ? look_and_leave : look_and_return, &seen);
        uint64_t flags = get_flags();
        __asm__ volatile("pushfq\n andq %0,(%%rsp)\n popfq" ::"r"(~alignment_check) : "cc");
        uint32_t mxcsr_after = get_mxcsr();
        uint16_t x87_after = get_x87();
        __asm__ volatile("ldmxcsr %0\n fldcw %1" ::"m"(mxcsr_before), "m"(x87_before));
        assert_int_equal(seen.mxcsr, 0x1f80);
        assert_int_equal(seen.x87, 0x037f);
        assert_int_equal(seen.flags & 0x40400, 0);
        assert_int_equal(mxcsr_after, mxcsr);
        assert_int_equal(x87_after, x87);
        assert_int_equal(flags & 0x40400, alignment_check);
    }
}

static void callee_saved_registers_survive(void **state)
{
    static struct seen seen;

    (void)state;
    for (int round = 0; round < 2; round++) {
        register uint64_t rbx __asm__("rbx") = 0x1234;
        register uint64_t r12 __asm__("r12") = 0x5678;
        register uint64_t r15 __asm__("r15") = 0x9abc;
        __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r15));
        enter(round ? look_and_leave : look_and_return, &seen);
        __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r15));
        assert_true(rbx == 0x1234 && r12 == 0x5678 && r15 == 0x9abc);
    }
}

static void a_request_that_came_before_keeps_the_guest_from_running(void **state)
{
    static struct seen seen;
    static struct lucet_vmctx ctx;
    struct activation act = {
        .entry = look_and_return, .cell = &seen, .guest_sp = stack + sizeof(stack)};

    (void)state;
    memset(&seen, 0xa5, sizeof(seen));
    lucet__thread.abi = (struct lucet_activation){.ctx = &ctx, .guest_frame = &act, .pending = 1};
    lucet__thread.current = &act;
    lucet__enter(&act);
    lucet__thread.current = NULL;
    assert_true(seen.mxcsr == 0xa5a5a5a5);
}

/* ---- Preemption ---- */

/* A guest that fills all its registers from `pattern`, is interrupted by an instruction that this
 * test's handler takes for a tick, and then stores what it has to `found`. Below its stack pointer
 * it has data. */
struct all {
    uint64_t integers[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8 .. r15 */
    uint64_t flags, filler[7];
    uint8_t zmm[32][64];
    uint64_t k[8];
    uint64_t red_zone[16];
} __attribute__((aligned(64)));

struct all pattern, found;
extern const char be_interrupted[], interrupted_here[];

/* clang-format off */
#define EACH16(X)                                                                                  \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define EACH_HIGH(X)                                                                               \
    X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define LOAD_XMM(n) "movups pattern+192+64*" #n "(%rip),%xmm" #n "\n"
#define STORE_XMM(n) "movups %xmm" #n ",found+192+64*" #n "(%rip)\n"
#define LOAD_YMM(n) "vmovups pattern+192+64*" #n "(%rip),%ymm" #n "\n"
#define STORE_YMM(n) "vmovups %ymm" #n ",found+192+64*" #n "(%rip)\n"
#define LOAD_ZMM(n) "vmovups pattern+192+64*" #n "(%rip),%zmm" #n "\n"
#define STORE_ZMM(n) "vmovups %zmm" #n ",found+192+64*" #n "(%rip)\n"
#define LOAD_K(n) "kmovq pattern+2240+8*" #n "(%rip),%k" #n "\n"
#define STORE_K(n) "kmovq %k" #n ",found+2240+8*" #n "(%rip)\n"
#define EACH8(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define EACH_INTEGER(X)                                                                            \
    X(rbx, 8)                                                                                      \
    X(rcx, 16)                                                                                     \
    X(rdx, 24)                                                                                     \
    X(rsi, 32)                                                                                     \
    X(rdi, 40) X(rbp, 48) X(r8, 64) X(r9, 72) X(r10, 80) X(r11, 88) X(r12, 96) X(r13, 104)         \
        X(r14, 112) X(r15, 120)
#define LOAD_INTEGER(r, at) "mov pattern+" #at "(%rip),%" #r "\n"
#define STORE_INTEGER(r, at) "mov %" #r ",found+" #at "(%rip)\n"
#define EACH_RED(X)                                                                                \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LOAD_RED(n) "mov pattern+2304+8*" #n "(%rip),%rax\n mov %rax,-128+8*" #n "(%rsp)\n"
#define STORE_RED(n) "mov -128+8*" #n "(%rsp),%rax\n mov %rax,found+2304+8*" #n "(%rip)\n"

__asm__(
    ".pushsection .text\n"
    "be_interrupted: mov %rsp,pattern+56(%rip)\n"
    "cmpb $1,lucet__vector_level(%rip)\n jb 1f\n je 2f\n"
    EACH16(LOAD_ZMM) EACH_HIGH(LOAD_ZMM) EACH8(LOAD_K) "jmp 3f\n"
    "2:" EACH16(LOAD_YMM) "jmp 3f\n"
    "1:" EACH16(LOAD_XMM)
    "3:" EACH_RED(LOAD_RED)
    "sub $256,%rsp\n push pattern+128(%rip)\n popfq\n lea 256(%rsp),%rsp\n"
    EACH_INTEGER(LOAD_INTEGER) "mov pattern(%rip),%rax\n"
    "interrupted_here: ud2\n"
    "mov %rax,found(%rip)\n mov %rsp,found+56(%rip)\n"
    EACH_INTEGER(STORE_INTEGER) EACH_RED(STORE_RED)
    "lea -256(%rsp),%rsp\n pushfq\n pop found+128(%rip)\n lea 256(%rsp),%rsp\n"
    "cmpb $1,lucet__vector_level(%rip)\n jb 1f\n je 2f\n"
    EACH16(STORE_ZMM) EACH_HIGH(STORE_ZMM) EACH8(STORE_K) "ret\n"
    "2:" EACH16(STORE_YMM) "ret\n"
    "1:" EACH16(STORE_XMM) "ret\n"
    ".popsection\n");

/* clang-format on */

static struct registers *saved;
static bool out_of_the_frame;

static void take_for_a_tick(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig, (void)info;
    if (machine_pc(u) != (uintptr_t)interrupted_here)
        abort();
    u->uc_mcontext.gregs[REG_RIP] += 2;
    machine_save_general(u, saved);
    machine_redirect_to_stub(u, lucet__preempted, lucet__thread.current->host_sp, saved);
    if (out_of_the_frame) {
        if (!lucet__signal_frame_vectors(u, saved))
            abort();
        lucet__leave_handler(&u->uc_sigmask);
        abort();
    }
}

static void *below_red_zone(const struct registers *r)
{
    return (void *)(machine_saved_sp(r) - LUCET__RED_ZONE - sizeof(uint64_t));
}

static void spoil_everything(void)
{
    if (lucet__vector_level == 2)
        __asm__ volatile("vpternlogd $255,%%zmm3,%%zmm3,%%zmm3\n vpternlogd $255,%%zmm29,%%zmm29,"
                         "%%zmm29\n kxnorw %%k0,%%k0,%%k4\n" ::
                             : "xmm3");
    __asm__ volatile("pcmpeqd %%xmm7,%%xmm7\n pcmpeqd %%xmm12,%%xmm12" ::: "xmm7", "xmm12");
}

static void fill_pattern(unsigned seed)
{
    uint8_t *bytes = (uint8_t *)&pattern;

    for (size_t i = 0; i < sizeof(pattern); i++)
        bytes[i] = (uint8_t)((i * 2654435761u + seed * 40503u) >> 11);
    pattern.integers[7] = 0;
    pattern.flags =
        0x202 | (seed * 0x155 & 0x8d5); /* carry, parity, adjust, zero, sign, overflow */
    memset(&found, 0, sizeof(found));
}

static void a_preempted_guest_finds_every_register_as_it_was(void **state)
{
    static struct lucet_vmctx ctx;
    const struct sigaction ours = {.sa_sigaction = take_for_a_tick,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK};
    const uint8_t level = lucet__vector_level, kind = lucet__xsave_kind;
    const size_t vectors = level == 2 ? 64 : level == 1 ? 32 : 16;
    struct sigaction before;

    (void)state;
    saved = aligned_alloc(64, round_up(sizeof(*saved) + lucet__xsave_size, 64));
    memset(saved, 0, sizeof(*saved) + lucet__xsave_size);
    assert_int_equal(sigaction(SIGILL, &ours, &before), 0);
    for (unsigned round = 0; round < 600; round++) {
        /* FXSAVE knows the lower halves only. */
        lucet__xsave_kind = kind ? (uint8_t)(1 + round % kind) : 0;
#ifndef LUCET_TSAN /* which waits for handlers to return */
        out_of_the_frame = kind && round % 3 == 0;
#endif
        fill_pattern(round);
        struct activation act = {.entry = be_interrupted, .guest_sp = stack + sizeof(stack)};
        const uint32_t mxcsr = get_mxcsr();
        lucet__thread.abi = (struct lucet_activation){.ctx = &ctx, .guest_frame = &act};
        lucet__thread.current = &act;
        lucet__enter(&act);
        assert_int_equal(found.integers[0], 0); /* it was interrupted */
        assert_int_equal(get_mxcsr(), mxcsr);
        spoil_everything();
        struct activation next = {.cell = saved,
                                  .guest_sp = round & 2 ? below_red_zone(saved) : NULL};
        lucet__thread.current = &next;
        lucet__thread.abi.guest_frame = &next;
        lucet__continue(&next);
        lucet__thread.current = NULL;
        assert_non_null(lucet__thread.abi.guest_frame);
        for (int i = 0; i < 16; i++)
            assert_true(found.integers[i] == pattern.integers[i]);
        assert_int_equal(found.flags & 0xcd5, pattern.flags & 0xcd5);
        for (int i = 0; i < (level == 2 ? 32 : 16); i++)
            assert_memory_equal(found.zmm[i], pattern.zmm[i], vectors);
        if (level == 2)
            assert_memory_equal(found.k, pattern.k, sizeof(found.k));
        assert_memory_equal(found.red_zone, pattern.red_zone, sizeof(found.red_zone));
        memset(saved->vectors, 0, lucet__xsave_size); /* the formats differ */
    }
    lucet__xsave_kind = kind;
    sigaction(SIGILL, &before, NULL);
    free(saved);
}

static void a_request_that_came_before_keeps_it_from_going_on(void **state)
{
    static struct lucet_vmctx ctx;

    (void)state;
    saved = aligned_alloc(64, round_up(sizeof(*saved) + lucet__xsave_size, 64));
    memset(saved, 0, sizeof(*saved) + lucet__xsave_size);
    saved->general[REG_RSP] = (uintptr_t)stack + sizeof(stack);
    for (int way = 0; way < 2; way++) {
        struct activation act = {.cell = saved, .guest_sp = way ? below_red_zone(saved) : NULL};
        lucet__thread.abi = (struct lucet_activation){
            .ctx = &ctx, .guest_frame = &act, .pending = LUCET__PENDING_STOP};
        lucet__thread.current = &act;
        lucet__continue(&act); /* rip is 0 */
        lucet__thread.current = NULL;
    }
    free(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_preempted_guest_finds_every_register_as_it_was),
        cmocka_unit_test(a_request_that_came_before_keeps_it_from_going_on),
        cmocka_unit_test(only_the_abi_is_in_registers),
        cmocka_unit_test(floating_point_state_and_flags_are_defined_and_restored),
        cmocka_unit_test(callee_saved_registers_survive),
        cmocka_unit_test(a_request_that_came_before_keeps_the_guest_from_running),
    };
    lucet_install_signal_handlers(); /* looks at the machine, too */
    lucet_thread_attach(0);          /* a stack for handlers */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
