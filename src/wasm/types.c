/* Subtyping. References to types of the module are compared by what the types are, not by index. */
#include "wasm/validator.h"

wasm_valtype wasm_ref_top(wasm_valtype t)
{
    switch (t & 0x7f) {
    case WASM_EXTERNREF:
    case WASM_NULLEXTERNREF: return WASM_EXTERNREF;
    case WASM_EXNREF:
    case WASM_NULLEXNREF: return WASM_EXNREF;
    default: return WASM_FUNCREF;
    }
}

static bool is_heap_subtype(const struct wasm_module *m, wasm_valtype sub, wasm_valtype super)
{
    if (sub == super || sub == WASM_UNKNOWN_REF)
        return true;
    if (!wasm_ref_is_concrete(super))
        return wasm_ref_top(sub) == super;
    if (sub == WASM_NULLFUNCREF)
        return true;
    return wasm_ref_is_concrete(sub) &&
           m->types[wasm_ref_index(sub)].canonical == m->types[wasm_ref_index(super)].canonical;
}

bool wasm_is_subtype(const struct wasm_module *m, wasm_valtype sub, wasm_valtype super)
{
    if (sub == super || sub == WASM_UNKNOWN)
        return true;
    if (!wasm_is_ref(sub) || !wasm_is_ref(super))
        return false;
    if (wasm_ref_is_nullable(sub) && !wasm_ref_is_nullable(super))
        return false;
    return is_heap_subtype(m, wasm_heap_type(sub), wasm_heap_type(super));
}
