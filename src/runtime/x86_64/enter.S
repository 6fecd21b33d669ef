/* Into guest code and out of it again. */
#include "frame.inc"

        .text
        .p2align 4
        .globl  lucet__enter
        .hidden lucet__enter
        .type   lucet__enter, @function
/* void lucet__enter(struct activation *act) */
lucet__enter:
        .cfi_startproc
        PUSH_FRAME
        movq    %rsp, HOST_SP(%rdi)
        testl   $ODD_FLAGS, 8(%rsp)
        jnz     .Lodd_flags
.Lflags_defined:
        movl    (%rsp), %ecx
        andl    $~MXCSR_FLAGS, %ecx     /* sticky flags of the past: no guest can read them */
        cmpl    $MXCSR_DEFAULT, %ecx
        jne     .Lodd_mxcsr
.Lmxcsr_defined:
        cmpw    $X87_DEFAULT, 4(%rsp)
        jne     .Lodd_x87
.Lx87_defined:
        CLEAR_VECTORS 0, lucet__vector_level(%rip)
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        movq    %fs:CTX(%rax), %r13
        movq    CALLEE(%rdi), %r10
        movq    ENTRY(%rdi), %r11
        movq    GUEST_SP(%rdi), %rdx
        movq    CELL(%rdi), %rdi
        andq    $-16, %rsp
        testq   %rdx, %rdx
        cmovnzq %rdx, %rsp
        .cfi_undefined %rip     /* unwinders end here: what follows is on another stack */
        CLEAR_INTEGERS
        movq    $0, %fs:GUEST_FRAME(%rax)
        /* From here on a stop request redirects; one that came before is seen here. */
        .globl  lucet__enter_begin
        .hidden lucet__enter_begin
lucet__enter_begin:
        testl   $PENDING_STOP, %fs:PENDING(%rax)
        jnz     lucet__leave
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
        .globl  lucet__enter_left
        .hidden lucet__enter_left
lucet__enter_left:
        movq    %rsp, %fs:GUEST_FRAME(%rax)     /* not in guest code any more */
        cmpb    $0, lucet__vector_level(%rip)
        je      .Lupper_clear
        vzeroupper                              /* the guest may have left them dirty */
.Lupper_clear:
        cmpq    $0, RETURN_TO(%rdi)
        jne     .Lreturn_elsewhere
        .cfi_remember_state
        POP_FRAME
        ret
        .cfi_restore_state
.Lreturn_elsewhere:
        jmpq    *RETURN_TO(%rdi)
        CLEAR_VECTORS 1


.Lodd_flags:
        pushq   $0x202
        popfq
        jmp     .Lflags_defined
.Lodd_mxcsr:
        ldmxcsr .Lmxcsr(%rip)
        jmp     .Lmxcsr_defined
.Lodd_x87:
        fldcw   .Lx87(%rip)
        jmp     .Lx87_defined
        .cfi_endproc
        .size   lucet__leave, .-lucet__leave
        .size   lucet__enter, .-lucet__enter

        .globl  lucet__leave_host
        .hidden lucet__leave_host
        .type   lucet__leave_host, @function
lucet__leave_host:
        .cfi_startproc
        .cfi_undefined %rip
        fldcw   .Lx87(%rip)                     /* guests leave it alone, host functions need not */
        jmp     lucet__leave
        .cfi_endproc
        .size   lucet__leave_host, .-lucet__leave_host

/* ---- Guests that were put aside ---- */

        .p2align 4
        .globl  lucet__suspend
        .hidden lucet__suspend
        .type   lucet__suspend, @function
/* void *lucet__suspend(void **sp) */
lucet__suspend:
        .cfi_startproc
        PUSH_FRAME
        movq    %rsp, (%rdi)
        jmp     lucet__leave_host
        .cfi_endproc
        .size   lucet__suspend, .-lucet__suspend

        .p2align 4
        .globl  lucet__resume
        .hidden lucet__resume
        .type   lucet__resume, @function
/* void lucet__resume(struct activation *act): back into lucet__suspend() on the guest's stack */
lucet__resume:
        .cfi_startproc
        PUSH_FRAME
        movq    %rsp, HOST_SP(%rdi)
        movq    CELL(%rdi), %rax
        testl   $ODD_FLAGS, 8(%rsp)
        movq    GUEST_SP(%rdi), %rsp
        fldcw   4(%rsp)                         /* the host's may be another one */
        jnz     .Lodd_flags_resumed             /* of the host's frame, above */
.Lflags_resumed:
        POP_FRAME
        ret
.Lodd_flags_resumed:
        pushq   $0x202
        popfq
        jmp     .Lflags_resumed
        .cfi_endproc
        .size   lucet__resume, .-lucet__resume

/* Offsets of struct registers (suspend.h asserts them). */
#define R8 0
#define R9 8
#define R10 16
#define R11 24
#define R12 32
#define R13 40
#define R14 48
#define R15 56
#define RDI 64
#define RSI 72
#define RBP 80
#define RBX 88
#define RDX 96
#define RAX 104
#define RCX 112
#define RSP 120
#define RIP 128
#define RFLAGS 136
#define PLACE 144       /* where lucet__continue() puts rip */
#define VECTORS 192

        /* From the struct at rbx: all but that, rsp, rip and the flags. */
        .macro  LOAD_GENERAL
        movq    R8(%rbx), %r8
        movq    R9(%rbx), %r9
        movq    R10(%rbx), %r10
        movq    R11(%rbx), %r11
        movq    R12(%rbx), %r12
        movq    R13(%rbx), %r13
        movq    R14(%rbx), %r14
        movq    R15(%rbx), %r15
        movq    RDI(%rbx), %rdi
        movq    RSI(%rbx), %rsi
        movq    RBP(%rbx), %rbp
        movq    RDX(%rbx), %rdx
        movq    RAX(%rbx), %rax
        movq    RCX(%rbx), %rcx
        .endm

#define RED_ZONE 128

#define SYS_rt_sigprocmask 14
#define SIG_SETMASK 2
#define SIGSET_SIZE 8           /* the kernel's */

        .p2align 4
        .globl  lucet__preempted
        .hidden lucet__preempted
        .type   lucet__preempted, @function
/* The general registers are saved already; all others are still the guest's. */
lucet__preempted:
        .cfi_startproc
        .cfi_undefined %rip
        movl    lucet__xsave_mask(%rip), %eax
        movl    lucet__xsave_mask+4(%rip), %edx
        cmpb    $1, lucet__xsave_kind(%rip)
        jb      .Lfxsave
        je      .Lxsave
        xsavec64 VECTORS(%rdi)
        jmp     lucet__leave
.Lxsave:
        xsave64 VECTORS(%rdi)
        jmp     lucet__leave
.Lfxsave:
        fxsave64 VECTORS(%rdi)
        jmp     lucet__leave
        .cfi_endproc
        .size   lucet__preempted, .-lucet__preempted

        .p2align 4
        .globl  lucet__leave_handler
        .hidden lucet__leave_handler
        .type   lucet__leave_handler, @function
/* void lucet__leave_handler(const sigset_t *mask). On the signal stack until signals may come: its
 * frame must not be overwritten as long as it may have to be returned from. */
lucet__leave_handler:
        .cfi_startproc
        movq    %rdi, %rsi
        movl    $SIG_SETMASK, %edi
        xorl    %edx, %edx
        movl    $SIGSET_SIZE, %r10d
        movl    $SYS_rt_sigprocmask, %eax
        syscall
        testq   %rax, %rax
        jz      lucet__leave
        ret
        .cfi_endproc
        .size   lucet__leave_handler, .-lucet__leave_handler

        .p2align 4
        .globl  lucet__continue
        .hidden lucet__continue
        .type   lucet__continue, @function
/* void lucet__continue(struct activation *act): every register as it was. The last of them, rip,
 * rsp and the flags, are loaded by popfq and ret, from the place below the guest's red zone that
 * `guest_sp` says is free. rsp points to that at once: were it the guest's first, a handler without
 * a stack of its own would find the place free, too. Where there is none, iretq does without a
 * write to the guest's stack, in ten times the time. */
lucet__continue:
        .cfi_startproc
        PUSH_FRAME
        movq    %rsp, HOST_SP(%rdi)
        movq    CELL(%rdi), %rbx
        cmpb    $0, lucet__xsave_kind(%rip)
        je      .Lfxrstor
        movl    lucet__xsave_mask(%rip), %eax
        movl    lucet__xsave_mask+4(%rip), %edx
        andl    $~1, %eax       /* x87 is the host's, what it has raised meanwhile, too */
        xrstor64 VECTORS(%rbx)
.Lvectors_loaded:
        cmpw    $X87_DEFAULT, 4(%rsp)
        jne     .Lodd_x87_continued
.Lx87_continued:
        .cfi_undefined %rip
        movq    GUEST_SP(%rdi), %rcx
        testq   %rcx, %rcx
        jz      .Lno_place
        movq    RIP(%rbx), %rdx
        movq    %rdx, (%rcx)
        movq    %rcx, PLACE(%rbx)
        pushq   RFLAGS(%rbx)
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        movq    $0, %fs:GUEST_FRAME(%rax)
        /* From here on a stop request redirects; one that came before is seen here. */
        .globl  lucet__continue_begin
        .hidden lucet__continue_begin
lucet__continue_begin:
        testl   $PENDING_STOP, %fs:PENDING(%rax)
        jnz     lucet__leave
        LOAD_GENERAL
        popfq
        movq    PLACE(%rbx), %rsp
        movq    RBX(%rbx), %rbx
        ret     $RED_ZONE

.Lno_place:
        movl    %ss, %eax
        pushq   %rax
        pushq   RSP(%rbx)
        pushq   RFLAGS(%rbx)
        movl    %cs, %eax
        pushq   %rax
        pushq   RIP(%rbx)
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        movq    $0, %fs:GUEST_FRAME(%rax)
        testl   $PENDING_STOP, %fs:PENDING(%rax)
        jnz     lucet__leave
        LOAD_GENERAL
        movq    RBX(%rbx), %rbx
        iretq
        .globl  lucet__continue_end
        .hidden lucet__continue_end
lucet__continue_end:

.Lfxrstor:
        fnstenv -32(%rsp)
        fxrstor64 VECTORS(%rbx)
        fldenv  -32(%rsp)
        jmp     .Lvectors_loaded
.Lodd_x87_continued:
        fldcw   .Lx87(%rip)
        jmp     .Lx87_continued
        .cfi_endproc
        .size   lucet__continue, .-lucet__continue

/* Of struct lucet_catcher: ctx, then rbx rbp r12 r13 r14 r15 rsp rip. No stack is used, so that
 * there must be room for the call only. */
#define CATCHER_CTX 8
#define CATCHER_RBX 16
#define CATCHER_RBP 24
#define CATCHER_R12 32
#define CATCHER_R13 40
#define CATCHER_R14 48
#define CATCHER_R15 56
#define CATCHER_RSP 64
#define CATCHER_RIP 72

        .p2align 4
        .globl  lucet__catcher_mark
        .hidden lucet__catcher_mark
        .type   lucet__catcher_mark, @function
/* int lucet__catcher_mark(struct lucet_vmctx *, struct lucet_catcher *) */
lucet__catcher_mark:
        .cfi_startproc
        movq    %rdi, CATCHER_CTX(%rsi)
        movq    %rbx, CATCHER_RBX(%rsi)
        movq    %rbp, CATCHER_RBP(%rsi)
        movq    %r12, CATCHER_R12(%rsi)
        movq    %r13, CATCHER_R13(%rsi)
        movq    %r14, CATCHER_R14(%rsi)
        movq    %r15, CATCHER_R15(%rsi)
        leaq    8(%rsp), %rax
        movq    %rax, CATCHER_RSP(%rsi)
        movq    (%rsp), %rax
        movq    %rax, CATCHER_RIP(%rsi)
        xorl    %eax, %eax
        ret
        .cfi_endproc
        .size   lucet__catcher_mark, .-lucet__catcher_mark

        .p2align 4
        .globl  lucet__catcher_resume
        .hidden lucet__catcher_resume
        .type   lucet__catcher_resume, @function
/* void lucet__catcher_resume(const struct lucet_catcher *): lucet__catcher_mark() returns again */
lucet__catcher_resume:
        .cfi_startproc
        movq    CATCHER_RBX(%rdi), %rbx
        movq    CATCHER_RBP(%rdi), %rbp
        movq    CATCHER_R12(%rdi), %r12
        movq    CATCHER_R13(%rdi), %r13
        movq    CATCHER_R14(%rdi), %r14
        movq    CATCHER_R15(%rdi), %r15
        movq    CATCHER_RSP(%rdi), %rsp
        movl    $1, %eax
        jmpq    *CATCHER_RIP(%rdi)
        .cfi_endproc
        .size   lucet__catcher_resume, .-lucet__catcher_resume

        .section .rodata
        .p2align 2
.Lmxcsr:
        .long   MXCSR_DEFAULT
.Lx87:
        .word   X87_DEFAULT

        .section .note.GNU-stack, "", @progbits
