/* Validation of function bodies: the algorithm of the specification's appendix, with an explicit
 * stack of control frames and one of operand types. Both grow with what the body really does. */
#ifndef LUCET_WASM_VALIDATOR_H
#define LUCET_WASM_VALIDATOR_H

#include "wasm/cursor.h"
#include "wasm/wasm.h"

struct wasm_decoder;

/* The type of an operand that unreachable code made up: it matches any. */
enum { WASM_UNKNOWN = 0 };

struct wasm_types {
    const wasm_valtype *types;
    uint32_t count;
};

struct wasm_frame {
    uint32_t height;     /* of the operand stack where the block began */
    uint32_t type;       /* of the block: index of a function type, or WASM_NONE */
    wasm_valtype result; /* of a block without such an index, 0 when it has none */
    uint16_t kind;       /* WASM_OP_block, loop, if_, else_; WASM_OP_call for the function itself */
    bool unreachable;    /* the rest of the block */
};

/* Locals are declared as runs of one type; only the first ones are spread out, because a body of
 * five bytes may declare 50,000. */
enum { WASM_FLAT_LOCALS = 128 };

struct wasm_run {
    uint32_t end; /* index of the first local after the run */
    wasm_valtype type;
};

struct wasm_validator {
    struct wasm_decoder *decoder;
    const struct wasm_instr *instr; /* at hand */

    wasm_valtype *operands;
    uint32_t noperands, operand_capacity;
    uint32_t base;    /* height of the innermost frame */
    bool unreachable; /* of the innermost frame */

    struct wasm_frame *frames;
    uint32_t nframes, frame_capacity;

    struct wasm_types params;
    uint32_t nlocals; /* with the parameters */
    struct wasm_run *runs;
    uint32_t nruns, run_capacity;
    wasm_valtype flat[WASM_FLAT_LOCALS];

    uint32_t *seen; /* for br_table: see validate_br_table.c */
    uint32_t seen_stamp;
};

/* Validates the body of a defined function and reads it to its end. */
void wasm_validate_body(struct wasm_decoder *d, uint32_t func_index, struct wasm_cursor *c);

/* Fails at the instruction at hand. */
#define wasm_reject(v, ...)                                                                        \
    wasm_fail(wasm_validator_failure(v), (v)->instr->offset, WASM_INVALID, __VA_ARGS__)
struct wasm_failure *wasm_validator_failure(const struct wasm_validator *v);

/* Locals. */
void wasm_read_locals(struct wasm_validator *v, struct wasm_cursor *c, struct wasm_types params);
wasm_valtype wasm_local_type(const struct wasm_validator *v, uint32_t index);

/* Operands. */
void wasm_grow_operands(struct wasm_validator *v, uint32_t count);
void wasm_pop_slowly(struct wasm_validator *v, wasm_valtype expected);
wasm_valtype wasm_pop_any(struct wasm_validator *v);
/* Checks that the topmost operands are of these types; how many of them are really there, fewer
 * than asked for only in unreachable code. */
uint32_t wasm_match(struct wasm_validator *v, struct wasm_types types);
void wasm_pop_all(struct wasm_validator *v, struct wasm_types types);
void wasm_push_all(struct wasm_validator *v, struct wasm_types types);

static inline void wasm_push(struct wasm_validator *v, wasm_valtype type)
{
    if (v->noperands == v->operand_capacity)
        wasm_grow_operands(v, 1);
    v->operands[v->noperands++] = type;
}

static inline void wasm_pop(struct wasm_validator *v, wasm_valtype expected)
{
    if (v->noperands > v->base && v->operands[v->noperands - 1] == expected)
        v->noperands--;
    else
        wasm_pop_slowly(v, expected);
}

/* Control. */
void wasm_enter_function(struct wasm_validator *v, uint32_t type);
void wasm_validate_block(struct wasm_validator *v);
void wasm_validate_else(struct wasm_validator *v);
void wasm_validate_end(struct wasm_validator *v);
void wasm_validate_br_table(struct wasm_validator *v);
void wasm_set_unreachable(struct wasm_validator *v);
const struct wasm_frame *wasm_label(struct wasm_validator *v, uint32_t depth);
struct wasm_types wasm_label_types(const struct wasm_validator *v, const struct wasm_frame *f);
struct wasm_types wasm_function_results(const struct wasm_validator *v);

/* Instructions. */
void wasm_check_immediates(struct wasm_validator *v);
void wasm_validate_instr(struct wasm_validator *v);

#endif
