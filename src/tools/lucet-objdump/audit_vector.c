#include "tools/lucet-objdump/audit_vector.h"

static uint8_t vector_number(const ZydisDecodedOperand *op)
{
    if (op->type != ZYDIS_OPERAND_TYPE_REGISTER)
        return VECTOR_NONE;
    switch (ZydisRegisterGetClass(op->reg.value)) {
    case ZYDIS_REGCLASS_XMM:
    case ZYDIS_REGCLASS_YMM:
    case ZYDIS_REGCLASS_ZMM: return (uint8_t)ZydisRegisterGetId(op->reg.value);
    default: return VECTOR_NONE;
    }
}

static enum audit_vector_op vector_op(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_PMOVZXDQ:
    case ZYDIS_MNEMONIC_VPMOVZXDQ:
    case ZYDIS_MNEMONIC_PMOVZXWQ:
    case ZYDIS_MNEMONIC_VPMOVZXWQ:
    case ZYDIS_MNEMONIC_PMOVZXBQ:
    case ZYDIS_MNEMONIC_VPMOVZXBQ: return VECTOR_SET;
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVDQU:
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA32:
    case ZYDIS_MNEMONIC_VMOVDQA64:
    case ZYDIS_MNEMONIC_VEXTRACTI128:
    case ZYDIS_MNEMONIC_VEXTRACTF128:
    case ZYDIS_MNEMONIC_VEXTRACTI32X4:
    case ZYDIS_MNEMONIC_VEXTRACTF32X4:
    case ZYDIS_MNEMONIC_VEXTRACTI64X2:
    case ZYDIS_MNEMONIC_VEXTRACTF64X2:
    case ZYDIS_MNEMONIC_VEXTRACTI64X4:
    case ZYDIS_MNEMONIC_VEXTRACTF64X4: return VECTOR_COPY;
    case ZYDIS_MNEMONIC_PAND:
    case ZYDIS_MNEMONIC_VPAND:
    case ZYDIS_MNEMONIC_VPANDD:
    case ZYDIS_MNEMONIC_VPANDQ: return VECTOR_EITHER;
    case ZYDIS_MNEMONIC_POR:
    case ZYDIS_MNEMONIC_VPOR:
    case ZYDIS_MNEMONIC_VPORD:
    case ZYDIS_MNEMONIC_VPORQ:
    case ZYDIS_MNEMONIC_PUNPCKLQDQ:
    case ZYDIS_MNEMONIC_VPUNPCKLQDQ:
    case ZYDIS_MNEMONIC_PUNPCKHQDQ:
    case ZYDIS_MNEMONIC_VPUNPCKHQDQ:
    case ZYDIS_MNEMONIC_VINSERTI128:
    case ZYDIS_MNEMONIC_VINSERTI32X4:
    case ZYDIS_MNEMONIC_VINSERTI64X4: return VECTOR_BOTH;
    default: return VECTOR_CLEAR;
    }
}

static bool is_lane(const ZydisDecodedInstruction *insn, const struct audit_insn *out)
{
    const bool takes =
        insn->mnemonic == ZYDIS_MNEMONIC_MOVQ || insn->mnemonic == ZYDIS_MNEMONIC_VMOVQ ||
        insn->mnemonic == ZYDIS_MNEMONIC_PEXTRQ || insn->mnemonic == ZYDIS_MNEMONIC_VPEXTRQ;

    return takes && out->a.kind == OPERAND_REG && out->vector.sources[0] != VECTOR_NONE;
}

void audit_decode_vector(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *operands,
                         struct audit_insn *out)
{
    struct audit_vector *v = &out->vector;
    unsigned nsources = 0;

    *v = (struct audit_vector){.sources = {VECTOR_NONE, VECTOR_NONE}};
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const ZydisDecodedOperand *op = &operands[i];
        const uint8_t reg = vector_number(op);
        if (reg == VECTOR_NONE)
            continue;
        if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
            v->writes |= 1u << reg;
        if (op->size > 128)
            v->wide = true;
        if (op->visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN && nsources < 2 &&
            op->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
            v->sources[nsources++] = reg;
    }
    /* With a mask that keeps some lanes, the destination is a source too: nothing LLVM does
     * here. */
    const bool merges = insn->avx.mask.mode == ZYDIS_MASK_MODE_MERGING;
    v->op = VECTOR_CLEAR;
    if (v->writes && !merges)
        v->op = (uint8_t)vector_op(insn);
    else if (is_lane(insn, out))
        out->op = OP_LANE;
    v->keeps_upper = insn->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
}
