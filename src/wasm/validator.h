/* Validation of function bodies: the algorithm of the specification's appendix, with an explicit
 * stack of control frames and one of operand types. Both grow with what the body really does. */
#ifndef LUCET_WASM_VALIDATOR_H
#define LUCET_WASM_VALIDATOR_H

#include "wasm/cursor.h"
#include "wasm/wasm.h"

struct wasm_decoder;

/* The types of operands that unreachable code made up: they match any type, any reference type. */
enum { WASM_UNKNOWN = 0, WASM_UNKNOWN_REF = 1 };

bool wasm_is_subtype(const struct wasm_module *m, wasm_valtype sub, wasm_valtype super);

struct wasm_types {
    const wasm_valtype *types;
    uint32_t count;
};

struct wasm_frame {
    uint32_t height;     /* of the operand stack where the block began */
    uint32_t ninits;     /* initialised locals where the block began */
    uint32_t type;       /* of the block: index of a function type, or WASM_NONE */
    wasm_valtype result; /* of a block without such an index, 0 when it has none */
    uint16_t kind;       /* WASM_OP_block, loop, if_, else_, try_table, try, catch, catch_all;
                            WASM_OP_call for the function itself or a constant expression */
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

    /* Locals whose type has no default value: those that have been set, as a set and as a stack of
     * what to take out of it where blocks end. */
    uint8_t *is_init;
    uint32_t init_capacity; /* locals */
    uint32_t *inits;
    uint32_t ninits, inits_capacity;

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
/* Fails when the local has no value yet. */
void wasm_check_local_init(struct wasm_validator *v, uint32_t index, wasm_valtype type);
void wasm_set_local_init(struct wasm_validator *v, uint32_t index, wasm_valtype type);
/* Forgets the locals that were set after the first `ninits`. */
void wasm_reset_local_inits(struct wasm_validator *v, uint32_t ninits);

/* Operands. */
void wasm_grow_operands(struct wasm_validator *v, uint32_t count);
void wasm_pop_slowly(struct wasm_validator *v, wasm_valtype expected);
wasm_valtype wasm_pop_any(struct wasm_validator *v);
/* A reference of any type, or WASM_UNKNOWN_REF. */
wasm_valtype wasm_pop_ref(struct wasm_validator *v);
/* Checks that the topmost operands are of these types; how many of them are really there, fewer
 * than asked for only in unreachable code. */
uint32_t wasm_match(struct wasm_validator *v, struct wasm_types types);
/* Lists of `count` types that differ are about to be compared one by one. */
void wasm_count_comparisons(struct wasm_validator *v, uint32_t count);
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
void wasm_enter_expr(struct wasm_validator *v, wasm_valtype result);
void wasm_validate_block(struct wasm_validator *v);
void wasm_validate_else(struct wasm_validator *v);
void wasm_validate_end(struct wasm_validator *v);
void wasm_validate_br_table(struct wasm_validator *v);
void wasm_set_unreachable(struct wasm_validator *v);
const struct wasm_frame *wasm_label(struct wasm_validator *v, uint32_t depth);
struct wasm_types wasm_label_types(const struct wasm_validator *v, const struct wasm_frame *f);
struct wasm_types wasm_function_results(const struct wasm_validator *v);

/* Fails unless as many types match one by one. */
void wasm_check_types(struct wasm_validator *v, struct wasm_types sub, struct wasm_types super);
/* Ends the part of a block before else, catch or catch_all and begins the next. */
void wasm_restart_block(struct wasm_validator *v, enum wasm_op kind);

void wasm_validate_try_table(struct wasm_validator *v);
void wasm_validate_catch(struct wasm_validator *v); /* and catch_all */
void wasm_validate_delegate(struct wasm_validator *v);
void wasm_validate_rethrow(struct wasm_validator *v);
void wasm_validate_throw(struct wasm_validator *v);

/* Instructions. */
void wasm_validate_call(struct wasm_validator *v, uint32_t type);
void wasm_validate_tail_call(struct wasm_validator *v, uint32_t type);
void wasm_validate_call_ref(struct wasm_validator *v); /* and return_call_ref */
void wasm_validate_ref_is_null(struct wasm_validator *v);
void wasm_validate_ref_as_non_null(struct wasm_validator *v);
void wasm_validate_ref_func(struct wasm_validator *v);
void wasm_validate_br_on_null(struct wasm_validator *v);
void wasm_validate_br_on_non_null(struct wasm_validator *v);
void wasm_validate_memory_copy(struct wasm_validator *v);
void wasm_validate_table_op(struct wasm_validator *v); /* but table.init */
void wasm_validate_table_init(struct wasm_validator *v);
void wasm_check_immediates(struct wasm_validator *v);
void wasm_validate_instr(struct wasm_validator *v);

#endif
