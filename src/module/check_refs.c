/* Constant expressions, segments, and whether a module that calls itself private is. */
#include <string.h>

#include "module/reader_internal.h"

/* The plain type that an operator without operands makes; 0 = it cannot be. */
static uint32_t init_type(const struct lucet_artifact *a, const struct lucet_init_op *op,
                          uint32_t nglobals)
{
    switch (op->kind) {
    case LUCET_INIT_I32: return LUCET_I32;
    case LUCET_INIT_I64: return LUCET_I64;
    case LUCET_INIT_F32: return LUCET_F32;
    case LUCET_INIT_F64: return LUCET_F64;
    case LUCET_INIT_V128: return LUCET_V128;
    case LUCET_INIT_REF_NULL:
        return op->value[0] <= UINT32_MAX && reader_is_ref((uint32_t)op->value[0])
                   ? lucet_valtype_plain((uint32_t)op->value[0])
                   : 0;
    case LUCET_INIT_REF_FUNC: return op->value[0] < a->nfuncs ? LUCET_FUNCREF : 0;
    case LUCET_INIT_GLOBAL_GET:
        if (op->value[0] >= nglobals || a->globals[op->value[0]].mutable)
            return 0;
        return lucet_valtype_plain(a->globals[op->value[0]].type);
    default: return 0;
    }
}

/* The type of the operands, and of the result; 0 = it takes none. */
static uint32_t operand_type(const struct lucet_init_op *op)
{
    switch (op->kind) {
    case LUCET_INIT_I32_ADD:
    case LUCET_INIT_I32_SUB:
    case LUCET_INIT_I32_MUL: return LUCET_I32;
    case LUCET_INIT_I64_ADD:
    case LUCET_INIT_I64_SUB:
    case LUCET_INIT_I64_MUL: return LUCET_I64;
    default: return 0;
    }
}

/* Follows the types on the stack; the runtime does no more checks. */
bool reader_check_init(struct reader *r, struct lucet_init init, uint32_t type, uint32_t nglobals,
                       const char *what, uint32_t i)
{
    const struct lucet_artifact *a = r->a;
    uint8_t stack[LUCET_INIT_DEPTH];
    uint32_t height = 0;

    if (init.count == 0 || init.first >= a->ninit_ops || init.count > a->ninit_ops - init.first)
        return reader_fail(r, "%s %u: no or too long an expression", what, i);
    /* Expressions do not share operators, but for those of one. */
    r->init_ops += init.count - 1;
    if (r->init_ops > a->ninit_ops)
        return reader_fail(r, "%s %u: longer expressions than there are", what, i);
    for (uint32_t k = init.first; k < init.first + init.count; k++) {
        const struct lucet_init_op *op = &a->init_ops[k];
        const uint32_t operands = operand_type(op), made = init_type(a, op, nglobals);
        if (operands && height >= 2 && stack[height - 1] == operands &&
            stack[height - 2] == operands)
            height--;
        else if (made && height < LUCET_INIT_DEPTH)
            stack[height++] = (uint8_t)made;
        else
            return reader_fail(r, "%s %u: its expression is not one", what, i);
    }
    if (height != 1 || stack[0] != lucet_valtype_plain(type))
        return reader_fail(r, "%s %u: its expression is not of its type", what, i);
    return true;
}

static bool check_globals(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (uint32_t i = 0; i < a->nglobals; i++) {
        const struct lucet_module_global *g = &a->globals[i];
        if (i < a->header->nimported_globals) {
            if (g->init.count)
                return reader_fail(r, "global %u: imported, but has an expression", i);
        } else if (!reader_check_init(r, g->init, g->type, i, "global", i)) {
            return false;
        }
    }
    return true;
}

/* Tables are made before the module's own globals. An expression is evaluated once for a table. */
static bool check_tables(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (uint32_t i = 0; i < a->ntables; i++) {
        const struct lucet_module_table *t = &a->tables[i];
        if (t->init.count == 0)
            continue;
        if (i < a->header->nimported_tables)
            return reader_fail(r, "table %u: imported, but has an expression", i);
        if (!reader_check_init(r, t->init, t->elem, a->header->nimported_globals, "table", i))
            return false;
    }
    return true;
}

static bool check_elem_values(struct reader *r, const struct lucet_module_elem *e, uint32_t i)
{
    const struct lucet_artifact *a = r->a;
    uint32_t available = e->is_exprs ? a->nelem_inits : a->nelem_funcs;

    if (e->first > available || e->count > available - e->first)
        return reader_fail(r, "element segment %u: entries do not exist", i);
    if (!e->is_exprs && lucet_valtype_plain(e->type) != LUCET_FUNCREF)
        return reader_fail(r, "element segment %u: functions, but not of type funcref", i);
    for (uint32_t k = e->first; k < e->first + e->count; k++) {
        if (e->is_exprs) {
            if (!reader_check_init(r, a->elem_inits[k], e->type, a->nglobals, "element", k))
                return false;
        } else if (a->elem_funcs[k] >= a->nfuncs) {
            return reader_fail(r, "element %u: function %u does not exist", k, a->elem_funcs[k]);
        }
    }
    return true;
}

static uint32_t index_type(uint32_t flags)
{
    return flags & LUCET_INDEX64 ? LUCET_I64 : LUCET_I32;
}

static bool check_elems(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    uint64_t values = 0;

    for (uint32_t i = 0; i < a->nelems; i++) {
        const struct lucet_module_elem *e = &a->elems[i];
        if (e->mode > LUCET_DECLARATIVE || !reader_is_ref(e->type) ||
            !reader_is_exact(e->type, a->ntypes) || e->is_exprs > 1)
            return reader_fail(r, "element segment %u: unknown mode or type", i);
        if (e->mode == LUCET_ACTIVE) {
            if (e->table >= a->ntables ||
                lucet_valtype_plain(a->tables[e->table].elem) != lucet_valtype_plain(e->type))
                return reader_fail(r, "element segment %u: no such table of its type", i);
            if (!reader_check_init(r, e->offset, index_type(a->tables[e->table].flags), a->nglobals,
                                   "element segment", i))
                return false;
        }
        /* Segments do not share entries: their sizes add up to no more than the tables'. */
        values += e->count;
        if (values > (uint64_t)a->nelem_funcs + a->nelem_inits)
            return reader_fail(r, "element segment %u: more entries than there are", i);
        if (!check_elem_values(r, e, i))
            return false;
    }
    return true;
}

static bool check_datas(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (uint32_t i = 0; i < a->ndatas; i++) {
        const struct lucet_module_data *d = &a->datas[i];
        if (d->mode > LUCET_PASSIVE)
            return reader_fail(r, "data segment %u: unknown mode %u", i, d->mode);
        if (d->bytes > a->header->data_size || d->size > a->header->data_size - d->bytes)
            return reader_fail(r, "data segment %u: bytes do not exist", i);
        if (d->mode != LUCET_ACTIVE)
            continue;
        if (d->memory >= a->nmemories)
            return reader_fail(r, "data segment %u: memory %u does not exist", i, d->memory);
        if (!reader_check_init(r, d->offset, index_type(a->memories[d->memory].flags), a->nglobals,
                               "data segment", i))
            return false;
    }
    return true;
}

/* ---- A private module's references carry no context, so none may leave ---- */

static bool type_has_funcref(const struct lucet_artifact *a, uint32_t type)
{
    const struct lucet_module_type *t = &a->types[type];

    return memchr(lucet_artifact_params(a, t), LUCET_FUNCREF, (size_t)t->nparams + t->nresults) !=
           NULL;
}

static bool names_funcref(const struct lucet_artifact *a, enum lucet_extern kind, uint32_t index)
{
    switch (kind) {
    case LUCET_EXTERN_TABLE: return lucet_valtype_plain(a->tables[index].elem) == LUCET_FUNCREF;
    case LUCET_EXTERN_MEMORY: return false;
    case LUCET_EXTERN_GLOBAL: return lucet_valtype_plain(a->globals[index].type) == LUCET_FUNCREF;
    case LUCET_EXTERN_TAG: return type_has_funcref(a, a->tags[index].type);
    case LUCET_EXTERN_FUNC: break;
    }
    return type_has_funcref(a, a->funcs[index].type);
}

static bool check_private(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    if (!(a->header->flags & LUCET_MODULE_PRIVATE_FUNCS))
        return true;
    for (uint32_t i = 0; i < a->nimports; i++)
        if (names_funcref(a, a->imports[i].kind, a->imports[i].index))
            return reader_fail(r, "import %u: a private module imports function references", i);
    for (uint32_t i = 0; i < a->nexports; i++)
        if (names_funcref(a, a->exports[i].kind, a->exports[i].index))
            return reader_fail(r, "export %u: a private module exports function references", i);
    /* An exception that nothing catches leaves the instance, whoever knows its tag. */
    for (uint32_t i = 0; i < a->ntags; i++)
        if (names_funcref(a, LUCET_EXTERN_TAG, i))
            return reader_fail(r, "tag %u: a private module throws function references", i);
    return true;
}

bool reader_references(struct reader *r)
{
    return check_globals(r) && check_tables(r) && check_elems(r) && check_datas(r) &&
           check_private(r);
}
