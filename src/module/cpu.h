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
