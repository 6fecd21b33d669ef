/* CPU features an artifact may need: this machine's set, and LLVM's names for them. */
#ifndef LUCET_MODULE_CPU_H
#define LUCET_MODULE_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "module/format.h"

enum lucet_cpu_bit {
#define X(bit, name) LUCET_CPU_##name = (bit),
    LUCET_CPU_FEATURES(X)
#undef X
};

/* What a processor says of itself, and which registers (XCR0) the operating system saves. */
struct lucet_cpuid {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_1_eax, extended_ecx, xcr0;
    bool fsgsbase;
};
/* What artifacts may need of it, each with all that it needs itself. AVX-512 is in it as long as VL
 * is. */
uint64_t lucet_cpu_features_of(const struct lucet_cpuid *id);

/* The set with a feature and what that one needs; without it and what needs it. */
uint64_t lucet_cpu_with(uint64_t set, unsigned bit);
uint64_t lucet_cpu_without(uint64_t set, unsigned bit);
/* Whether code for that set may name mask registers and vector registers from 16 on. */
bool lucet_cpu_is_avx512(uint64_t set);

/* What this CPU has and this operating system lets programs use, as header.cpu_features. `other`
 * is never in it. */
uint64_t lucet_cpu_features(void);

/* The bit number of a feature by LLVM's name ("sse4.1", "avx512f", without + or -), or -1 when
 * artifacts do not track it. */
int lucet_cpu_feature_from_llvm_name(const char *name);
/* LLVM's name of a bit number; NULL for numbers without one. */
const char *lucet_cpu_feature_llvm_name(unsigned bit);
/* Writes the names of a set, separated by spaces, cut when they do not fit. */
void lucet_cpu_feature_list(uint64_t set, char *buf, size_t size);

/* True when guests and the runtime may use rdgsbase and wrgsbase. */
bool lucet_cpu_has_fsgsbase(void);

#endif
