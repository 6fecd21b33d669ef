/* How parameters travel to the functions a module calls directly: bodies, import gates and call
 * gates (docs/abi.md C1, C10). */
#include "lucetc/params.h"

/* Of the C convention: rdi, rsi, rdx, rcx, r8, r9 and xmm0 to xmm7. */
enum { INTEGER_REGISTERS = 6, VECTOR_REGISTERS = 8 };

static bool is_vector(wasm_valtype t)
{
    return t == WASM_F32 || t == WASM_F64 || t == WASM_V128;
}

void params_count(const struct wasm_functype *t, uint32_t *integers, uint32_t *vectors)
{
    *integers = *vectors = 0;
    for (uint32_t i = 0; i < t->nparams; i++)
        (*(is_vector(t->params[i]) ? vectors : integers))++;
}

uint32_t params_beyond_registers(const struct wasm_functype *t)
{
    uint32_t integers, vectors;
    params_count(t, &integers, &vectors);
    return (integers > INTEGER_REGISTERS ? integers - INTEGER_REGISTERS : 0) +
           (vectors > VECTOR_REGISTERS ? vectors - VECTOR_REGISTERS : 0);
}

bool params_are_plain(const struct compilation *c, uint32_t type)
{
    return !c->plan.tail_calls || params_beyond_registers(&c->module->types[type]) == 0;
}

/* ---- The prototype that all functions of a module with tail calls share ---- */

void params_note(struct plan *p, const struct wasm_functype *t)
{
    uint32_t integers, vectors;
    params_count(t, &integers, &vectors);
    if (integers > p->integer_params)
        p->integer_params = integers < INTEGER_REGISTERS ? integers : INTEGER_REGISTERS;
    if (vectors > p->vector_params)
        p->vector_params = vectors < VECTOR_REGISTERS ? vectors : VECTOR_REGISTERS;
    if (params_beyond_registers(t) > p->scratch_params)
        p->scratch_params = params_beyond_registers(t);
}

unsigned params_shared_types(const struct emitter *e, LLVMTypeRef *types)
{
    const struct plan *p = &e->c->plan;
    unsigned n = 0;
    for (uint32_t i = 0; i < p->integer_params; i++)
        types[n++] = e->i64;
    for (uint32_t i = 0; i < p->vector_params; i++)
        types[n++] = e->v128;
    return n;
}

/* Low lane of a vector register; the other lanes are nobody's. */
static LLVMTypeRef lanes_of(const struct emitter *e, wasm_valtype t)
{
    return t == WASM_F32 ? LLVMVectorType(e->f32, 4) : LLVMVectorType(e->f64, 2);
}

static LLVMValueRef to_register(struct emitter *e, wasm_valtype t, LLVMValueRef v)
{
    if (t == WASM_I32)
        return LLVMBuildZExt(e->b, v, e->i64, "");
    if (t != WASM_F32 && t != WASM_F64)
        return v;
    LLVMValueRef none = LLVMGetPoison(lanes_of(e, t));
    LLVMValueRef lanes = LLVMBuildInsertElement(e->b, none, v, const_i32(e, 0), "");
    return LLVMBuildBitCast(e->b, lanes, e->v128, "");
}

static LLVMValueRef from_register(struct emitter *e, wasm_valtype t, LLVMValueRef v)
{
    if (t == WASM_I32)
        return LLVMBuildTrunc(e->b, v, e->i32, "");
    if (t != WASM_F32 && t != WASM_F64)
        return v;
    LLVMValueRef lanes = LLVMBuildBitCast(e->b, v, lanes_of(e, t), "");
    return LLVMBuildExtractElement(e->b, lanes, const_i32(e, 0), "");
}

/* Where the parameters of a type go, one after the other. */
struct places {
    const struct emitter *e;
    uint32_t integers, vectors, scratch;
};

struct place {
    uint32_t param;  /* number of the LLVM parameter, or 0 */
    uint64_t offset; /* otherwise, from the context */
};

static struct place next_place(struct places *p, wasm_valtype t)
{
    const struct plan *plan = &p->e->c->plan;
    if (is_vector(t) && p->vectors < VECTOR_REGISTERS)
        return (struct place){.param = 2 + plan->integer_params + p->vectors++};
    if (!is_vector(t) && p->integers < INTEGER_REGISTERS)
        return (struct place){.param = 2 + p->integers++};
    const uint64_t slot = p->scratch++;
    return (struct place){.offset = p->e->c->layout.scratch + slot * LUCET_RESULT_SLOT};
}

unsigned params_pass(struct emitter *e, const struct wasm_functype *t, LLVMValueRef context,
                     const LLVMValueRef *values, LLVMValueRef *args)
{
    struct places places = {.e = e};
    LLVMTypeRef types[INTEGER_REGISTERS + VECTOR_REGISTERS];

    if (!e->c->plan.tail_calls) {
        for (uint32_t i = 0; i < t->nparams; i++)
            args[2 + i] = values[i];
        return 2 + t->nparams;
    }
    const unsigned n = params_shared_types(e, types);
    for (unsigned i = 0; i < n; i++)
        args[2 + i] = LLVMGetPoison(types[i]);
    for (uint32_t i = 0; i < t->nparams; i++) {
        const struct place place = next_place(&places, t->params[i]);
        if (place.param)
            args[place.param] = to_register(e, t->params[i], values[i]);
        else
            store_at(e, values[i], context, place.offset, ALIAS_GLOBAL);
    }
    return 2 + n;
}

void params_take(struct emitter *e, const struct wasm_functype *t, LLVMValueRef func,
                 LLVMValueRef *values)
{
    struct places places = {.e = e};

    for (uint32_t i = 0; i < t->nparams; i++) {
        if (!e->c->plan.tail_calls) {
            values[i] = LLVMGetParam(func, 2 + i);
            continue;
        }
        const struct place place = next_place(&places, t->params[i]);
        values[i] = place.param ? from_register(e, t->params[i], LLVMGetParam(func, place.param))
                                : load_at(e, emitter_valtype(e, t->params[i]),
                                          LLVMGetParam(func, 0), place.offset, ALIAS_GLOBAL);
    }
}
