/* Into guest code and out of it again.
 *
 * Offsets of struct thread and struct activation (activation.h asserts them). */
#define CURRENT 0
#define GUEST_FRAME (8 + 8)
#define CTX (8 + 16)
#define PENDING (8 + 24)

#define HOST_SP 32
#define GUEST_SP 40
#define ENTRY 48
#define CALLEE 56
#define ARGV 64

#define MXCSR_DEFAULT 0x1f80    /* all exceptions masked, to nearest */
#define X87_DEFAULT 0x037f
#define ODD_FLAGS 0x40400       /* alignment check, direction */

/* Frame on the host stack: 0 mxcsr, 4 x87 control word, 8 flags, then the pushed registers. */

        .text
        .p2align 4
        .globl  lucet__enter
        .hidden lucet__enter
        .type   lucet__enter, @function
/* void lucet__enter(struct activation *act) */
lucet__enter:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        pushfq
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, HOST_SP(%rdi)
        testl   $ODD_FLAGS, 8(%rsp)
        jnz     .Lodd_flags
.Lflags_defined:
        ldmxcsr .Lmxcsr(%rip)
        cmpw    $X87_DEFAULT, 4(%rsp)
        je      .Lx87_defined
        fldcw   .Lx87(%rip)
.Lx87_defined:
        cmpb    $1, lucet__vector_level(%rip)
        jb      .Lclear_sse
        je      .Lclear_avx
        vpxorq  %xmm16, %xmm16, %xmm16
        vpxorq  %xmm17, %xmm17, %xmm17
        vpxorq  %xmm18, %xmm18, %xmm18
        vpxorq  %xmm19, %xmm19, %xmm19
        vpxorq  %xmm20, %xmm20, %xmm20
        vpxorq  %xmm21, %xmm21, %xmm21
        vpxorq  %xmm22, %xmm22, %xmm22
        vpxorq  %xmm23, %xmm23, %xmm23
        vpxorq  %xmm24, %xmm24, %xmm24
        vpxorq  %xmm25, %xmm25, %xmm25
        vpxorq  %xmm26, %xmm26, %xmm26
        vpxorq  %xmm27, %xmm27, %xmm27
        vpxorq  %xmm28, %xmm28, %xmm28
        vpxorq  %xmm29, %xmm29, %xmm29
        vpxorq  %xmm30, %xmm30, %xmm30
        vpxorq  %xmm31, %xmm31, %xmm31
        kxorw   %k0, %k0, %k0
        kxorw   %k1, %k1, %k1
        kxorw   %k2, %k2, %k2
        kxorw   %k3, %k3, %k3
        kxorw   %k4, %k4, %k4
        kxorw   %k5, %k5, %k5
        kxorw   %k6, %k6, %k6
        kxorw   %k7, %k7, %k7
.Lclear_avx:
        vzeroall
        jmp     .Lvectors_cleared
.Lclear_sse:
        xorps   %xmm0, %xmm0
        xorps   %xmm1, %xmm1
        xorps   %xmm2, %xmm2
        xorps   %xmm3, %xmm3
        xorps   %xmm4, %xmm4
        xorps   %xmm5, %xmm5
        xorps   %xmm6, %xmm6
        xorps   %xmm7, %xmm7
        xorps   %xmm8, %xmm8
        xorps   %xmm9, %xmm9
        xorps   %xmm10, %xmm10
        xorps   %xmm11, %xmm11
        xorps   %xmm12, %xmm12
        xorps   %xmm13, %xmm13
        xorps   %xmm14, %xmm14
        xorps   %xmm15, %xmm15
.Lvectors_cleared:
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        movq    %fs:CTX(%rax), %r13
        movq    CALLEE(%rdi), %r10
        movq    ENTRY(%rdi), %r11
        movq    GUEST_SP(%rdi), %rdx
        movq    ARGV(%rdi), %rdi
        andq    $-16, %rsp
        testq   %rdx, %rdx
        cmovnzq %rdx, %rsp
        .cfi_undefined %rip     /* unwinders end here: what follows is on another stack */
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %ebp, %ebp
        xorl    %r8d, %r8d
        xorl    %r9d, %r9d
        xorl    %r12d, %r12d
        xorl    %r14d, %r14d
        xorl    %r15d, %r15d
        movq    $0, %fs:GUEST_FRAME(%rax)
        /* From here on a stop request redirects; one that came before is seen here. */
        .globl  lucet__enter_begin
        .hidden lucet__enter_begin
lucet__enter_begin:
        cmpl    $0, %fs:PENDING(%rax)
        jne     lucet__leave
        xorl    %eax, %eax
        call    *%r11
        .globl  lucet__enter_end
        .hidden lucet__enter_end
lucet__enter_end:

        .globl  lucet__leave
        .hidden lucet__leave
        .type   lucet__leave, @function
lucet__leave:
        /* Whoever comes here may hold anything in any register. */
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        movq    %fs:CURRENT(%rax), %rdi
        movq    HOST_SP(%rdi), %rsp
        movq    %rsp, %fs:GUEST_FRAME(%rax)     /* not in guest code any more */
        ldmxcsr (%rsp)
        cmpw    $X87_DEFAULT, 4(%rsp)
        je      .Lx87_restored
        fldcw   4(%rsp)
.Lx87_restored:
        cmpb    $0, lucet__vector_level(%rip)
        je      .Lupper_clear
        vzeroupper                              /* the guest may have left them dirty */
.Lupper_clear:
        testl   $ODD_FLAGS, 8(%rsp)
        jnz     .Lrestore_flags
        cld
.Lflags_restored:
        addq    $16, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret

.Lodd_flags:
        pushq   $0x202
        popfq
        jmp     .Lflags_defined
.Lrestore_flags:
        pushq   8(%rsp)
        popfq
        jmp     .Lflags_restored
        .cfi_endproc
        .size   lucet__leave, .-lucet__leave
        .size   lucet__enter, .-lucet__enter

        .section .rodata
        .p2align 2
.Lmxcsr:
        .long   MXCSR_DEFAULT
.Lx87:
        .word   X87_DEFAULT

        .section .note.GNU-stack, "", @progbits
