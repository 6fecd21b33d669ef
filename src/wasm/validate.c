#include "wasm/decoder.h"

struct wasm_failure *wasm_validator_failure(const struct wasm_validator *v)
{
    return &v->decoder->failure;
}

void wasm_validate_body(struct wasm_decoder *d, uint32_t func_index, struct wasm_cursor *c)
{
    struct wasm_validator *v = &d->validator;
    struct wasm_func *func = &d->module->funcs[func_index];
    const struct wasm_functype *type = &d->module->types[func->type];

    wasm_read_locals(v, c, (struct wasm_types){type->params, type->nparams});
    func->locals_count = v->nlocals - type->nparams;
    wasm_enter_function(v, func->type);
    do {
        struct wasm_instr instr;
        wasm_read_instr(c, &instr);
        v->instr = &instr;
        wasm_validate_instr(v);
    } while (v->nframes > 0);
    if (c->pos != c->end)
        wasm_malformed(c, c->pos, "section size mismatch: the body ends %zu bytes before its size",
                       wasm_remaining(c));
}
