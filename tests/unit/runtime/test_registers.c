/* What a guest finds in registers and flags when it begins, and what the host finds in its own
 * afterwards: the way in and out is tried with functions in assembly instead of guests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/runtime.h"
#include "runtime/x86_64/machine.h"

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
                             .argv = seen,
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
        .entry = look_and_return, .argv = &seen, .guest_sp = stack + sizeof(stack)};

    (void)state;
    memset(&seen, 0xa5, sizeof(seen));
    lucet__thread.abi = (struct lucet_activation){.ctx = &ctx, .guest_frame = &act, .pending = 1};
    lucet__thread.current = &act;
    lucet__enter(&act);
    lucet__thread.current = NULL;
    assert_true(seen.mxcsr == 0xa5a5a5a5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_abi_is_in_registers),
        cmocka_unit_test(floating_point_state_and_flags_are_defined_and_restored),
        cmocka_unit_test(callee_saved_registers_survive),
        cmocka_unit_test(a_request_that_came_before_keeps_the_guest_from_running),
    };
    lucet_install_signal_handlers(); /* looks at the machine, too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
