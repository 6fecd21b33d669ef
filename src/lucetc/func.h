/* One function body being translated: the operand stack, the labels, and what instruction
 * translators use. */
#ifndef LUCETC_FUNC_H
#define LUCETC_FUNC_H

#include "lucetc/emitter.h"

/* An enclosing block, loop, if or the function itself. */
struct label {
    enum wasm_op kind; /* block, loop, if_, else_; the function's own label is `end` */
    const wasm_valtype *params, *results;
    uint32_t nparams, nresults;
    wasm_valtype single;         /* storage for the result of a one-result block type */
    uint32_t height;             /* of the operand stack below the parameters */
    LLVMBasicBlockRef target;    /* where branches go: a loop's header, else what follows the end */
    LLVMBasicBlockRef otherwise; /* if: the else side, until it has been emitted */
    LLVMValueRef *phis;  /* of target: loop parameters, else results; owned; NULL without any */
    LLVMValueRef *saved; /* if: the parameters, for the else side; owned */
    bool reached;        /* some edge leads to target */
    uint32_t switch_id;  /* last br_table that used this label, and its block for it */
    LLVMBasicBlockRef switch_block;

    /* Exceptions; see exception.c. */
    uint32_t try_label;            /* number, from 1, of the innermost try around; 0 = none */
    LLVMBasicBlockRef landing;     /* try, try_table: where exceptions arrive; NULL = none so far */
    uint32_t catches, catch_count; /* try_table */
    LLVMBasicBlockRef unmatched;   /* catch: where no clause so far matches */
    LLVMBasicBlockRef catch_all;   /* catch_all: before its body */
    LLVMValueRef rethrown;         /* the exnref of what it caught, if it is thrown again */
    LLVMValueRef *caught;          /* catch: the values; owned */
    uint32_t caught_tag;
};

struct func {
    struct emitter *e;
    uint32_t index;
    const struct wasm_functype *type;
    LLVMValueRef llvm, context;
    LLVMValueRef *locals; /* addresses; they become registers at once (mem2reg) */
    LLVMTypeRef *local_types;
    uint32_t nlocals;
    LLVMValueRef *stack;
    uint32_t height, stack_capacity;
    struct label *labels;
    uint32_t nlabels, labels_capacity;
    struct wasm_reader reader;
    LLVMBasicBlockRef
        leave;         /* where exceptions go that nothing in it catches; NULL = none so far */
    uint32_t skip;     /* > 0: code is unreachable; number of open blocks inside of it, plus one */
    uint32_t switches; /* number of br_tables so far */
    LLVMValueRef left; /* address of the number that --count-instructions counts down; else NULL */
    uint32_t cost;     /* of the straight code so far */
    uint64_t work;     /* values created for control flow; bounds what hostile bodies can ask for */
    enum lucet_error error;
};

/* Translates one body into the module of e. Errors: no_memory; compile (too complex). */
enum lucet_error translate_func(struct emitter *e, uint32_t func_index);

/* How one instruction is translated; a row of rules.c. */
struct rule {
    void (*emit)(struct func *f, const struct wasm_instr *in, uint32_t arg);
    uint32_t arg;
};
extern const struct rule rules[WASM_OP_COUNT];

/* ---- For translators ---- */

void push(struct func *f, LLVMValueRef v);
LLVMValueRef pop(struct func *f);
/* The operands of a call and the like: the upper `n` values, in order, without copying. Valid until
 * the next push. */
LLVMValueRef *pop_many(struct func *f, uint32_t n);
/* i1 -> i32 */
void push_bool(struct func *f, LLVMValueRef condition);
/* i32 -> i1 */
LLVMValueRef pop_condition(struct func *f);
/* Everything until the enclosing end or else is unreachable. */
void mark_unreachable(struct func *f);
/* Gives up: the function is too complex. */
void too_complex(struct func *f, const char *what);
/* Gives up when too much was asked for, for translators of instructions that can ask for much. */
bool work_is_left(struct func *f);

/* Calls a helper function by name; `letters` as in emitter_functype_letters(); pushes the
 * result. */
void call_helper(struct func *f, const char *name, const char *letters, LLVMValueRef *args,
                 uint32_t nargs);

#define TRANSLATOR(name) void name(struct func *f, const struct wasm_instr *in, uint32_t arg)

/* control.c */
TRANSLATOR(emit_unreachable);
TRANSLATOR(emit_nop);
TRANSLATOR(emit_block);
TRANSLATOR(emit_loop);
TRANSLATOR(emit_if);
TRANSLATOR(emit_else);
TRANSLATOR(emit_end);
TRANSLATOR(emit_br);
TRANSLATOR(emit_br_if);
TRANSLATOR(emit_br_on_null);
TRANSLATOR(emit_br_on_non_null);
TRANSLATOR(emit_br_table);
TRANSLATOR(emit_return);
bool push_function_label(struct func *f);
void free_label(struct label *l);
/* Ends the current block with a branch to the label that carries `values`. */
void branch_with(struct func *f, struct label *l, LLVMValueRef *values);
/* Ends the side of an if, or the body of a block or a clause, that has been translated. */
void finish_side(struct func *f, struct label *l);
/* Goes on behind the end of the topmost label. */
void end_block(struct func *f, struct label *l);

/* exception.c */
TRANSLATOR(emit_throw);
TRANSLATOR(emit_throw_ref);
TRANSLATOR(emit_try_table);
TRANSLATOR(emit_try);
TRANSLATOR(emit_catch);
TRANSLATOR(emit_catch_all);
TRANSLATOR(emit_rethrow);
TRANSLATOR(emit_delegate);
/* Behind a call. */
void look_for_exception(struct func *f);
/* At the end of the block that such a label belongs to. */
void end_try_table(struct func *f, const struct label *l);
void end_try(struct func *f, struct label *l);
/* At the function's end. */
void end_exceptions(struct func *f);

/* count.c: all do nothing unless instructions are counted. */
void count_begin(struct func *f);
void count_before(struct func *f, enum wasm_op op);
void count_after(struct func *f, enum wasm_op op);
/* Before others may look. */
void count_write_back(struct func *f);

/* call.c */
TRANSLATOR(emit_call);          /* arg: 0 or TAIL_CALL */
TRANSLATOR(emit_call_indirect); /* the same */
TRANSLATOR(emit_call_ref);      /* the same */
enum { TAIL_CALL = 1 };
TRANSLATOR(emit_ref_func);
/* Builds the return of `results` (C2). */
void build_return(struct func *f, LLVMValueRef *results);

/* variable.c */
TRANSLATOR(emit_drop);
TRANSLATOR(emit_select);
TRANSLATOR(emit_local_get);
TRANSLATOR(emit_local_set);
TRANSLATOR(emit_local_tee);
TRANSLATOR(emit_global_get);
TRANSLATOR(emit_global_set);
TRANSLATOR(emit_const);
TRANSLATOR(emit_ref_null);
TRANSLATOR(emit_ref_is_null);
TRANSLATOR(emit_ref_as_non_null);

/* integer.c: arg is an LLVMOpcode, an LLVMIntPredicate, or as said there */
TRANSLATOR(emit_integer);
TRANSLATOR(emit_shift);
TRANSLATOR(emit_rotate); /* arg 1 = right */
TRANSLATOR(emit_compare);
TRANSLATOR(emit_eqz);
TRANSLATOR(emit_bit_count);   /* arg: enum bit_count */
TRANSLATOR(emit_div);         /* arg 1 = signed */
TRANSLATOR(emit_rem);         /* arg 1 = signed */
TRANSLATOR(emit_sign_extend); /* arg = bits */
TRANSLATOR(emit_wide);        /* arg: LLVMOpcode */
TRANSLATOR(emit_wide_mul);    /* arg 1 = signed */
enum bit_count { BITS_clz, BITS_ctz, BITS_popcnt };

/* float.c */
TRANSLATOR(emit_float);         /* arg: LLVMOpcode */
TRANSLATOR(emit_float_compare); /* arg: LLVMRealPredicate */
TRANSLATOR(emit_float_unary);   /* arg: enum float_unary */
TRANSLATOR(emit_float_minmax);  /* arg: 1 = max */
TRANSLATOR(emit_copysign);
enum float_unary {
    FLOAT_abs,
    FLOAT_neg,
    FLOAT_ceil,
    FLOAT_floor,
    FLOAT_trunc,
    FLOAT_nearest,
    FLOAT_sqrt
};
/* Hides a value from LLVM's folding, at no cost in code. */
LLVMValueRef opaque_float(struct emitter *e, LLVMValueRef v);

/* convert.c */
TRANSLATOR(emit_wrap);
TRANSLATOR(emit_extend);    /* arg 1 = signed */
TRANSLATOR(emit_trunc);     /* arg: TO_I64 | TO_SIGNED */
TRANSLATOR(emit_trunc_sat); /* the same */
TRANSLATOR(emit_convert);   /* arg: TO_F64 | TO_SIGNED */
TRANSLATOR(emit_demote);
TRANSLATOR(emit_promote);
TRANSLATOR(emit_reinterpret); /* arg: the wasm_valtype it becomes */
enum { TO_SIGNED = 1, TO_I64 = 2, TO_F64 = 2 };

/* memory.c */
TRANSLATOR(emit_load);  /* arg: ACCESS() */
TRANSLATOR(emit_store); /* arg: ACCESS() */
#define ACCESS(bits, is_signed, valtype) ((bits) | (is_signed) << 8 | (uint32_t)(valtype) << 16)
#define ACCESS_BITS(arg) ((arg) & 0xffu)
#define ACCESS_SIGNED(arg) ((arg) >> 8 & 1u)
#define ACCESS_VALTYPE(arg) ((arg) >> 16 & 0xffu)
#define ACCESS_OP(arg) ((arg) >> 24)

/* memory_bulk.c */
TRANSLATOR(emit_memory_size);
TRANSLATOR(emit_memory_grow);
TRANSLATOR(emit_memory_copy);
TRANSLATOR(emit_memory_fill);
TRANSLATOR(emit_memory_init);
TRANSLATOR(emit_data_drop);

/* atomic.c: arg: ACCESS(), unless said otherwise */
TRANSLATOR(emit_atomic_load);
TRANSLATOR(emit_atomic_store);
TRANSLATOR(emit_atomic_rmw); /* and LLVMAtomicRMWBinOp << 24 */
TRANSLATOR(emit_atomic_cmpxchg);
TRANSLATOR(emit_atomic_fence);
TRANSLATOR(emit_atomic_wait); /* arg: 32 or 64 */
TRANSLATOR(emit_atomic_notify);

/* table.c */
TRANSLATOR(emit_table_get);
TRANSLATOR(emit_table_set);
TRANSLATOR(emit_table_size);
TRANSLATOR(emit_table_grow);
TRANSLATOR(emit_table_fill);
TRANSLATOR(emit_table_copy);
TRANSLATOR(emit_table_init);
TRANSLATOR(emit_elem_drop);

#endif
