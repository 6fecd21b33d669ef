#include "tools/lucet-objdump/stack_args.h"

#include <stdlib.h>
#include <string.h>

enum { INTEGER_REGISTERS = 6, VECTOR_REGISTERS = 8 };

struct arguments {
    uint32_t integers, vectors, bytes;
};

static void add(struct arguments *n, uint8_t valtype)
{
    const bool vector = valtype == LUCET_F32 || valtype == LUCET_F64 || valtype == LUCET_V128;

    if (vector ? n->vectors++ < VECTOR_REGISTERS : n->integers++ < INTEGER_REGISTERS)
        return;
    if (valtype == LUCET_V128)
        n->bytes = ((n->bytes + 15) & ~15u) + 16;
    else
        n->bytes += 8;
}

uint32_t stack_args_of_type(const struct lucet_artifact *a, uint32_t type)
{
    const struct lucet_module_type *t = &a->types[type];
    const uint8_t *params = lucet_artifact_params(a, t);
    struct arguments n = {0};

    for (unsigned i = 0; i < t->nparams; i++)
        add(&n, params[i]);
    return n.bytes;
}

static bool has_tail_calls(const struct lucet_artifact *a)
{
    return a->header->flags & LUCET_MODULE_TAIL_CALLS;
}

uint32_t stack_args_of_body(const struct lucet_artifact *a, uint32_t type)
{
    return has_tail_calls(a) ? 0 : stack_args_of_type(a, type);
}

/* R f(struct lucet_vmctx *, args..., out-pointers) */
static uint32_t of_host_function(const struct lucet_artifact *a, uint32_t type)
{
    const struct lucet_module_type *t = &a->types[type];
    const uint8_t *params = lucet_artifact_params(a, t);
    struct arguments n = {.integers = 1};

    for (unsigned i = 0; i < t->nparams; i++)
        add(&n, params[i]);
    for (unsigned i = 1; i < t->nresults; i++)
        add(&n, LUCET_I64);
    return n.bytes;
}

/* Gates get parameters as bodies do, and may call the C function of a record. */
static void of_gate(const struct lucet_artifact *a, uint32_t type, struct audit_function *fn)
{
    fn->stack_args = stack_args_of_body(a, type);
    fn->outgoing_args = has_tail_calls(a) ? stack_args_of_type(a, type) : 0;
}

/* The others with a type: who they are called by, and whom they call. */
static void of_converter(const struct lucet_artifact *a, uint32_t type, struct audit_function *fn)
{
    fn->outgoing_args =
        fn->class == CLASS_HOST ? of_host_function(a, type) : stack_args_of_body(a, type);
    if (fn->class != CLASS_ENTRY)
        fn->stack_args = stack_args_of_type(a, type);
}

void stack_args_of_helper(const struct lucet_artifact *a, const char *name,
                          struct audit_function *fn)
{
    const char *dot = strchr(name, '.');
    const unsigned long number = dot ? strtoul(dot + 1, NULL, 10) : 0;
    const uint32_t n = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;

    switch (fn->class) {
    case CLASS_IMPORT:
        if (n < a->header->nimported_funcs)
            of_gate(a, a->funcs[n].type, fn);
        break;
    case CLASS_GATE:
    case CLASS_REF:
        if (n < a->ntypes)
            of_gate(a, n, fn);
        break;
    case CLASS_THUNK:
    case CLASS_HOST:
    case CLASS_CATCHER:
    case CLASS_ENTRY:
        if (n < a->ntypes)
            of_converter(a, n, fn);
        break;
    default: break;
    }
}
