/* From a plan to object files: every piece of the output is one LLVM module, compiled by whichever
 * thread is free. */
#ifndef LUCETC_OBJECT_H
#define LUCETC_OBJECT_H

#include "lucetc/compilation.h"

/* At most so many threads, with so much stack: LLVM needs deep stacks for deep expressions, and the
 * default of a thread may be small. */
enum { OBJECT_MAX_THREADS = 64, OBJECT_THREAD_STACK = 64 << 20 };

/* Compiles everything into files DIR/0.o, DIR/1.o, ... (or one text file DIR/0.ll, DIR/0.s) and
 * says how many. Diagnosed. */
enum lucet_error objects_make(const struct compilation *c, const char *dir, uint32_t *count);

/* "o", "ll" or "s": what objects_make() writes. */
const char *object_suffix(const struct compilation *c);

#endif
