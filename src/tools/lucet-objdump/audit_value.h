/* What the audit knows of a 64-bit register or stack slot at one point of a function.
 *
 *   kind          the value is
 *   VALUE_NUMBER  a number n (signed, 64 bits), lo <= n <= hi, whose low half and low byte, as
 *                 unsigned numbers, lie in lo32..hi32 and lo8..hi8. Unknown = all of each. n
 *                 differs from lo by a multiple of `step` (0 when there is but one n).
 *   VALUE_CONTEXT address of the running context + n
 *   VALUE_STACK   the stack pointer at the function's entry + n
 *   VALUE_IMAGE   base of the artifact's image + n
 *   VALUE_SIZE    the size in bytes of a memory, + n
 *   VALUE_BASE    the base of a memory, + n
 *   VALUE_MEMORY  the descriptor of an imported memory, + n
 *   VALUE_RECORD  the function record that a thunk runs, + n
 *   VALUE_OWNER   the context that this record names, + n
 *   VALUE_POINTER another address that the runtime wrote (in the context or something it points
 *                 to) + n
 *   VALUE_BUILTIN the runtime's function number n
 *   VALUE_GS      the base that gs has while the running context (n = AUDIT_GS_OWN) or the record's
 *                 (AUDIT_GS_OWNER) is the one whose code runs
 *   VALUE_MARK    what the mark holds (docs/abi.md M8)
 *   VALUE_ENTRY   what register number n held at the function's entry
 *   VALUE_TABLE   an entry of a jump table at image address `name`; n = address of the entry
 *   VALUE_TARGET  the same plus the table's address: where the jump goes
 *
 * `name` (numbers only) says how values are related: within one state, a name stands for one number
 * x, and a value that bears it is x + `add` modulo 2^64 (`bits` 64), or the low half of that
 * (`bits` 32). 0 = nothing known. Comparing one of them bounds all of them.
 *
 * `memory` (its number + 1) says which memory's size, base or descriptor it is. Of numbers, and of
 * what has been added to a base, slack >= 0 says that n, as an unsigned number, + slack is at most
 * the size of that memory (audit_fit.c); -1 = nothing known. */
#ifndef LUCET_AUDIT_VALUE_H
#define LUCET_AUDIT_VALUE_H

#include <stdbool.h>
#include <stdint.h>

enum audit_value_kind {
    VALUE_NUMBER,
    VALUE_CONTEXT,
    VALUE_STACK,
    VALUE_IMAGE,
    VALUE_SIZE,
    VALUE_BASE,
    VALUE_MEMORY,
    VALUE_RECORD,
    VALUE_OWNER,
    VALUE_POINTER, /* what comes before may be added to */
    VALUE_BUILTIN,
    VALUE_GS,
    VALUE_MARK,
    VALUE_ENTRY,
    VALUE_TABLE,
    VALUE_TARGET
};

struct audit_value {
    uint8_t kind, bits, lo8, hi8;
    uint32_t lo32, hi32;
    int64_t lo, hi;
    uint64_t step;
    uint64_t name;
    int64_t add;
    uint16_t memory;
    int64_t slack;
};

struct audit_value value_unknown(void);
struct audit_value value_constant(int64_t n);
struct audit_value value_range(int64_t lo, int64_t hi);
struct audit_value value_stride(int64_t lo, int64_t hi, uint64_t step);
/* base + n, for the kinds that stand for an address or a register. */
struct audit_value value_of(enum audit_value_kind kind, int64_t n);
/* The same for the size, base or descriptor of a memory. */
struct audit_value value_of_memory(enum audit_value_kind kind, uint32_t number);

static inline bool value_is(const struct audit_value *v, enum audit_value_kind kind)
{
    return v->kind == kind;
}

static inline bool value_is_exactly(const struct audit_value *v, enum audit_value_kind kind,
                                    int64_t n)
{
    return v->kind == kind && v->lo == n && v->hi == n;
}

static inline bool value_is_fixed(const struct audit_value *v)
{
    return v->lo == v->hi;
}

/* The upper half is zero. */
bool value_is_u32(const struct audit_value *v);
bool value_equal(const struct audit_value *a, const struct audit_value *b);
/* Bounds only: names are not compared. */
bool value_same_bounds(const struct audit_value *a, const struct audit_value *b);

/* The low `width` bytes, zero-extended. */
struct audit_value value_low(struct audit_value v, unsigned width);
/* The low `width` bytes, sign-extended to `to` bytes (the rest zero). */
struct audit_value value_sign_extend(struct audit_value v, unsigned width, unsigned to);
/* Bounds that a loop may turn out to have: constants that the function compares with, ascending. */
struct audit_thresholds {
    int64_t *list;
    uint32_t count;
};

/* A merge of two paths; `name` is what the result is called when the two differ. When `widen` is
 * not NULL, bounds that grew from `a` to `b` are given up step by step, to these thresholds first,
 * so that loops come to an end. */
struct audit_value value_join(const struct audit_value *a, const struct audit_value *b,
                              uint64_t name, const struct audit_thresholds *widen);
/* Narrows to the intersection. False when it is empty: the path is impossible. */
bool value_clip(struct audit_value *v, int64_t lo, int64_t hi);
bool value_clip32(struct audit_value *v, uint32_t lo, uint32_t hi);
bool value_clip8(struct audit_value *v, uint32_t lo, uint32_t hi);

/* The value bears its own name from now on. */
static inline void value_rename(struct audit_value *v, uint64_t name)
{
    v->name = name;
    v->bits = 64;
    v->add = 0;
}

/* The result of adding the constant `c` to `x` in `width` bytes is related to x. */
void value_relate_sum(struct audit_value *sum, const struct audit_value *x, int64_t c,
                      unsigned width);

/* The step of sums of the two. */
uint64_t value_common_step(const struct audit_value *a, const struct audit_value *b);

/* Results of operations of `width` bytes (4: the upper half becomes zero; 8), without names. */
struct audit_value value_add(struct audit_value a, struct audit_value b, unsigned width);
struct audit_value value_sub(struct audit_value a, struct audit_value b, unsigned width);
struct audit_value value_and(struct audit_value a, struct audit_value b, unsigned width);
struct audit_value value_or(struct audit_value a, struct audit_value b, unsigned width);
struct audit_value value_shl(struct audit_value a, struct audit_value b, unsigned width);
struct audit_value value_shr(struct audit_value a, struct audit_value b, unsigned width);
struct audit_value value_sar(struct audit_value a, struct audit_value b, unsigned width);
struct audit_value value_mul(struct audit_value a, struct audit_value b, unsigned width);

#endif
