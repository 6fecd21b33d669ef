#include "lucetc/debug.h"

#include <llvm-c/DebugInfo.h>

#include <stdio.h>
#include <string.h>

#define DWARF_VERSION 4

static void add_flag(struct emitter *e, const char *name, uint32_t value)
{
    LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(const_i32(e, value)));
}

void debug_begin(struct emitter *e)
{
    static const char name[] = "module.wasm", producer[] = "lucetc";
    if (!e->c->options->debug_info)
        return;
    add_flag(e, "Debug Info Version", LLVMDebugMetadataVersion());
    add_flag(e, "Dwarf Version", DWARF_VERSION);
    e->debug.builder = LLVMCreateDIBuilder(e->module);
    e->debug.file = LLVMDIBuilderCreateFile(e->debug.builder, name, sizeof name - 1, "", 0);
    LLVMDIBuilderCreateCompileUnit(e->debug.builder, LLVMDWARFSourceLanguageC99, e->debug.file,
                                   producer, sizeof producer - 1, true, "", 0, 0, "", 0,
                                   LLVMDWARFEmissionLineTablesOnly, 0, false, false, "", 0, "", 0);
    e->debug.type =
        LLVMDIBuilderCreateSubroutineType(e->debug.builder, e->debug.file, NULL, 0, LLVMDIFlagZero);
}

void debug_function(struct emitter *e, LLVMValueRef func, uint32_t func_index)
{
    char name[32];
    const uint32_t line = e->c->module->funcs[func_index].body_offset;
    if (!e->debug.builder)
        return;
    const int size = snprintf(name, sizeof name, "guest_func_%u", func_index);
    e->debug.scope = LLVMDIBuilderCreateFunction(
        e->debug.builder, e->debug.file, name, (size_t)size, "", 0, e->debug.file, line,
        e->debug.type, true, true, line, LLVMDIFlagZero, true);
    LLVMSetSubprogram(func, e->debug.scope);
    debug_at(e, line);
}

void debug_at(struct emitter *e, uint32_t offset)
{
    if (e->debug.builder)
        LLVMSetCurrentDebugLocation2(
            e->b, LLVMDIBuilderCreateDebugLocation(e->llvm, offset, 0, e->debug.scope, NULL));
}

void debug_function_end(struct emitter *e)
{
    if (e->debug.builder)
        LLVMSetCurrentDebugLocation2(e->b, NULL);
}

void debug_finish(struct emitter *e)
{
    if (e->debug.builder)
        LLVMDIBuilderFinalize(e->debug.builder);
}

void debug_free(struct emitter *e)
{
    if (e->debug.builder)
        LLVMDisposeDIBuilder(e->debug.builder);
}
