/* A list of what is allowed, not of what is forbidden: an instruction nobody thought of is refused.
 * The integer instructions are listed one by one, because their instruction sets also hold what
 * talks to ports, the interrupt flag and segment registers. The vector sets are listed as sets;
 * what is harmful in them has categories or sets of its own. */
#include "tools/lucet-objdump/audit_allow.h"

#include <stdbool.h>
#include <stddef.h>

#define M(name) [ZYDIS_MNEMONIC_##name] = 1
#define CONDITIONS(p)                                                                              \
    M(p##B), M(p##BE), M(p##L), M(p##LE), M(p##NB), M(p##NBE), M(p##NL), M(p##NLE), M(p##NO),      \
        M(p##NP), M(p##NS), M(p##NZ), M(p##O), M(p##P), M(p##S), M(p##Z)

static const uint8_t plain[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
    M(ADC),
    M(ADD),
    M(AND),
    M(BSF),
    M(BSR),
    M(BSWAP),
    M(BT),
    M(BTC),
    M(BTR),
    M(BTS),
    M(CALL),
    M(CBW),
    M(CDQ),
    M(CDQE),
    M(CMC),
    M(CMP),
    M(CMPXCHG),
    M(CQO),
    M(CWD),
    M(CWDE),
    M(DEC),
    M(DIV),
    M(IDIV),
    M(IMUL),
    M(INC),
    M(INT3),
    M(JMP),
    M(LEA),
    M(MFENCE),
    M(MOV),
    M(MOVSX),
    M(MOVSXD),
    M(MOVZX),
    M(MUL),
    M(NEG),
    M(NOP),
    M(NOT),
    M(OR),
    M(POP),
    M(PUSH),
    M(RCL),
    M(RCR),
    M(RET),
    M(ROL),
    M(ROR),
    M(SAR),
    M(SBB),
    M(SHL),
    M(SHLD),
    M(SHR),
    M(SHRD),
    M(STC),
    M(CLC),
    M(SUB),
    M(TEST),
    M(UD1),
    M(UD2),
    M(XADD),
    M(XCHG),
    M(XOR),
    CONDITIONS(J),
    CONDITIONS(CMOV),
    CONDITIONS(SET),
    /* Instruction sets of a handful of members */
    M(ANDN),
    M(BEXTR),
    M(BLSI),
    M(BLSMSK),
    M(BLSR),
    M(BZHI),
    M(LZCNT),
    M(MOVBE),
    M(MULX),
    M(POPCNT),
    M(RORX),
    M(SARX),
    M(SHLX),
    M(SHRX),
    M(TZCNT),
    M(WRGSBASE), /* where: see audit_policy.c */
};

#define S(name) [ZYDIS_ISA_SET_##name] = 1
static const uint8_t vector_sets[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
    S(SSE),
    S(SSE2),
    S(SSE3),
    S(SSSE3),
    S(SSE4),
    S(SSE42),
    S(GFNI),
    S(AVX),
    S(AVX2),
    S(FMA),
    S(F16C),
    S(AVX_GFNI),
    S(AVX_VNNI),
    S(AVX512F_128),
    S(AVX512F_128N),
    S(AVX512F_256),
    S(AVX512F_512),
    S(AVX512F_KOP),
    S(AVX512F_SCALAR),
    S(AVX512BW_128),
    S(AVX512BW_128N),
    S(AVX512BW_256),
    S(AVX512BW_512),
    S(AVX512BW_KOP),
    S(AVX512DQ_128),
    S(AVX512DQ_128N),
    S(AVX512DQ_256),
    S(AVX512DQ_512),
    S(AVX512DQ_KOP),
    S(AVX512DQ_SCALAR),
    S(AVX512CD_128),
    S(AVX512CD_256),
    S(AVX512CD_512),
    S(AVX512_IFMA_128),
    S(AVX512_IFMA_256),
    S(AVX512_IFMA_512),
    S(AVX512_VBMI_128),
    S(AVX512_VBMI_256),
    S(AVX512_VBMI_512),
    S(AVX512_VBMI2_128),
    S(AVX512_VBMI2_256),
    S(AVX512_VBMI2_512),
    S(AVX512_VNNI_128),
    S(AVX512_VNNI_256),
    S(AVX512_VNNI_512),
    S(AVX512_BITALG_128),
    S(AVX512_BITALG_256),
    S(AVX512_BITALG_512),
    S(AVX512_VPOPCNTDQ_128),
    S(AVX512_VPOPCNTDQ_256),
    S(AVX512_VPOPCNTDQ_512),
    S(AVX512_GFNI_128),
    S(AVX512_GFNI_256),
    S(AVX512_GFNI_512),
};

/* Members of the sets above which store through rdi without naming it, access a vector of
 * addresses, change how the host's floating-point code works, or which no code of lucetc's has. */
static const char *vector_forbidden(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU: return "store through an implicit register";
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR: return "floating-point control";
    case ZYDIS_MNEMONIC_MOVNTI:
    case ZYDIS_MNEMONIC_MOVNTDQ:
    case ZYDIS_MNEMONIC_MOVNTPD:
    case ZYDIS_MNEMONIC_MOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_MOVNTDQA:
    case ZYDIS_MNEMONIC_VMOVNTDQA: return "non-temporal access";
    case ZYDIS_MNEMONIC_CRC32:
    case ZYDIS_MNEMONIC_PCLMULQDQ:
    case ZYDIS_MNEMONIC_VPCLMULQDQ: return "checksum instruction";
    case ZYDIS_MNEMONIC_LFENCE:
    case ZYDIS_MNEMONIC_SFENCE: return "fence of loads or stores alone";
    default: break;
    }
    switch (insn->meta.category) {
    case ZYDIS_CATEGORY_GATHER:
    case ZYDIS_CATEGORY_AVX2GATHER:
    case ZYDIS_CATEGORY_SCATTER: return "gather or scatter";
    case ZYDIS_CATEGORY_MMX:
    case ZYDIS_CATEGORY_X87_ALU: return "MMX or x87 instruction";
    case ZYDIS_CATEGORY_STRINGOP:
    case ZYDIS_CATEGORY_IOSTRINGOP: return "string instruction";
    default: return NULL;
    }
}

static const char *operand_forbidden(const ZydisDecodedOperand *op)
{
    if (op->type == ZYDIS_OPERAND_TYPE_POINTER)
        return "far pointer";
    if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return NULL;
    switch (ZydisRegisterGetClass(op->reg.value)) {
    case ZYDIS_REGCLASS_SEGMENT: return "segment register";
    case ZYDIS_REGCLASS_CONTROL:
    case ZYDIS_REGCLASS_DEBUG:
    case ZYDIS_REGCLASS_TEST: return "control register";
    case ZYDIS_REGCLASS_X87:
    case ZYDIS_REGCLASS_MMX: return "MMX or x87 register";
    default: return NULL;
    }
}

static const char *prefix_forbidden(const ZydisDecodedInstruction *insn)
{
    const ZydisInstructionAttributes a = insn->attributes;

    if (insn->mnemonic == ZYDIS_MNEMONIC_NOP)
        return NULL; /* padding has every prefix there is */
    if (a & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
        return "fs prefix";
    if (a & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE))
        return "repeat prefix";
    if (a & (ZYDIS_ATTRIB_HAS_XACQUIRE | ZYDIS_ATTRIB_HAS_XRELEASE | ZYDIS_ATTRIB_HAS_BND))
        return "transaction or bounds prefix";
    return NULL;
}

static const char *branch_forbidden(const ZydisDecodedInstruction *insn)
{
    if (insn->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return "far branch";
    /* Processors disagree about their length. */
    if (insn->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
        insn->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
        return "branch with an operand size prefix";
    if (insn->mnemonic == ZYDIS_MNEMONIC_RET && insn->raw.imm[0].size != 0)
        return "return that pops arguments";
    return NULL;
}

/* What is allowed in some forms only. */
static const char *form_forbidden(const ZydisDecodedInstruction *insn,
                                  const ZydisDecodedOperand *operands)
{
    const bool in_memory = operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY;

    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTC:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTS:
        /* The number of the bit is part of the address. */
        return in_memory && operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER ? "bit string in memory"
                                                                            : NULL;
    case ZYDIS_MNEMONIC_POP:
        if (in_memory)
            return "pop to memory";
        return insn->operand_width != 64 ? "pop of less than 64 bits" : NULL;
    case ZYDIS_MNEMONIC_PUSH: return insn->operand_width != 64 ? "push of less than 64 bits" : NULL;
    default: return NULL;
    }
}

bool audit_is_integer(const ZydisDecodedInstruction *insn)
{
    return plain[insn->mnemonic];
}

const char *audit_forbidden(const ZydisDecodedInstruction *insn,
                            const ZydisDecodedOperand *operands)
{
    const char *why = vector_forbidden(insn);

    if (!why && !plain[insn->mnemonic] && !vector_sets[insn->meta.isa_set])
        why = "not on the list of allowed instructions";
    if (!why)
        why = prefix_forbidden(insn);
    if (!why)
        why = branch_forbidden(insn);
    if (!why)
        why = form_forbidden(insn, operands);
    for (unsigned i = 0; !why && i < insn->operand_count; i++)
        if (operands[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            why = operand_forbidden(&operands[i]);
    return why;
}
