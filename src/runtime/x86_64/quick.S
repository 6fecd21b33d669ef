/* lucet_func_call() where nothing speaks against a plain run; func.c has the rest. From the checks
 * to the return all is here, because what a call costs is the number of its instructions and of its
 * jumps.
 *
 * Less is looked at and put back than in enter.S. Guest code changes neither the direction and
 * alignment flags, which C has clear at calls, nor the control bits of floating point, and never
 * uses x87; where the host has MXCSR as guests need it, all are as before when the function has
 * returned. Its sticky flags may have been raised, as by any C function.
 *
 * Of closed functions (docs/abi.md section 8) still less: they use neither vector registers nor
 * floating point, and nothing of the runtime, so all that is prepared for host functions may be as
 * it is. */
#include "frame.inc"
#include "probe.inc"
#include "quick.h"

/* Offsets of struct lucet_func, struct lucet_instance, whose first member is its activation, struct
 * stop and struct lucet_vmctx (func.c asserts them). */
#define FUNC_QUICK_ID 0
#define FUNC_ENTRY 8
#define FUNC_CODE 16
#define FUNC_COUNTS 36
#define FUNC_EFFECTS 40
#define CLOSED 1
#define QUIET 2
#define READY QUICK_READY
#define VECTORS (READY + 8)
#define TOUCHED (READY + 9)
#define INSTANCE_CTX (READY + 16)
#define EXCEPTION (READY + 24)
#define STOP (READY + 32)
#define VALUES (READY + 48)     /* followed by the lucet_func that is called */
#define RESULT (READY + 64)
#define STOP_STATE 4
#define STOP_RUNNING 8          /* running, preempted, 16 unused bits, depth */
#define STOP_ABI 24
#define CTX_ACTIVATION 8

#ifdef LUCET_SANITIZE
#define FUNC_CALL lucet__func_call      /* func.c has something to do before */
#else
#define FUNC_CALL lucet_func_call
#endif

        /* rsi: the instance, rdi: the lucet_func, r8: the stop, rax: the thread's offset in fs. */
        .macro  RUNNING
        movabsq $0x100000001, %r9       /* running, depth 1 */
        movq    %r9, STOP_RUNNING(%r8)
        .endm

        /* r11: the entry, rdi: its argument. */
        .macro  CHANGE_STACKS
        movq    FUNC_ENTRY(%rdi), %r11
        leaq    VALUES(%rsi), %rdi
        movq    GUEST_SP(%rsi), %rsp
        .endm

        .macro  COME_BACK
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        movq    %fs:CURRENT(%rax), %rsi
        movq    HOST_SP(%rsi), %rsp
        movq    $0, %fs:CURRENT(%rax)
        .endm

        /* After a plain return. */
        .macro  RETURN
        xorl    %eax, %eax
        movq    %rax, STOP_RUNNING(%r8)
        cmpl    %eax, STOP_STATE(%r8)
        jne     .Lnot_plain
        PROBE   run_end, "8@%rsi 4@$0"          /* lucet_result_tag_returned */
        cmpq    %rax, RESULT(%rsi)
        jne     .Lreturn_result
        ret
        .endm

        .text
        .p2align 5
        .globl  FUNC_CALL
        .type   FUNC_CALL, @function
/* enum lucet_error lucet_func_call(const struct lucet_func *, struct lucet_instance *,
 *                                  union lucet_raw *values, struct lucet_result *) */
FUNC_CALL:
        .cfi_startproc
        testq   %rdi, %rdi
        jz      lucet__func_call_generally
        /* Never NULL, and never so while the thread runs another instance. What is the same as in
         * its last run is not written again. */
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        cmpq    %rsi, %fs:THREAD_BOUND(%rax)
        jne     lucet__func_call_unbound
        movq    STOP(%rsi), %r8
        movq    %fs:THREAD_OWN_ABI(%rax), %r9
        cmpq    %r9, STOP_ABI(%r8)
        jne     lucet__func_call_unbound
        xorl    %r11d, %r11d    /* comparing with it takes one operation less than with $0 */
        movq    FUNC_QUICK_ID(%rdi), %r10
        cmpq    %r10, READY(%rsi)
        jne     lucet__func_call_generally
        cmpl    %r11d, STOP_RUNNING+4(%r8)
        jne     lucet__func_call_generally
        cmpb    %r11b, lucet__quick_calls(%rip)
        je      lucet__func_call_generally
        testq   %rdx, %rdx
        jz      .Lno_values
.Lvalues_checked:
        movq    GS(%rsi), %r10
        /* It may fault, because somebody may have changed gs: it goes on at lucet__gs_unknown
         * then. */
        .globl  lucet__gs_probe
        .hidden lucet__gs_probe
lucet__gs_probe:
        cmpq    %gs:GS_MARK, %r10
        jne     lucet__func_call_unbound
        movzbl  FUNC_EFFECTS(%rdi), %r10d
        cmpl    $(CLOSED | QUIET), %r10d
        .cfi_remember_state
        jne     .Lopen

        /* ---- Closed functions: they are quickest where no jump comes before ---- */

.Lclosed:
        PUSH_REGISTERS
        movq    %rsp, HOST_SP(%rsi)
        movq    %rdx, VALUES(%rsi)
        movq    %rdi, VALUES+8(%rsi)
        testq   %rcx, %rcx
        jnz     .Lstore_closed_result
.Lclosed_result_stored:
        movq    INSTANCE_CTX(%rsi), %r13
        cmpq    %r13, %fs:CTX(%rax)
        jne     .Lset_ctx
.Lctx_is_set:
        movq    FUNC_CODE(%rdi), %r10
        RUNNING
        movq    %rsi, %fs:CURRENT(%rax)
        .globl  lucet__closed_begin
        .hidden lucet__closed_begin
lucet__closed_begin:
        cmpl    %r11d, STOP_STATE(%r8)
        jne     .Lclosed_stopped
        PROBE   run_begin, "8@%rsi 4@32(%rdi)"  /* instance, FUNC_INDEX */
        CHANGE_STACKS
        .cfi_remember_state
        .cfi_remember_state
        .cfi_undefined %rip
        CLEAR_INTEGERS
        xorl    %eax, %eax
        call    *%r11
        .globl  lucet__closed_end
        .hidden lucet__closed_end
lucet__closed_end:
        COME_BACK
        .globl  lucet__closed_came_back
        .hidden lucet__closed_came_back
lucet__closed_came_back:
        RESTORE_STATE 56
        POP_REGISTERS
        movq    STOP(%rsi), %r8 /* NOT_PLAIN says what comes of runs within, or by lucet__leave */
        RETURN

        RESTORE_STATE 56
.Lstore_closed_result:
        movq    %rcx, RESULT(%rsi)
        jmp     .Lclosed_result_stored
.Lset_ctx:
        movq    %r13, %fs:CTX(%rax)
        jmp     .Lctx_is_set

        /* ---- Others, and those that are closed but not quiet ---- */

        RESTORE_STATE 8
        .p2align 5
.Lopen:
        movb    $1, TOUCHED(%rsi)
        testl   $CLOSED, %r10d
        jnz     .Lclosed

        PUSH_REGISTERS
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %r10d
        andl    $~MXCSR_FLAGS, %r10d
        cmpl    $MXCSR_DEFAULT, %r10d
        jne     .Lodd

        movq    %rsp, HOST_SP(%rsi)
        movq    %rdx, VALUES(%rsi)
        movq    %rdi, VALUES+8(%rsi)
        testq   %rcx, %rcx
        jnz     .Lstore_result
.Lresult_stored:
        movq    INSTANCE_CTX(%rsi), %r13
        cmpq    %r13, %fs:CTX(%rax)
        jne     .Lset_abi
        cmpq    %r9, CTX_ACTIVATION(%r13)       /* another's run may have come by */
        jne     .Lset_abi
        movq    %fs:PENDING(%rax), %r10
        orq     %fs:CATCHER(%rax), %r10
        jnz     .Lset_abi
.Labi_is_set:
        cmpq    %r11, EXCEPTION(%rsi)
        jne     .Lforget_exception
.Lno_exception:
        movq    FUNC_CODE(%rdi), %r10
        RUNNING

        /* The activation begins, in guest state: current = this, guest_frame = NULL. From here on a
         * stop request redirects; one that came before is seen here. */
        movq    %rsi, %xmm0
        movups  %xmm0, %fs:CURRENT(%rax)
        .globl  lucet__quick_begin
        .hidden lucet__quick_begin
lucet__quick_begin:
        cmpl    %r11d, STOP_STATE(%r8)
        jne     .Lstopped
        PROBE   run_begin, "8@%rsi 4@32(%rdi)"  /* instance, FUNC_INDEX */
        CHANGE_STACKS
        .rept   4
        .cfi_remember_state             /* for as many places below */
        .endr
        .cfi_undefined %rip
        CLEAR_VECTORS 0, VECTORS(%rsi)
        CLEAR_INTEGERS
        xorl    %eax, %eax
        call    *%r11
        .globl  lucet__quick_end
        .hidden lucet__quick_end
lucet__quick_end:
        COME_BACK
        .globl  lucet__quick_came_back
        .hidden lucet__quick_came_back
lucet__quick_came_back:
        RESTORE_STATE 64
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        POP_REGISTERS
.Lend:
        movq    STOP(%rsi), %r8
        cmpq    $0, NOT_PLAIN(%rsi)
        jne     .Lnot_plain
        cmpq    $0, EXCEPTION(%rsi)
        jne     .Lmay_have_thrown
.Lnot_thrown:
        RETURN

        /* ---- What is rare, or less in a hurry ---- */

.Lreturn_result:
        movq    RESULT(%rsi), %rcx
        movq    $0, RESULT(%rsi)
        movl    $0, (%rcx)              /* lucet_result_tag_returned, as lucet_error_ok in eax */
        ret
.Lmay_have_thrown:
        movq    EXCEPTION(%rsi), %rcx
        cmpq    $0, (%rcx)
        je      .Lnot_thrown
.Lnot_plain:
        movq    %rsi, %rdi
        jmp     lucet__func_call_ended

        /* lucet__leave comes here, with the host's stack as it was left. */
        .globl  lucet__quick_left
        .hidden lucet__quick_left
lucet__quick_left:
        RESTORE_STATE 64
        .cfi_remember_state
        .cfi_undefined %rip             /* until it is known which way the stack was left */
        movq    lucet__thread@GOTTPOFF(%rip), %rax
        movq    %fs:CURRENT(%rax), %rsi
        movq    VALUES+8(%rsi), %rdi
        testb   $CLOSED, FUNC_EFFECTS(%rdi)     /* changes neither, and they have not been stored */
        jnz     .Lclosed_left
        RESTORE_STATE 64
        ldmxcsr (%rsp)
        fldcw   4(%rsp)                         /* host functions may have changed it */
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
.Lclosed_left:
        pushq   $0x202
        .cfi_adjust_cfa_offset 8
        popfq
        .cfi_adjust_cfa_offset -8
        movq    $0, %fs:CURRENT(%rax)
        POP_REGISTERS
        jmp     .Lend

.Lno_values:
        cmpl    $0, FUNC_COUNTS(%rdi)
        je      .Lvalues_checked
        jmp     lucet__func_call_generally
        .globl  lucet__gs_unknown
        .hidden lucet__gs_unknown
lucet__gs_unknown:
        jmp     lucet__func_call_unbound

        RESTORE_STATE 64
.Lodd:
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        POP_REGISTERS
        jmp     lucet__func_call_generally

        RESTORE_STATE 64
.Lstore_result:
        movq    %rcx, RESULT(%rsi)
        jmp     .Lresult_stored
.Lset_abi:
        movq    %r13, %fs:CTX(%rax)
        movq    %r9, CTX_ACTIVATION(%r13)
        movq    $0, %fs:PENDING(%rax)
        movq    $0, %fs:CATCHER(%rax)
        jmp     .Labi_is_set
.Lforget_exception:
        movq    EXCEPTION(%rsi), %r9
        movq    $0, (%r9)
        jmp     .Lno_exception
.Lstopped:
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
.Lclosed_stopped:
        movq    %rsp, %fs:GUEST_FRAME(%rax)
        POP_REGISTERS
        movq    VALUES(%rsi), %rdx
        movq    VALUES+8(%rsi), %rdi
        movq    RESULT(%rsi), %rcx
        movq    $0, RESULT(%rsi)
        jmp     lucet__func_call_stopped

        .cfi_undefined %rip
        CLEAR_VECTORS 1
        .cfi_endproc
        .size   FUNC_CALL, .-FUNC_CALL

        .section .note.GNU-stack, "", @progbits
