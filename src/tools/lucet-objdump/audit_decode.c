/* From the decoder's description of an instruction to the audit's. */
#include "tools/lucet-objdump/audit_insn.h"

#include <stdio.h>
#include <string.h>

#include "tools/lucet-objdump/audit_allow.h"
#include "tools/lucet-objdump/audit_vector.h"

static const ZydisDecoder *decoder(void)
{
    static ZydisDecoder d;
    static bool ready;

    if (!ready)
        ready =
            ZYAN_SUCCESS(ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64));
    return &d;
}

static uint8_t reg_number(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_RIP)
        return REG_RIP;
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64: break;
    default: return REG_NONE;
    }
    reg = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return (uint8_t)ZydisRegisterGetId(reg);
}

static bool is_high_byte(ZydisRegister reg)
{
    return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

static void read_mem(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op,
                     struct audit_insn *out)
{
    struct audit_mem *m = &out->mem;

    m->present = true;
    m->read = op->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    m->write = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    m->address_only = op->mem.type == ZYDIS_MEMOP_TYPE_AGEN;
    m->vector_index = op->mem.type == ZYDIS_MEMOP_TYPE_VSIB;
    m->short_address = z->address_width != 64;
    /* The decoder names the default segment (ds, ss), which has base 0 in this mode. */
    m->segment = op->mem.segment == ZYDIS_REGISTER_GS   ? SEG_GS
                 : op->mem.segment == ZYDIS_REGISTER_FS ? SEG_OTHER
                                                        : SEG_NONE;
    m->base = op->mem.base == ZYDIS_REGISTER_NONE ? REG_NONE : reg_number(op->mem.base);
    m->index = op->mem.index == ZYDIS_REGISTER_NONE ? REG_NONE : reg_number(op->mem.index);
    m->scale = m->index == REG_NONE ? 1 : op->mem.scale;
    m->disp = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
    if (m->base == REG_RIP)
        m->disp += audit_insn_end(out);
    m->size = (uint16_t)((op->size + 7) / 8);
}

static struct audit_operand read_operand(const ZydisDecodedOperand *op)
{
    struct audit_operand o = {.kind = OPERAND_OTHER, .reg = REG_NONE};
    const unsigned width = op->size / 8;

    o.width = width > 255 ? 255 : (uint8_t)width;
    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        o.kind = OPERAND_IMM;
        o.imm = op->imm.is_signed ? op->imm.value.s : (int64_t)op->imm.value.u;
    } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        o.kind = OPERAND_MEM;
    } else if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && !is_high_byte(op->reg.value)) {
        o.reg = reg_number(op->reg.value);
        if (o.reg < REG_COUNT)
            o.kind = OPERAND_REG;
    }
    return o;
}

static void note_write(const ZydisDecodedOperand *op, struct audit_insn *out)
{
    if (op->type != ZYDIS_OPERAND_TYPE_REGISTER || !(op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
        return;
    const uint8_t reg = reg_number(op->reg.value);
    if (reg >= REG_COUNT)
        return;
    const uint16_t bit = (uint16_t)(1u << reg);
    if (op->size == 64)
        out->writes64 |= bit;
    else if (op->size == 32)
        out->writes32 |= bit;
    else
        out->writes_part |= bit;
    if (!(op->actions & ZYDIS_OPERAND_ACTION_WRITE))
        out->writes_maybe |= bit;
}

static void read_operands(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops,
                          struct audit_insn *out)
{
    struct audit_operand *slots[] = {&out->a, &out->b, &out->c};

    for (unsigned i = 0; i < z->operand_count; i++) {
        const bool hidden = ops[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
        if (!hidden && i < 3)
            *slots[i] = read_operand(&ops[i]);
        /* Hidden memory operands are the stack's, of pushes, calls and returns; what else has any
         * is not on the list of allowed instructions. */
        if (!hidden && ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            z->mnemonic != ZYDIS_MNEMONIC_NOP)
            read_mem(z, &ops[i], out);
        note_write(&ops[i], out);
    }
}

static enum audit_op binary_op(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_MOV:
    case ZYDIS_MNEMONIC_MOVZX: return OP_MOV;
    case ZYDIS_MNEMONIC_MOVSX:
    case ZYDIS_MNEMONIC_MOVSXD: return OP_MOVSX;
    case ZYDIS_MNEMONIC_LEA: return OP_LEA;
    case ZYDIS_MNEMONIC_ADD: return OP_ADD;
    case ZYDIS_MNEMONIC_SUB: return OP_SUB;
    case ZYDIS_MNEMONIC_ADC: return OP_ADC;
    case ZYDIS_MNEMONIC_SBB: return OP_SBB;
    case ZYDIS_MNEMONIC_AND: return OP_AND;
    case ZYDIS_MNEMONIC_OR: return OP_OR;
    case ZYDIS_MNEMONIC_XOR: return OP_XOR;
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHLX: return OP_SHL;
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SHRX: return OP_SHR;
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SARX: return OP_SAR;
    case ZYDIS_MNEMONIC_INC: return OP_INC;
    case ZYDIS_MNEMONIC_DEC: return OP_DEC;
    case ZYDIS_MNEMONIC_CMP: return OP_CMP;
    case ZYDIS_MNEMONIC_TEST: return OP_TEST;
    case ZYDIS_MNEMONIC_PUSH: return OP_PUSH;
    case ZYDIS_MNEMONIC_POP: return OP_POP;
    case ZYDIS_MNEMONIC_XCHG: return OP_XCHG;
    case ZYDIS_MNEMONIC_NOP: return OP_NOP;
    default: return OP_OTHER;
    }
}

static uint64_t small_bound(const ZydisDecodedInstruction *z, bool has_bmi)
{
    if (z->meta.category == ZYDIS_CATEGORY_SETCC)
        return 2;
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_TZCNT:
    case ZYDIS_MNEMONIC_LZCNT: return has_bmi ? 65 : 0;
    case ZYDIS_MNEMONIC_POPCNT: return 65;
    case ZYDIS_MNEMONIC_MOVMSKPD:
    case ZYDIS_MNEMONIC_MOVMSKPS:
    case ZYDIS_MNEMONIC_VMOVMSKPD:
    case ZYDIS_MNEMONIC_VMOVMSKPS: return 256;
    case ZYDIS_MNEMONIC_PEXTRB:
    case ZYDIS_MNEMONIC_VPEXTRB: return 256;
    case ZYDIS_MNEMONIC_PMOVMSKB:
    case ZYDIS_MNEMONIC_PEXTRW:
    case ZYDIS_MNEMONIC_VPEXTRW: return 65536;
    default: return 0;
    }
}

static void set_op(const ZydisDecodedInstruction *z, bool has_bmi, struct audit_insn *out)
{
    out->op = binary_op(z->mnemonic);
    if (z->meta.category == ZYDIS_CATEGORY_CMOV)
        out->op = OP_CMOV;
    else if (z->mnemonic == ZYDIS_MNEMONIC_IMUL && z->operand_count_visible >= 2)
        out->op = OP_IMUL;
    else if ((out->bound = small_bound(z, has_bmi)) != 0)
        out->op = OP_SMALL;

    if (z->mnemonic == ZYDIS_MNEMONIC_CDQE || z->mnemonic == ZYDIS_MNEMONIC_CWDE) {
        const uint8_t wide = z->mnemonic == ZYDIS_MNEMONIC_CDQE ? 8 : 4;
        out->op = OP_MOVSX;
        out->a = (struct audit_operand){.kind = OPERAND_REG, .reg = REG_RAX, .width = wide};
        out->b = (struct audit_operand){.kind = OPERAND_REG, .reg = REG_RAX, .width = wide / 2};
    }
    /* On a CPU without these, they execute as bsf and bsr, which may leave the register alone. */
    const bool scan = z->mnemonic == ZYDIS_MNEMONIC_BSF || z->mnemonic == ZYDIS_MNEMONIC_BSR ||
                      z->mnemonic == ZYDIS_MNEMONIC_TZCNT || z->mnemonic == ZYDIS_MNEMONIC_LZCNT;
    if (scan && out->op == OP_OTHER)
        out->writes_maybe |= out->writes32 | out->writes64;
}

static void set_flow(const ZydisDecodedInstruction *z, struct audit_insn *out)
{
    const bool direct = out->a.kind == OPERAND_IMM;

    switch (z->meta.category) {
    case ZYDIS_CATEGORY_CALL: out->flow = direct ? FLOW_CALL : FLOW_CALL_IND; break;
    case ZYDIS_CATEGORY_UNCOND_BR: out->flow = direct ? FLOW_JUMP : FLOW_JUMP_IND; break;
    case ZYDIS_CATEGORY_COND_BR: out->flow = FLOW_COND; break;
    case ZYDIS_CATEGORY_RET: out->flow = FLOW_RET; break;
    default: break;
    }
    if (z->mnemonic == ZYDIS_MNEMONIC_UD1 || z->mnemonic == ZYDIS_MNEMONIC_UD2 ||
        z->mnemonic == ZYDIS_MNEMONIC_INT3) {
        out->flow = FLOW_STOP;
        out->mem.present = false; /* decoded, never accessed */
    }
    if (direct && out->flow != FLOW_NEXT)
        out->target = (int64_t)audit_insn_end(out) + out->a.imm;
    out->cond = z->opcode & 15;
}

/* Only these can name mask registers and vector registers from 16 on. */
static bool is_avx512(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *ops)
{
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX)
        return true;
    for (unsigned i = 0; i < z->operand_count; i++)
        if (ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(ops[i].reg.value) == ZYDIS_REGCLASS_MASK)
            return true;
    return false;
}

bool audit_decode(const uint8_t *bytes, size_t size, uint32_t at, bool has_bmi,
                  struct audit_insn *out)
{
    ZydisDecodedInstruction z;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder(), bytes, size, &z, ops)))
        return false;
    *out = (struct audit_insn){.at = at, .size = z.length};
    read_operands(&z, ops, out);
    set_op(&z, has_bmi, out);
    set_flow(&z, out);
    audit_decode_vector(&z, ops, out);
    const ZydisAccessedFlags *f = z.cpu_flags;
    out->writes_flags = f && (f->modified | f->set_0 | f->set_1 | f->undefined) != 0;
    out->locked = z.attributes & ZYDIS_ATTRIB_HAS_LOCK;
    out->writes_gs = z.mnemonic == ZYDIS_MNEMONIC_WRGSBASE;
    out->avx512 = is_avx512(&z, ops);
    static const uint8_t trap[] = {0x67, 0x0f, 0xb9, 0x40};
    if (z.length == sizeof trap + 1 && memcmp(bytes, trap, sizeof trap) == 0)
        out->trap = bytes[sizeof trap];
    out->integer = audit_is_integer(&z);
    out->forbidden = audit_forbidden(&z, ops);
    return true;
}

size_t audit_disassemble(const uint8_t *bytes, size_t size, uint32_t at, char *text, size_t room)
{
    static ZydisFormatter formatter;
    static bool ready;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

    if (!ready)
        ready =
            ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)) &&
            ZYAN_SUCCESS(ZydisFormatterSetProperty(
                &formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED));
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder(), bytes, size, &z, ops)) &&
        ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &z, ops, z.operand_count_visible,
                                                     text, room, at, NULL)))
        return z.length;
    snprintf(text, room, "(bad)");
    return 1;
}
