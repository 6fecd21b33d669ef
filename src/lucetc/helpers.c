#include "lucetc/helpers.h"

#include <stdio.h>

static const char *const builtin_names[] = {
#define X(id, sig) #id,
    LUCET_BUILTINS(X)
#undef X
};
static const char *const builtin_signatures[] = {
#define X(id, sig) sig,
    LUCET_BUILTINS(X)
#undef X
};

/* Types have up to four helpers each. */
static void each_type_helper(const struct compilation *c, void (*visit)(void *, struct helper),
                             void *arg)
{
    for (uint32_t i = 0; i < c->module->ntypes; i++) {
        const uint8_t use = c->plan.types[i];
        if (use & TYPE_REF_GATE)
            visit(arg, (struct helper){.kind = HELPER_ref_gate, .a = i});
        if (use & TYPE_ENTRY)
            visit(arg, (struct helper){.kind = HELPER_entry, .a = i});
        if (use & TYPE_THUNK)
            visit(arg, (struct helper){.kind = HELPER_thunk, .a = i});
        if (use & TYPE_HOST)
            visit(arg, (struct helper){.kind = HELPER_host, .a = i});
        if (use & TYPE_CATCHER)
            visit(arg, (struct helper){.kind = HELPER_catcher, .a = i});
    }
}

static void each_accessor(const struct compilation *c, void (*visit)(void *, struct helper),
                          void *arg)
{
    const struct wasm_module *m = c->module;
    const struct plan *p = &c->plan;
    for (uint32_t i = 0; i < m->nimported_globals; i++) {
        if (p->globals[i] & GLOBAL_GET)
            visit(arg, (struct helper){.kind = HELPER_global_get, .a = i});
        if (p->globals[i] & GLOBAL_SET)
            visit(arg, (struct helper){.kind = HELPER_global_set, .a = i});
    }
    for (uint32_t i = 0; i < m->ntables; i++) {
        if (p->tables[i] & TABLE_GET)
            visit(arg, (struct helper){.kind = HELPER_table_get, .a = i});
        if (p->tables[i] & TABLE_SET)
            visit(arg, (struct helper){.kind = HELPER_table_set, .a = i});
        if (p->tables[i] & TABLE_SIZE)
            visit(arg, (struct helper){.kind = HELPER_table_size, .a = i});
    }
}

void helpers_each(const struct compilation *c, void (*visit)(void *, struct helper), void *arg)
{
    for (uint32_t i = 0; i < c->module->nimported_funcs; i++)
        visit(arg, (struct helper){.kind = HELPER_import, .a = i});
    for (uint32_t i = 0; i < c->plan.ngates; i++)
        visit(arg, (struct helper){.kind = HELPER_gate,
                                   .a = c->plan.gates[i].type,
                                   .b = c->plan.gates[i].table});
    each_type_helper(c, visit, arg);
    for (uint32_t i = 0; i < LUCET_BUILTIN_COUNT; i++)
        if (c->plan.builtins >> i & 1)
            visit(arg, (struct helper){.kind = HELPER_builtin, .a = i});
    each_accessor(c, visit, arg);
}

void helper_name(struct helper h, char name[HELPER_NAME_SIZE])
{
    static const char *const formats[] = {
        [HELPER_import] = "import.%u",
        [HELPER_ref_gate] = "ref.%u",
        [HELPER_entry] = "entry.%u",
        [HELPER_thunk] = "thunk.%u",
        [HELPER_host] = "host.%u",
        [HELPER_global_get] = "global.get.%u",
        [HELPER_global_set] = "global.set.%u",
        [HELPER_table_get] = "table.get.%u",
        [HELPER_table_set] = "table.set.%u",
        [HELPER_table_size] = "table.size.%u",
        [HELPER_catcher] = "catcher.%u",
    };
    if (h.kind == HELPER_gate)
        snprintf(name, HELPER_NAME_SIZE, "gate.%u.%u", h.a, h.b);
    else if (h.kind == HELPER_builtin)
        snprintf(name, HELPER_NAME_SIZE, "builtin.%s", builtin_names[h.a]);
    else
        snprintf(name, HELPER_NAME_SIZE, formats[h.kind], h.a);
}

static LLVMTypeRef entry_type(const struct emitter *e)
{
    LLVMTypeRef params[] = {e->ptr, e->ptr, e->ptr};
    return LLVMFunctionType(e->void_type, params, 3, false);
}

static LLVMTypeRef global_accessor_type(struct emitter *e, struct helper h)
{
    LLVMTypeRef value = emitter_valtype(e, e->c->module->globals[h.a].type.type);
    LLVMTypeRef params[] = {e->ptr, e->ptr, value};
    return h.kind == HELPER_global_get ? LLVMFunctionType(value, params, 2, false)
                                       : LLVMFunctionType(e->void_type, params, 3, false);
}

static LLVMTypeRef helper_type(struct emitter *e, struct helper h)
{
    switch (h.kind) {
    case HELPER_import: return emitter_functype(e, e->c->module->funcs[h.a].type);
    case HELPER_entry: return entry_type(e);
    case HELPER_builtin: return emitter_functype_letters(e, builtin_signatures[h.a]);
    case HELPER_global_get:
    case HELPER_global_set: return global_accessor_type(e, h);
    case HELPER_table_get: return emitter_functype_letters(e, "I:I");
    case HELPER_table_set: return emitter_functype_letters(e, "II:");
    case HELPER_table_size: return emitter_functype_letters(e, ":I");
    case HELPER_thunk:
    case HELPER_catcher:
    case HELPER_host: return emitter_record_functype(e, h.a);
    default: return emitter_functype(e, h.a);
    }
}

LLVMValueRef helper_declare(struct emitter *e, struct helper h)
{
    char name[HELPER_NAME_SIZE];
    helper_name(h, name);
    return emitter_declare(e, name, helper_type(e, h));
}

static void emit_one(void *arg, struct helper h)
{
    static void (*const emit[])(struct emitter *, LLVMValueRef, struct helper) = {
        [HELPER_import] = emit_import_gate,  [HELPER_gate] = emit_call_gate,
        [HELPER_ref_gate] = emit_ref_gate,   [HELPER_entry] = emit_entry,
        [HELPER_thunk] = emit_thunk,         [HELPER_host] = emit_host_trampoline,
        [HELPER_builtin] = emit_builtin,     [HELPER_global_get] = emit_accessor,
        [HELPER_global_set] = emit_accessor, [HELPER_table_get] = emit_accessor,
        [HELPER_table_set] = emit_accessor,  [HELPER_table_size] = emit_accessor,
        [HELPER_catcher] = emit_catcher,
    };
    struct emitter *e = arg;
    LLVMValueRef func = helper_declare(e, h);
    emitter_begin(e, func);
    emit[h.kind](e, func, h);
}

void helpers_emit(struct emitter *e)
{
    helpers_each(e->c, emit_one, e);
}
