#include "lucetc/target.h"

#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lucetc/diagnostic.h"
#include "module/cpu.h"

#define BIT(name) (1ull << LUCET_CPU_##name)
#define V2                                                                                         \
    (BIT(sse3) | BIT(ssse3) | BIT(sse4_1) | BIT(sse4_2) | BIT(popcnt) | BIT(cx16) | BIT(sahf))
#define V3                                                                                         \
    (V2 | BIT(avx) | BIT(avx2) | BIT(bmi) | BIT(bmi2) | BIT(lzcnt) | BIT(movbe) | BIT(fma) |       \
     BIT(f16c))
#define V4 (V3 | BIT(avx512f) | BIT(avx512bw) | BIT(avx512dq) | BIT(avx512vl) | BIT(avx512cd))
#define ICELAKE                                                                                    \
    (V4 | BIT(fsgsbase) | BIT(adx) | BIT(aes) | BIT(pclmul) | BIT(sha) | BIT(gfni) | BIT(vaes) |   \
     BIT(vpclmulqdq) | BIT(avx512ifma) | BIT(avx512vbmi) | BIT(avx512vbmi2) | BIT(avx512vnni) |    \
     BIT(avx512bitalg) | BIT(avx512vpopcntdq))

/* LLVM does not tell through its C API what a CPU has, and an artifact must say what it needs. So a
 * name means the features given here and LLVM's scheduling for that name. */
static const struct {
    const char *name, *tune;
    uint64_t features;
} cpus[] = {
    {"x86-64-v2", "generic", V2},
    {"x86-64-v3", "generic", V3},
    {"x86-64-v4", "generic", V4},
    {"haswell", "haswell", V3 | BIT(fsgsbase)},
    {"broadwell", "broadwell", V3 | BIT(fsgsbase) | BIT(adx)},
    {"skylake", "skylake", V3 | BIT(fsgsbase) | BIT(adx)},
    {"skylake-avx512", "skylake-avx512", V4 | BIT(fsgsbase) | BIT(adx)},
    {"icelake-server", "icelake-server", ICELAKE},
    {"sapphirerapids", "sapphirerapids", ICELAKE | BIT(avxvnni)},
    {"znver2", "znver2", V3 | BIT(fsgsbase) | BIT(adx)},
    {"znver3", "znver3", V3 | BIT(fsgsbase) | BIT(adx)},
    {"znver4", "znver4", ICELAKE},
};

static pthread_once_t initialized = PTHREAD_ONCE_INIT;

static void initialize(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86Disassembler();
}

void target_initialize(void)
{
    pthread_once(&initialized, initialize);
}

static enum lucet_error resolve_cpu(struct compilation *c)
{
    const char *name = c->options->target_cpu;
    if (!name || strcmp(name, "native") == 0) {
        char *host = LLVMGetHostCPUName();
        c->target.tune = strdup(host);
        c->target.features = lucet_cpu_features();
        LLVMDisposeMessage(host);
        return c->target.tune ? lucet_error_ok : lucet_error_no_memory;
    }
    for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++)
        if (strcmp(name, cpus[i].name) == 0) {
            c->target.tune = strdup(cpus[i].tune);
            c->target.features = cpus[i].features;
            return c->target.tune ? lucet_error_ok : lucet_error_no_memory;
        }
    diagnose(c->diagnostic, "unsupported",
             "target CPU '%.64s' is not known: use native, x86-64-v2, x86-64-v3, x86-64-v4, or one "
             "of haswell, broadwell, skylake, skylake-avx512, icelake-server, sapphirerapids, "
             "znver2, znver3, znver4",
             name);
    return lucet_error_compile;
}

/* Applies "+avx2,-fma" to the set. */
static enum lucet_error apply_features(struct compilation *c)
{
    const char *s = c->options->target_feature;
    while (s && *s) {
        const size_t length = strcspn(s, ",");
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)(length < 31 ? length : 31), s);
        const int bit = name[0] ? lucet_cpu_feature_from_llvm_name(name + 1) : -1;
        if (bit < 0 || (name[0] != '+' && name[0] != '-')) {
            diagnose(c->diagnostic, "unsupported",
                     "target feature '%s' is not known: write +NAME or -NAME with LLVM's name, "
                     "such as +avx2",
                     name);
            return lucet_error_compile;
        }
        c->target.features = name[0] == '+' ? lucet_cpu_with(c->target.features, (unsigned)bit)
                                            : lucet_cpu_without(c->target.features, (unsigned)bit);
        s += length + (s[length] == ',');
    }
    if ((c->target.features & V2) == V2)
        return lucet_error_ok;
    diagnose(c->diagnostic, "unsupported",
             "guests need at least x86-64-v2: floor, ceil, trunc and nearest would become calls");
    return lucet_error_compile;
}

/* Every tracked feature is named, on or off, so that nothing is used which the artifact does not
 * say it needs. */
static enum lucet_error make_feature_string(struct target *t)
{
    char buffer[2048];
    size_t used = 0;
    for (unsigned bit = 0; bit < LUCET_CPU_other; bit++) {
        const char *name = lucet_cpu_feature_llvm_name(bit);
        if (name)
            used += (size_t)snprintf(buffer + used, sizeof buffer - used, "%c%s,",
                                     t->features >> bit & 1 ? '+' : '-', name);
    }
    /* Gathers and scatters read lanes at addresses the verifier cannot bound one by one. */
    snprintf(buffer + used, sizeof buffer - used, "+prefer-no-gather,+prefer-no-scatter");
    t->feature_string = strdup(buffer);
    /* All that has vectors implies SSE. */
    if (asprintf(&t->integer_features, "%s,-sse,-mmx,-x87", buffer) < 0)
        t->integer_features = NULL;
    return t->feature_string && t->integer_features ? lucet_error_ok : lucet_error_no_memory;
}

enum lucet_error target_resolve(struct compilation *c)
{
    const char *triple = c->options->target;
    if (triple && strncmp(triple, "x86_64-", 7) != 0) {
        diagnose(c->diagnostic, "unsupported",
                 "target '%.64s': this version generates code for x86_64 Linux only", triple);
        return lucet_error_compile;
    }
    c->target.triple = "x86_64-unknown-linux-gnu";
    enum lucet_error e = resolve_cpu(c);
    if (!e)
        e = apply_features(c);
    return e ? e : make_feature_string(&c->target);
}

void target_free(struct target *t)
{
    free(t->feature_string);
    free(t->integer_features);
    free(t->tune);
    *t = (struct target){0};
}

LLVMTargetMachineRef target_machine(const struct compilation *c, enum lucetc_opt_level level)
{
    static const LLVMCodeGenOptLevel levels[] = {
        [lucetc_opt_none] = LLVMCodeGenLevelNone,
        [lucetc_opt_speed] = LLVMCodeGenLevelDefault,
        [lucetc_opt_speed_and_size] = LLVMCodeGenLevelDefault,
    };
    LLVMTargetRef target;
    char *message = NULL;
    target_initialize();
    if (LLVMGetTargetFromTriple(c->target.triple, &target, &message)) {
        diagnose(c->diagnostic, "internal", "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    return LLVMCreateTargetMachine(target, c->target.triple, "x86-64-v2", c->target.feature_string,
                                   levels[level], LLVMRelocPIC, LLVMCodeModelSmall);
}
