#include "lucetc/optimize.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "lucetc/diagnostic.h"

/* Guests come optimised from their own compilers, so what pays off here is what the target makes
 * possible (addressing, vectors, hoisting of what wasm had to repeat), not the whole of -O2. */
static const char *const pipelines[] = {
    [lucetc_opt_none] = NULL,
    [lucetc_opt_speed] =
        "function<eager-inv>(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
        "reassociate,loop-mssa(loop-rotate,licm,simple-loop-unswitch),simplifycfg,"
        "instcombine<no-verify-fixpoint>,loop(loop-idiom-vectorize,indvars,loop-deletion),gvn,"
        "bdce,instcombine<no-verify-fixpoint>,dse,loop-mssa(licm),adce,simplifycfg,"
        "loop-vectorize,loop-load-elim,slp-vectorizer,vector-combine,"
        "instcombine<no-verify-fixpoint>,loop-unroll,loop-mssa(licm),div-rem-pairs,"
        "simplifycfg<switch-range-to-icmp;switch-to-lookup>)",
    [lucetc_opt_speed_and_size] =
        "function<eager-inv>(early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
        "loop-mssa(loop-rotate<no-header-duplication>,licm),simplifycfg,gvn,bdce,dse,adce,"
        "instcombine<no-verify-fixpoint>,simplifycfg)",
};

/* Of the intrinsics in use, those without a result act (ubsantrap, wrgsbase), the others compute. */
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

enum lucet_error optimize(struct emitter *e, LLVMTargetMachineRef tm)
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
    const char *passes = pipelines[e->c->options->opt_level];
    return passes ? run(e, tm, passes) : lucet_error_ok;
}
