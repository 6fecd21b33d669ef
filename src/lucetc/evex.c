#include "lucetc/evex.h"

#include <llvm-c/Core.h>
#include <llvm-c/Disassembler.h>
#include <llvm-c/Object.h>
#include <string.h>

static bool is_prefix(uint8_t byte)
{
    static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                       0x66, 0x67, 0xf0, 0xf2, 0xf3};

    return memchr(prefixes, byte, sizeof prefixes) != NULL;
}

/* Instructions on mask registers alone have VEX prefixes: map 0F, and of map 0F3A the shifts. */
static bool is_on_masks(unsigned map, uint8_t opcode)
{
    return (map == 1 &&
            ((opcode >= 0x41 && opcode <= 0x4b) || (opcode >= 0x90 && opcode <= 0x99))) ||
           (map == 3 && opcode >= 0x30 && opcode <= 0x33);
}

/* Of one instruction. In 64-bit mode 0x62 begins nothing but EVEX. */
static bool is_avx512(const uint8_t *insn, size_t size)
{
    size_t k = 0;

    while (k < size && is_prefix(insn[k]))
        k++;
    if (k >= size || insn[k] == 0x62)
        return true;
    const size_t vex = insn[k] == 0xc5 ? 2 : insn[k] == 0xc4 ? 3 : 0;
    if (vex == 0)
        return false;
    return k + vex >= size || is_on_masks(vex == 2 ? 1 : insn[k + 1] & 0x1f, insn[k + vex]);
}

static bool in_code(LLVMDisasmContextRef context, const uint8_t *bytes, uint64_t size)
{
    char text[128];

    for (uint64_t at = 0; at < size;) {
        const size_t n = LLVMDisasmInstruction(context, (uint8_t *)(uintptr_t)bytes + at, size - at,
                                               at, text, sizeof text);
        if (n == 0 || is_avx512(bytes + at, n))
            return true;
        at += n;
    }
    return false;
}

static bool in_sections(LLVMDisasmContextRef context, LLVMBinaryRef object)
{
    LLVMSectionIteratorRef s = LLVMObjectFileCopySectionIterator(object);
    bool found = false;

    while (!found && !LLVMObjectFileIsSectionIteratorAtEnd(object, s)) {
        const char *name = LLVMGetSectionName(s);
        if (name && strncmp(name, ".text", 5) == 0)
            found =
                in_code(context, (const uint8_t *)LLVMGetSectionContents(s), LLVMGetSectionSize(s));
        LLVMMoveToNextSection(s);
    }
    LLVMDisposeSectionIterator(s);
    return found;
}

bool evex_in_object(const struct compilation *c, const char *path)
{
    LLVMMemoryBufferRef buffer = NULL;
    char *message = NULL;
    bool found = true;

    if (LLVMCreateMemoryBufferWithContentsOfFile(path, &buffer, &message)) {
        LLVMDisposeMessage(message);
        return true;
    }
    LLVMBinaryRef object = LLVMCreateBinary(buffer, NULL, &message);
    LLVMDisasmContextRef context = LLVMCreateDisasmCPUFeatures(
        c->target.triple, "generic", c->target.feature_string, NULL, 0, NULL, NULL);
    if (object && context)
        found = in_sections(context, object);
    if (context)
        LLVMDisasmDispose(context);
    if (object)
        LLVMDisposeBinary(object);
    else
        LLVMDisposeMessage(message);
    LLVMDisposeMemoryBuffer(buffer);
    return found;
}
