/* What is known at one point of a function: registers, the stack slots written so far, and the last
 * comparison. */
#ifndef LUCET_AUDIT_STATE_H
#define LUCET_AUDIT_STATE_H

#include "module/format.h"
#include "tools/lucet-objdump/audit_insn.h"
#include "tools/lucet-objdump/audit_value.h"

struct audit_slot {
    int32_t at; /* from the stack pointer at entry: the return address is at 0 */
    uint8_t size;
    struct audit_value value;
};

/* The flags are those of `left - right`, in `width` bytes. */
struct audit_compare {
    bool valid;
    bool zero_only; /* only zero and sign are (the result of an addition, say) */
    uint8_t width, left_reg;
    struct audit_value left, right;
};

/* The memory is known to have so many bytes. */
struct audit_floor {
    uint16_t memory; /* number + 1 */
    int64_t bytes;
};
enum { AUDIT_FLOORS = 4 };

/* Whose base gs holds: the running context's, or that of the record which a thunk runs. */
enum { AUDIT_GS_OWN, AUDIT_GS_OWNER, AUDIT_GS_UNKNOWN };

struct audit_state {
    bool reached;
    uint8_t gs;
    struct audit_value regs[REG_COUNT];
    struct audit_compare compare;
    /* Vector registers whose lanes of 64 bits are below 2^32: those of the lowest 128 bits, all. */
    uint32_t small_low, small_all;
    /* The stack has been accessed at this offset or below, down from the entry's rsp. */
    int64_t touched;
    bool touched_top; /* at rsp itself, since it last moved */
    struct audit_floor floors[AUDIT_FLOORS];
    uint8_t nfloors;
    struct audit_slot *slots; /* by `at`, disjoint */
    uint32_t nslots, room;
};

/* Names of values: what instruction number `which` at an address made, and what a merge did. */
static inline uint64_t state_name(uint32_t at, unsigned which)
{
    return ((uint64_t)at + 1) << 2 | which;
}

bool state_copy(struct audit_state *to, const struct audit_state *from);
void state_free(struct audit_state *s);
/* Merges `from` into `to`, which belongs to the block at `block`. False when out of memory. */
bool state_join(struct audit_state *to, const struct audit_state *from, uint32_t block,
                const struct audit_thresholds *widen, bool *changed);

/* The value of a register becomes `v`, under a new name unless it has one. */
void state_set(struct audit_state *s, unsigned reg, struct audit_value v, uint64_t name);
/* The register's value with a name (`name`, when it had none), so that a copy can be known as
 * one. */
struct audit_value state_named(struct audit_state *s, unsigned reg, uint64_t name);

/* Gives the register's value a name of its own, which only copies of it bear. */
void state_rename(struct audit_state *s, unsigned reg, uint64_t name);

struct audit_value state_load(struct audit_state *s, int64_t at, unsigned size, uint64_t name);
/* False when out of memory. */
bool state_store(struct audit_state *s, int64_t at, unsigned size, struct audit_value v);
/* gs may have another base now, so what was read through it says nothing of it. */
void state_set_gs(struct audit_state *s, int64_t gs);
/* Nothing is known of bytes below `at` any more; INT64_MAX: of the whole stack. */
void state_drop_below(struct audit_state *s, int64_t at);

/* The declared memories, imported ones first. */
struct audit_unit_sizes {
    const struct lucet_module_memory *memories;
    uint32_t nimported, count;
};

/* The condition holds (or does not): narrows what was compared. False when it cannot be. */
bool state_assume(const struct audit_unit_sizes *sizes, struct audit_state *s,
                  enum audit_cond cond);

/* audit_fit.c. The same where one of the two is the size of a memory + a constant. */
void state_assume_size(const struct audit_unit_sizes *sizes, struct audit_state *s,
                       const struct audit_compare *c, enum audit_cond cond);
/* Whether anything changed. */
bool state_join_floors(struct audit_state *to, const struct audit_state *from);
/* A call: an imported memory may have been reset. */
void state_forget_sizes(struct audit_state *s);
/* Bytes that a memory (number + 1) is known to have. */
int64_t audit_floor(const struct audit_unit_sizes *sizes, const struct audit_state *s,
                    uint16_t memory);
/* Whether `size` bytes at offset v, or at base + v, are within the memory. */
bool audit_fits(const struct audit_unit_sizes *sizes, const struct audit_state *s, uint32_t number,
                const struct audit_value *v, unsigned size);

#endif
