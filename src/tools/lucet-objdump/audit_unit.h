/* One function under analysis. */
#ifndef LUCET_AUDIT_UNIT_H
#define LUCET_AUDIT_UNIT_H

#include "tools/lucet-objdump/audit.h"
#include "tools/lucet-objdump/audit_state.h"

/* Names what an entry is given to call, in the scratch register. */
enum { AUDIT_GIVEN = REG_R10 + 1 };

struct audit_block {
    uint32_t first, last; /* instruction numbers, inclusive */
    bool dirty;
    uint32_t rounds;
    struct audit_state in;
};

struct audit_unit {
    const struct audit_input *in;
    const struct audit_function *fn;
    uint32_t number; /* of fn */
    struct audit_insn *insns;
    uint32_t ninsns;
    struct audit_block *blocks;
    uint32_t nblocks;
    uint8_t *leader; /* per instruction: a block begins here */
    struct audit_thresholds thresholds;
    uint32_t bad_at; /* where decoding stopped; fn->end when it did not */
};

/* Decodes the function and divides it into blocks. False when out of memory. */
bool unit_open(struct audit_unit *u, const struct audit_input *in, uint32_t number);
void unit_close(struct audit_unit *u);
/* The instruction at an address, or UINT32_MAX. */
uint32_t unit_insn_at(const struct audit_unit *u, int64_t address);
/* The block that begins with the instruction, or UINT32_MAX. */
uint32_t unit_block_from(const struct audit_unit *u, uint32_t insn);
/* Lets a block begin at the instruction too; all states are lost. False when out of memory. */
bool unit_split(struct audit_unit *u, uint32_t insn);

/* Finds the state before every reachable block. False when out of memory. */
bool unit_solve(struct audit_unit *u, bool *gave_up);

/* The state at the function's first instruction. */
void unit_entry_state(const struct audit_unit *u, struct audit_state *s);
/* The effect of an instruction (of a call: its return). False when out of memory. */
bool unit_step(const struct audit_unit *u, struct audit_state *s, const struct audit_insn *insn);
/* The address of a memory operand, without its segment's base. */
struct audit_value unit_address(const struct audit_unit *u, const struct audit_state *s,
                                const struct audit_mem *m);
/* Whether reservation and guard contain what 32-bit indices of the memory can name. */
bool unit_memory_is_guarded(const struct audit_unit *u, uint32_t number);
/* Whether the operand is the mark by which trampolines see whose base gs holds. */
bool unit_is_mark(const struct audit_mem *m);
/* What a load from a memory operand yields. */
struct audit_value unit_load(const struct audit_unit *u, struct audit_state *s,
                             const struct audit_insn *insn, unsigned width);
/* Where an indirect branch goes. */
struct audit_value unit_callee(const struct audit_unit *u, struct audit_state *s,
                               const struct audit_insn *insn);
/* What a wrgsbase writes. */
struct audit_value unit_gs_written(const struct audit_state *s, const struct audit_insn *insn);
/* The jump table entry that a sign-extending load of four bytes reads; kind VALUE_NUMBER
 * otherwise. */
struct audit_value unit_table_entry(const struct audit_unit *u, const struct audit_state *s,
                                    const struct audit_insn *insn);
/* Target number `i` of a VALUE_TARGET; its number of entries. */
uint32_t unit_table_size(const struct audit_value *v);
int64_t unit_table_target(const struct audit_unit *u, const struct audit_value *v, uint32_t i);

/* audit_classify.c: counts and judges all instructions of a solved unit. False: out of memory. */
bool unit_classify(struct audit_unit *u, struct audit_report *out);

/* audit_findings.c: puts a finding on the list. False when out of memory. */
__attribute__((format(printf, 6, 7))) bool audit_found(struct audit_report *r,
                                                       const struct audit_unit *u,
                                                       enum audit_finding_kind kind, bool violation,
                                                       uint32_t at, const char *format, ...);

#endif
