/* Every record by itself: kinds, indices, names and code. */
#include <string.h>

#include "module/reader_internal.h"

/* Records may share names and signatures, so that their lengths can add up to far more than the
 * file. Sums are bounded, lest reading take hours. */
#define TOTAL_LIMIT (UINT64_C(64) << 20)
#define ARITY_LIMIT 1000u

/* Whether the groups that types say they are in lie one behind the other. */
static bool check_group(struct reader *r, uint32_t i)
{
    const struct lucet_artifact *a = r->a;
    const struct lucet_module_type *t = &a->types[i];

    if (t->group_before > i || t->group_after >= a->ntypes - i || t->is_open > 1)
        return reader_fail(r, "type %u: its group does not exist", i);
    if (t->group_before > 0 &&
        (t[-1].group_before != t->group_before - 1 || t[-1].group_after != t->group_after + 1))
        return reader_fail(r, "type %u: not of the group of the type before", i);
    if (t->group_after > 0 && t[1].group_before == 0)
        return reader_fail(r, "type %u: its group ends before its end", i);
    return true;
}

static bool check_valtypes(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (uint32_t i = 0; i < a->nvaltypes; i++)
        if (!reader_is_valtype(a->valtypes[i]) ||
            a->valtypes[i] != lucet_valtype_plain(a->valtypes[i]))
            return reader_fail(r, "valtype %u: 0x%x is none", i, a->valtypes[i]);
    if (a->nreftypes != 0 && a->nreftypes != a->nvaltypes)
        return reader_fail(r, "%u exact types for %u plain ones", a->nreftypes, a->nvaltypes);
    for (uint32_t i = 0; i < a->nreftypes; i++)
        if (!reader_is_exact(a->reftypes[i], a->ntypes) ||
            lucet_valtype_plain(a->reftypes[i]) != a->valtypes[i])
            return reader_fail(r, "valtype %u: 0x%x is none, or of another plain type", i,
                               a->reftypes[i]);
    return true;
}

/* A type refers to types of its group and before. */
static bool check_references(struct reader *r, uint32_t i)
{
    const struct lucet_artifact *a = r->a;
    const struct lucet_module_type *t = &a->types[i];

    for (uint32_t k = 0; a->nreftypes && k < (uint32_t)t->nparams + t->nresults; k++)
        if (!reader_is_exact(a->reftypes[t->valtypes + k], i + t->group_after + 1))
            return reader_fail(r, "type %u: refers to a later type", i);
    return true;
}

static bool check_types(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    uint64_t total = 0;

    if (!check_valtypes(r))
        return false;
    for (uint32_t i = 0; i < a->ntypes; i++) {
        const struct lucet_module_type *t = &a->types[i];
        uint32_t length = (uint32_t)t->nparams + t->nresults;
        if (t->nparams > ARITY_LIMIT || t->nresults > ARITY_LIMIT)
            return reader_fail(r, "type %u: more than %u parameters or results", i, ARITY_LIMIT);
        if (t->valtypes > a->nvaltypes || length > a->nvaltypes - t->valtypes)
            return reader_fail(r, "type %u: outside the valtypes", i);
        if ((total += length) > TOTAL_LIMIT)
            return reader_fail(r, "type %u: the types are too long together", i);
        if (!check_group(r, i) || !check_references(r, i))
            return false;
        if (!reader_check_code(r, t->entry, true, "entry of type", i) ||
            !reader_check_code(r, t->thunk, true, "thunk of type", i) ||
            !reader_check_code(r, t->host, true, "host trampoline of type", i))
            return false;
    }
    return true;
}

static bool check_imports(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    uint32_t counts[LUCET_EXTERN_KINDS] = {0};
    uint64_t total = 0;

    for (uint32_t i = 0; i < a->nimports; i++) {
        const struct lucet_module_import *m = &a->imports[i];
        if (m->kind >= LUCET_EXTERN_KINDS)
            return reader_fail(r, "import %u: unknown kind %u", i, m->kind);
        if (m->index != counts[m->kind]++)
            return reader_fail(r, "import %u: index %u is out of order", i, m->index);
        if (!reader_check_str(r, m->module, "module of import", i) ||
            !reader_check_str(r, m->name, "import", i) ||
            !reader_check_str(r, m->symbol, "symbol of import", i))
            return false;
        total += (uint64_t)m->module.size + m->name.size + m->symbol.size;
        if (total > TOTAL_LIMIT)
            return reader_fail(r, "import %u: the names are too long together", i);
    }
    for (unsigned kind = 0; kind < LUCET_EXTERN_KINDS; kind++) {
        if (counts[kind] != lucet_artifact_imported(a, kind))
            return reader_fail(r, "imports: %u of kind %u, the header says %u", counts[kind], kind,
                               lucet_artifact_imported(a, kind));
        if (counts[kind] > lucet_artifact_count(a, kind))
            return reader_fail(r, "imports: more of kind %u than there are in all", kind);
    }
    return true;
}

static bool in_order(const struct lucet_artifact *a, const struct lucet_module_export *one,
                     const struct lucet_module_export *two)
{
    uint32_t n1 = one->name.size, n2 = two->name.size;
    int order = memcmp(lucet_artifact_str(a, one->name), lucet_artifact_str(a, two->name),
                       n1 < n2 ? n1 : n2);

    return order < 0 || (order == 0 && n1 < n2);
}

static bool check_exports(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    uint64_t total = 0;

    for (uint32_t i = 0; i < a->nexports; i++) {
        const struct lucet_module_export *e = &a->exports[i];
        if (e->kind >= LUCET_EXTERN_KINDS)
            return reader_fail(r, "export %u: unknown kind %u", i, e->kind);
        if (e->index >= lucet_artifact_count(a, e->kind))
            return reader_fail(r, "export %u: index %u does not exist", i, e->index);
        if (!reader_check_str(r, e->name, "export", i))
            return false;
        if ((total += e->name.size) > TOTAL_LIMIT)
            return reader_fail(r, "export %u: the names are too long together", i);
        if (i > 0 && !in_order(a, e - 1, e))
            return reader_fail(r, "export %u: out of order or a duplicate", i);
    }
    return true;
}

static bool all_integers(const uint8_t *types, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (types[k] != LUCET_I32 && types[k] != LUCET_I64)
            return false;
    return true;
}

/* All code of such modules calls the runtime, or may pass what it does not have (docs/abi.md
 * section 8). */
static bool code_does_more(const struct lucet_module_header *h)
{
    return h->flags & (LUCET_MODULE_COUNTS_INSTRUCTIONS | LUCET_MODULE_TAIL_CALLS) ||
           h->layout.exception_size != 0;
}

/* What calls of the function leave out then is for values that this one does not have. */
static bool can_be_closed(const struct lucet_artifact *a, uint32_t i)
{
    const struct lucet_module_type *t = &a->types[a->funcs[i].type];

    return i >= a->header->nimported_funcs && t->nparams <= LUCET_CLOSED_PARAMS &&
           t->nresults <= 1 && all_integers(lucet_artifact_params(a, t), t->nparams) &&
           all_integers(lucet_artifact_results(a, t), t->nresults);
}

static bool check_effects(struct reader *r, uint32_t i)
{
    const struct lucet_artifact *a = r->a;
    const uint32_t effects = a->funcs[i].effects;

    if (effects == 0)
        return true;
    if (effects != LUCET_FUNC_CLOSED && effects != (LUCET_FUNC_CLOSED | LUCET_FUNC_QUIET))
        return reader_fail(r, "function %u: unknown effects %#x", i, effects);
    if (code_does_more(a->header))
        return reader_fail(r, "function %u is marked, and code counts, throws or has tail calls",
                           i);
    if (!can_be_closed(a, i))
        return reader_fail(r, "function %u cannot be closed", i);
    return true;
}

static bool check_funcs(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (uint32_t i = 0; i < a->nfuncs; i++) {
        const struct lucet_module_func *f = &a->funcs[i];
        if (f->type >= a->ntypes)
            return reader_fail(r, "function %u: type %u does not exist", i, f->type);
        if (!reader_check_code(r, f->code, i < a->header->nimported_funcs, "function", i) ||
            !reader_check_str(r, f->name, "function", i) || !check_effects(r, i))
            return false;
    }
    for (uint32_t i = 0; i < a->nref_funcs; i++)
        if (a->ref_funcs[i] >= a->nfuncs)
            return reader_fail(r, "referenced function %u: function %u does not exist", i,
                               a->ref_funcs[i]);
    for (uint32_t i = 0; i < a->nhelpers; i++)
        if (!reader_check_code(r, a->helpers[i].code, false, "helper", i) ||
            !reader_check_str(r, a->helpers[i].name, "helper", i))
            return false;
    return true;
}

static bool check_limits(struct reader *r, uint64_t min, uint64_t max, uint32_t flags,
                         uint32_t known, uint64_t limit, const char *what, uint32_t i)
{
    if (flags & ~known)
        return reader_fail(r, "%s %u: unknown flags 0x%x", what, i, flags);
    if (min > limit)
        return reader_fail(r, "%s %u: minimum %llu is above %llu", what, i, (unsigned long long)min,
                           (unsigned long long)limit);
    if (flags & LUCET_HAS_MAX && (max < min || max > limit))
        return reader_fail(r, "%s %u: maximum %llu is below the minimum or above %llu", what, i,
                           (unsigned long long)max, (unsigned long long)limit);
    return true;
}

static bool check_spaces(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (uint32_t i = 0; i < a->ntables; i++) {
        const struct lucet_module_table *t = &a->tables[i];
        if (!reader_is_ref(t->elem) || !reader_is_exact(t->elem, a->ntypes))
            return reader_fail(r, "table %u: element type 0x%x is no reference", i, t->elem);
        if (!check_limits(r, t->min, t->max, t->flags, LUCET_HAS_MAX | LUCET_INDEX64,
                          t->flags & LUCET_INDEX64 ? UINT64_MAX : UINT32_MAX, "table", i))
            return false;
    }
    for (uint32_t i = 0; i < a->nmemories; i++) {
        const struct lucet_module_memory *m = &a->memories[i];
        if (m->page_log2 != 0 && m->page_log2 != 16)
            return reader_fail(r, "memory %u: pages of 2^%u bytes", i, m->page_log2);
        if (!check_limits(r, m->min, m->max, m->flags, LUCET_HAS_MAX | LUCET_INDEX64 | LUCET_SHARED,
                          lucet_memory_most_pages(m->flags, m->page_log2), "memory", i))
            return false;
        if (m->flags & LUCET_SHARED && !(m->flags & LUCET_HAS_MAX))
            return reader_fail(r, "memory %u: shared, but without a maximum", i);
    }
    for (uint32_t i = 0; i < a->nglobals; i++) {
        const struct lucet_module_global *g = &a->globals[i];
        if (!reader_is_exact(g->type, a->ntypes) || g->mutable > 1)
            return reader_fail(r, "global %u: unknown type or mutability", i);
    }
    return true;
}

static bool check_tags(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (uint32_t i = 0; i < a->ntags; i++) {
        if (a->tags[i].type >= a->ntypes)
            return reader_fail(r, "tag %u: type %u does not exist", i, a->tags[i].type);
        if (a->types[a->tags[i].type].nresults)
            return reader_fail(r, "tag %u: its type has results", i);
    }
    return true;
}

static bool check_start(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    uint32_t start = a->header->start;

    if (start == LUCET_NONE)
        return true;
    if (start >= a->nfuncs)
        return reader_fail(r, "start: function %u does not exist", start);
    const struct lucet_module_type *t = &a->types[a->funcs[start].type];
    if (t->nparams || t->nresults)
        return reader_fail(r, "start: function %u has parameters or results", start);
    return true;
}

bool reader_records(struct reader *r)
{
    return check_types(r) && check_imports(r) && check_exports(r) && check_funcs(r) &&
           check_spaces(r) && check_tags(r) && check_start(r);
}
