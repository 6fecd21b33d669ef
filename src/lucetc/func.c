#include "lucetc/func.h"

#include <stdlib.h>
#include <string.h>

#include "lucetc/debug.h"
#include "lucetc/diagnostic.h"
#include "lucetc/effects.h"
#include "lucetc/params.h"

/* More than any real function by orders of magnitude; keeps LLVM's memory within bounds. */
#define MAX_WORK 20000000u

void push(struct func *f, LLVMValueRef v)
{
    if (f->height == f->stack_capacity) {
        const uint32_t capacity = f->stack_capacity ? 2 * f->stack_capacity : 256;
        LLVMValueRef *grown = realloc(f->stack, capacity * sizeof *grown);
        if (!grown) {
            f->error = lucet_error_no_memory;
            return;
        }
        f->stack = grown;
        f->stack_capacity = capacity;
    }
    f->stack[f->height++] = v;
}

LLVMValueRef pop(struct func *f)
{
    return f->stack[--f->height];
}

LLVMValueRef *pop_many(struct func *f, uint32_t n)
{
    f->height -= n;
    return f->stack + f->height;
}

void push_bool(struct func *f, LLVMValueRef condition)
{
    push(f, LLVMBuildZExt(f->e->b, condition, f->e->i32, ""));
}

LLVMValueRef pop_condition(struct func *f)
{
    return LLVMBuildICmp(f->e->b, LLVMIntNE, pop(f), const_i32(f->e, 0), "");
}

void mark_unreachable(struct func *f)
{
    f->skip = 1;
}

void too_complex(struct func *f, const char *what)
{
    if (f->error)
        return;
    diagnose_at(f->e->c->diagnostic, "limit", f->e->c->module, f->index,
                f->e->c->module->funcs[f->index].body_offset, "function too complex: %s", what);
    f->error = lucet_error_compile;
}

bool work_is_left(struct func *f)
{
    if (f->work > MAX_WORK)
        too_complex(f, "too many values merge in its control flow");
    return !f->error;
}

void call_helper(struct func *f, const char *name, const char *letters, LLVMValueRef *args,
                 uint32_t nargs)
{
    struct emitter *e = f->e;
    LLVMValueRef all[16];
    LLVMTypeRef type = emitter_functype_letters(e, letters);
    if (nargs > 0)
        memcpy(all + 2, args, nargs * sizeof *args);
    LLVMValueRef call =
        emitter_call(e, type, emitter_declare(e, name, type), f->context, NULL, all, 2 + nargs);
    if (LLVMGetReturnType(type) != e->void_type)
        push(f, call);
}

static LLVMValueRef zero_of(LLVMTypeRef type)
{
    return LLVMConstNull(type);
}

/* Parameters and locals become stack slots that mem2reg turns into registers before anything else
 * runs. */
static void add_local(struct func *f, wasm_valtype t, LLVMValueRef initial)
{
    LLVMTypeRef type = emitter_valtype(f->e, t);
    LLVMValueRef slot = LLVMBuildAlloca(f->e->b, type, "");
    LLVMBuildStore(f->e->b, initial ? initial : zero_of(type), slot);
    f->local_types[f->nlocals] = type;
    f->locals[f->nlocals++] = slot;
}

static bool make_locals(struct func *f)
{
    const struct wasm_func *func = &f->e->c->module->funcs[f->index];
    const size_t n = (size_t)f->type->nparams + func->locals_count + 1;
    f->locals = calloc(n, sizeof(LLVMValueRef));
    f->local_types = calloc(n, sizeof(LLVMTypeRef));
    if (!f->locals || !f->local_types)
        return false;
    LLVMValueRef params[1000];
    params_take(f->e, f->type, f->llvm, params);
    for (uint32_t i = 0; i < f->type->nparams; i++)
        add_local(f, f->type->params[i], params[i]);
    struct wasm_locals_run run;
    while (wasm_reader_locals(&f->reader, &run))
        for (uint32_t i = 0; i < run.count; i++)
            add_local(f, run.type, NULL);
    count_begin(f);
    return true;
}

/* Unreachable code is not translated: only its nesting matters. */
static void skip_instr(struct func *f, const struct wasm_instr *in)
{
    switch (in->op) {
    case WASM_OP_block:
    case WASM_OP_loop:
    case WASM_OP_if_:
    case WASM_OP_try:
    case WASM_OP_try_table: f->skip++; return;
    case WASM_OP_else_:
        if (f->skip == 1)
            emit_else(f, in, 0);
        return;
    case WASM_OP_catch:
        if (f->skip == 1)
            emit_catch(f, in, 0);
        return;
    case WASM_OP_catch_all:
        if (f->skip == 1)
            emit_catch_all(f, in, 0);
        return;
    case WASM_OP_delegate:
        if (f->skip == 1)
            emit_delegate(f, in, 0);
        else
            f->skip--;
        return;
    case WASM_OP_end:
        if (f->skip == 1)
            emit_end(f, in, 0);
        else
            f->skip--;
        return;
    default: return;
    }
}

static void translate_body(struct func *f)
{
    struct wasm_instr in;
    while (!f->error && wasm_reader_next(&f->reader, &in)) {
        if (f->skip > 0) {
            skip_instr(f, &in);
            continue;
        }
        const struct rule *r = &rules[in.op];
        count_before(f, in.op);
        debug_at(f->e, in.offset);
        r->emit(f, &in, r->arg);
        count_after(f, in.op);
        work_is_left(f);
    }
}

static void free_func(struct func *f)
{
    for (uint32_t i = 0; i < f->nlabels; i++)
        free_label(&f->labels[i]);
    free(f->labels);
    free(f->stack);
    free(f->locals);
    free(f->local_types);
}

enum lucet_error translate_func(struct emitter *e, uint32_t func_index)
{
    struct func f = {.e = e, .index = func_index, .type = func_type(e->c, func_index)};
    f.llvm = emitter_guest_func(e, func_index);
    if (effects_of(e->c->plan.effects, func_index) & LUCET_FUNC_CLOSED)
        emitter_keep_closed(e, f.llvm);
    f.context = LLVMGetParam(f.llvm, 0);
    wasm_reader_init_body(&f.reader, e->c->module, func_index);
    emitter_begin(e, f.llvm);
    debug_function(e, f.llvm, func_index);
    if (make_locals(&f) && push_function_label(&f))
        translate_body(&f);
    else
        f.error = lucet_error_no_memory;
    end_exceptions(&f);
    debug_function_end(e);
    free_func(&f);
    return f.error;
}
