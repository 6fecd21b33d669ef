/* Function types of many shapes, for tests of calls: any number of values, in six mixes of
 * types. */
#ifndef LUCET_TEST_SHAPES_H
#define LUCET_TEST_SHAPES_H

#include "guest.h"

enum { SHAPE_MIXES = 6, SHAPE_MAX = 20 };
/* One more mix, with vectors, for what the host does not take part in. */
enum { SHAPE_VECTORS = SHAPE_MIXES };

/* Type of value `i` of the mix: a letter of "iIfFv". */
char mix_letter(unsigned mix, unsigned i);
/* "i32" for 'i', and so on. */
const char *mix_valtype(char letter);
/* The text of a constant expression for value `base + i`, such as (f32.const 7). */
void mix_add_const(struct text *t, char letter, unsigned value);
/* The bits that this value has. */
uint64_t mix_bits(char letter, unsigned value);
/* " (result i32 i64)" or " (param ...)", of n types. */
void mix_add_types(struct text *t, const char *keyword, unsigned mix, unsigned n);
/* The value as bits in an i64: an expression around the text of `inner`. */
void mix_add_to_i64(struct text *t, char letter, const char *inner);

/* What the guests compute of a list of values, so that every bit and the order count. */
uint64_t mix_hash(unsigned mix, unsigned n, unsigned base);
/* Code that takes n values of the mix from the operand stack and leaves their hash, for a function
 * that declares the locals of mix_add_locals(). */
void mix_add_hash(struct text *t, unsigned mix, unsigned n);
void mix_add_locals(struct text *t, unsigned mix, unsigned n);

/* ---- Functions $PREFIX_M_N, of N values of mix M each ---- */

/* Imports of `module`'s "NAME M N"; `keyword` says what the values are, `others` follows, such as "
 * (result i64)". */
void shapes_add_imports(struct text *t, const char *module, const char *name, const char *prefix,
                        const char *keyword, const char *others);
/* A table of all of them, one mix after the other. */
void shapes_add_table(struct text *t, const char *prefix);
/* Calls "NAME M N", which returns the hash of values from base(M, N) on. */
void shapes_expect_hashes(struct lucet_instance *inst, const char *name,
                          unsigned (*base)(unsigned mix, unsigned n));

/* An instance of the text for each level of optimisation; and one of `user` that imports from one
 * of `owner`, by that name. */
void shapes_each(const char *wat, void (*expect)(struct lucet_instance *inst));
void shapes_each_linked(const char *owner, const char *user,
                        void (*expect)(struct lucet_instance *user));

#endif
