#include "lucetc/optimize.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "lucetc/diagnostic.h"

/* Guests come optimised from their own compilers, so what pays off here is what the target makes
 * possible (addressing, vectors, hoisting of what wasm had to repeat), not the whole of -O2.
 * `straight` runs after the rest, and makes vectors of straight code in functions that calculate
 * with floating point only: elsewhere it found nothing that instruction selection does not find,
 * and took a quarter of the time. */
static const struct pipeline {
    const char *main, *straight;
} pipelines[] = {
    [lucetc_opt_none] = {NULL, NULL},
    [lucetc_opt_speed] =
        {"function<eager-inv>(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
         "reassociate,loop-mssa(loop-rotate,licm,simple-loop-unswitch),simplifycfg,"
         "instcombine<no-verify-fixpoint>,loop(loop-idiom-vectorize,indvars,loop-deletion),gvn,"
         "bdce,instcombine<no-verify-fixpoint>,dse,loop-mssa(licm),adce,simplifycfg,"
         "loop-vectorize,loop-load-elim)",
         "function<eager-inv>(slp-vectorizer,vector-combine,instcombine<no-verify-fixpoint>,"
         "loop-unroll,loop-mssa(licm),div-rem-pairs,"
         "simplifycfg<switch-range-to-icmp;switch-to-lookup>)"},
    [lucetc_opt_speed_and_size] =
        {"function<eager-inv>(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
         "loop-mssa(loop-rotate<no-header-duplication>,licm),simplifycfg,gvn,bdce,dse,adce,"
         "instcombine<no-verify-fixpoint>,simplifycfg)",
         NULL},
};

/* Of the intrinsics in use, those without a result act (ubsantrap, wrgsbase), the others
 * compute. */
static bool is_pure_call(LLVMValueRef call)
{
    LLVMValueRef callee = LLVMGetCalledValue(call);
    return LLVMIsAFunction(callee) && LLVMGetIntrinsicID(callee) != 0 &&
           LLVMGetTypeKind(LLVMTypeOf(call)) != LLVMVoidTypeKind;
}

static bool has_side_effects(LLVMValueRef instr)
{
    switch (LLVMGetInstructionOpcode(instr)) {
    case LLVMStore:
    case LLVMFence:
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg: return true;
    case LLVMCall: return !is_pure_call(instr);
    default: return LLVMIsATerminatorInst(instr) != NULL;
    }
}

/* LLVM deletes loads whose value nobody uses, and their trap with them. Going backwards, so that
 * whole chains of unused values fall, loads that nothing needs become volatile and the rest of the
 * chain goes away. */
static void keep_dead_loads(LLVMBasicBlockRef block)
{
    LLVMValueRef instr = LLVMGetLastInstruction(block);
    while (instr) {
        LLVMValueRef previous = LLVMGetPreviousInstruction(instr);
        if (!LLVMGetFirstUse(instr) && !has_side_effects(instr)) {
            if (LLVMIsALoadInst(instr))
                LLVMSetVolatile(instr, true);
            else
                LLVMInstructionEraseFromParent(instr);
        }
        instr = previous;
    }
}

static void keep_traps(struct emitter *e)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f))
        for (LLVMBasicBlockRef b = LLVMGetLastBasicBlock(f); b; b = LLVMGetPreviousBasicBlock(b))
            keep_dead_loads(b);
}

static bool has_one_use(LLVMValueRef v)
{
    LLVMUseRef use = LLVMGetFirstUse(v);
    return use && !LLVMGetNextUse(use);
}

/* Gives the value another use, which costs nothing. */
static void use_again(struct emitter *e, LLVMValueRef v)
{
    LLVMTypeRef param = LLVMTypeOf(v);
    LLVMTypeRef type = LLVMFunctionType(e->void_type, &param, 1, false);
    LLVMValueRef nothing =
        LLVMGetInlineAsm(type, "", 0, "r", 1, true, false, LLVMInlineAsmDialectATT, false);
    LLVMPositionBuilderBefore(e->b, LLVMGetNextInstruction(v));
    LLVMBuildCall2(e->b, type, nothing, &v, 1, "");
}

/* docs/abi.md M7. LLVM (seen in 22.1.8) makes flag-setting instructions and bit tests of an
 * atomicrmw whose only use is a comparison, and forgets its address space on the way: `lock dec
 * [index]` without gs, anywhere in the host. It does not when there are two uses. */
static void keep_segments(struct emitter *e)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f))
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b))
            for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
                if (LLVMGetInstructionOpcode(i) == LLVMAtomicRMW && has_one_use(i))
                    use_again(e, i);
}

/* The least number of cases for which LLVM makes a jump table. */
#define TABLE_CASES 4u

static bool is_never_reached(LLVMBasicBlockRef block)
{
    return LLVMGetInstructionOpcode(LLVMGetFirstInstruction(block)) == LLVMUnreachable;
}

static LLVMBasicBlockRef trap_block(struct emitter *e, LLVMValueRef func)
{
    LLVMBasicBlockRef block = LLVMAppendBasicBlockInContext(e->llvm, func, "trap");
    LLVMPositionBuilderAtEnd(e->b, block);
    trap_always(e, LUCET_TRAP_unknown);
    return block;
}

/* Where LLVM has found that a switch is over all values there can be, it jumps by a table without a
 * comparison: that control stays in the guest's code would be for its arithmetic to show (seen with
 * what an unrolled loop leaves). */
static void keep_bounds(struct emitter *e)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f))
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b; b = LLVMGetNextBasicBlock(b)) {
            LLVMValueRef end = LLVMGetBasicBlockTerminator(b);
            if (LLVMGetInstructionOpcode(end) == LLVMSwitch &&
                LLVMGetNumSuccessors(end) > TABLE_CASES &&
                is_never_reached(LLVMGetSwitchDefaultDest(end)))
                LLVMSetSuccessor(end, 0, trap_block(e, f));
        }
}

static enum lucet_error run(struct emitter *e, LLVMTargetMachineRef tm, const char *passes)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(e->module, passes, tm, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error)
        return lucet_error_ok;
    char *message = LLVMGetErrorMessage(error);
    diagnose(e->c->diagnostic, "internal", "LLVM passes: %s", message);
    LLVMDisposeErrorMessage(message);
    return lucet_error_internal;
}

/* Whether a function calculates with floating point. */
static bool has_float_arithmetic(LLVMValueRef func)
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(func); b; b = LLVMGetNextBasicBlock(b))
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i; i = LLVMGetNextInstruction(i))
            switch (LLVMGetInstructionOpcode(i)) {
            case LLVMFAdd:
            case LLVMFSub:
            case LLVMFMul:
            case LLVMFDiv: return true;
            default: break;
            }
    return false;
}

/* Functions with this attribute are passed by by the vectoriser of straight code. It is taken away
 * again before code is generated, where it has another meaning. */
static void mark_integer_funcs(struct emitter *e, bool mark)
{
    static const char name[] = "noimplicitfloat";
    const unsigned kind = LLVMGetEnumAttributeKindForName(name, sizeof name - 1);
    LLVMAttributeRef attribute = LLVMCreateEnumAttribute(e->llvm, kind, 0);
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f; f = LLVMGetNextFunction(f)) {
        if (!mark)
            LLVMRemoveEnumAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, kind);
        else if (LLVMGetFirstBasicBlock(f) && !has_float_arithmetic(f))
            LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, attribute);
    }
}

static enum lucet_error run_pipeline(struct emitter *e, LLVMTargetMachineRef tm,
                                     const struct pipeline *p)
{
    enum lucet_error error = p->main ? run(e, tm, p->main) : lucet_error_ok;
    if (error || !p->straight)
        return error;
    mark_integer_funcs(e, true);
    error = run(e, tm, p->straight);
    mark_integer_funcs(e, false);
    return error;
}

enum lucet_error optimize(struct emitter *e, LLVMTargetMachineRef tm, enum lucetc_opt_level level)
{
#ifndef NDEBUG
    char *message = NULL;
    if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message)) {
        diagnose(e->c->diagnostic, "internal", "LLVM verifier: %s", message);
        LLVMDisposeMessage(message);
        return lucet_error_internal;
    }
    LLVMDisposeMessage(message);
#endif
    enum lucet_error error = run(e, tm, "function(mem2reg)");
    if (error)
        return error;
    keep_traps(e);
    error = run_pipeline(e, tm, &pipelines[level]);
    keep_segments(e);
    keep_bounds(e);
    return error;
}
