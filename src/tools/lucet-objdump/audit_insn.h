/* One machine instruction, reduced to what the audit reasons about. Only audit_decode.c and
 * audit_allow.c know the decoder behind it. */
#ifndef LUCET_AUDIT_INSN_H
#define LUCET_AUDIT_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* General registers by their number in the encoding. */
enum audit_reg {
    REG_RAX,
    REG_RCX,
    REG_RDX,
    REG_RBX,
    REG_RSP,
    REG_RBP,
    REG_RSI,
    REG_RDI,
    REG_R8,
    REG_R9,
    REG_R10,
    REG_R11,
    REG_R12,
    REG_R13,
    REG_R14,
    REG_R15,
    REG_COUNT,
    REG_RIP = REG_COUNT,
    REG_NONE
};

enum audit_flow {
    FLOW_NEXT,
    FLOW_JUMP,
    FLOW_COND,
    FLOW_CALL,
    FLOW_JUMP_IND,
    FLOW_CALL_IND,
    FLOW_RET,
    FLOW_STOP, /* ud1, ud2, int3: control never passes */
};

/* Operations whose result the audit computes; OP_OTHER leaves unknown values in what it writes. */
enum audit_op {
    OP_OTHER,
    OP_NOP,
    OP_MOV,
    OP_MOVSX,
    OP_LEA,
    OP_ADD,
    OP_SUB,
    OP_ADC,
    OP_SBB,
    OP_AND,
    OP_OR,
    OP_XOR,
    OP_SHL,
    OP_SHR,
    OP_SAR,
    OP_IMUL,
    OP_INC,
    OP_DEC,
    OP_CMP,
    OP_TEST,
    OP_PUSH,
    OP_POP,
    OP_CMOV,
    OP_XCHG,
    OP_LANE,  /* takes 64 bits out of a vector */
    OP_SMALL, /* writes a number below `bound` */
};

/* Conditions as the low four bits of the opcode encode them. */
enum audit_cond {
    COND_O,
    COND_NO,
    COND_B,
    COND_AE,
    COND_E,
    COND_NE,
    COND_BE,
    COND_A,
    COND_S,
    COND_NS,
    COND_P,
    COND_NP,
    COND_L,
    COND_GE,
    COND_LE,
    COND_G
};

enum audit_operand_kind { OPERAND_NONE, OPERAND_REG, OPERAND_IMM, OPERAND_MEM, OPERAND_OTHER };

struct audit_operand {
    uint8_t kind, reg; /* OPERAND_REG: a general register from its lowest byte on */
    uint8_t width;     /* bytes, 255 when more */
    int64_t imm;
};

enum audit_segment { SEG_NONE, SEG_GS, SEG_OTHER };

struct audit_mem {
    bool present, read, write;
    bool address_only;  /* lea: nothing is accessed */
    bool vector_index;  /* gather or scatter */
    bool short_address; /* the address is cut to 32 bits */
    uint8_t segment;
    uint8_t base, index, scale; /* REG_NONE; REG_RIP as base means disp is an image address */
    uint16_t size;              /* bytes */
    int64_t disp;
};

/* What becomes of the knowledge that all lanes of a vector are below 2^32: vector registers written
 * lose it, get it, or have it when the source, both sources or either has it. */
enum audit_vector_op { VECTOR_CLEAR, VECTOR_SET, VECTOR_COPY, VECTOR_BOTH, VECTOR_EITHER };
enum { VECTOR_NONE = 255 };

struct audit_vector {
    uint32_t writes; /* set of vector registers */
    uint8_t op, sources[2];
    bool wide;        /* more than 128 bits take part */
    bool keeps_upper; /* what lies above the lowest 128 bits stays */
};

struct audit_insn {
    uint32_t at; /* address in the image */
    uint8_t size;
    uint8_t flow, op, cond;
    bool writes_flags;
    bool writes_gs; /* wrgsbase: only some helpers may */
    bool avx512;    /* encoded as AVX-512 is, or of mask registers */
    bool integer; /* on the list of those that name general registers only, and no state of floating
                     point */
    bool locked;
    uint8_t trap; /* code of a trap instruction, else 0 */
    uint64_t bound;
    uint16_t writes64, writes32, writes_part; /* registers written, by width */
    uint16_t writes_maybe;                    /* of those, written under a condition */
    int64_t target;                           /* of direct jumps and calls: image address */
    struct audit_operand a, b, c;             /* as the vendors' manuals order them */
    struct audit_vector vector;
    struct audit_mem mem;  /* the explicit one; pushes and calls also use the stack */
    const char *forbidden; /* why it is not on the list of allowed instructions, or NULL */
};

/* Decodes the instruction at `at`. False when the bytes are none. */
bool audit_decode(const uint8_t *bytes, size_t size, uint32_t at, bool has_bmi,
                  struct audit_insn *out);

/* One line of assembly in Intel's syntax; "(bad)" for what is no instruction. Returns its length,
 * at least 1. */
size_t audit_disassemble(const uint8_t *bytes, size_t size, uint32_t at, char *text, size_t room);

static inline uint32_t audit_insn_end(const struct audit_insn *i)
{
    return i->at + i->size;
}

#endif
