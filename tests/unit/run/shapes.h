/* Function types of many shapes, for tests of calls: any number of values, in six mixes of types. */
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
/* Code that takes n values of the mix from the operand stack and leaves their hash, for a function that
 * declares the locals of mix_add_locals(). */
void mix_add_hash(struct text *t, unsigned mix, unsigned n);
void mix_add_locals(struct text *t, unsigned mix, unsigned n);

#endif
