#include "lucetc/effects.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Functions that are worth it are small. */
enum { MAX_CALLS = 16, MAX_LOCALS = 64 };
_Static_assert(LUCET_QUIET_STACK >= (EFFECTS_LEVELS + 1) * (EFFECTS_FRAME + 8),
               "frames of the calls and of the entry");

struct calls {
    uint32_t funcs[MAX_CALLS];
    uint32_t count;
};

struct effects {
    const struct wasm_module *module;
    uint8_t *bits;          /* per function, enum lucet_func_effects */
    atomic_uchar *large;    /* per function: its frame is */
    atomic_uchar *entries;  /* per type: the entry's is */
    atomic_bool unknown;    /* some frame is, nobody knows which */
    struct calls **callees; /* per function; NULL: it calls none, or is not closed */
};

/* What is found in one body. */
struct body {
    const struct wasm_module *module;
    struct calls calls;
    bool writes, other; /* the latter: anything that is not known to do nothing else */
};

/* ---- One body ---- */

static bool is_integer(wasm_valtype t)
{
    return t == WASM_I32 || t == WASM_I64;
}

static bool all_integers(const wasm_valtype *types, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!is_integer(types[i]))
            return false;
    return true;
}

/* Code that counts or looks for exceptions calls the runtime everywhere; and where functions have
 * one prototype, it passes vector registers. */
static bool is_possible(const struct compilation *c)
{
    return !c->options->count_instructions && !c->plan.exceptions && !c->plan.tail_calls;
}

static bool type_is_possible(const struct wasm_functype *t)
{
    return t->nparams <= LUCET_CLOSED_PARAMS && t->nresults <= 1 &&
           all_integers(t->params, t->nparams) && all_integers(t->results, t->nresults);
}

bool effects_possible(const struct compilation *c, const struct wasm_functype *t)
{
    return is_possible(c) && type_is_possible(t);
}

static bool is_own_integer(const struct wasm_module *m, uint32_t global)
{
    const struct wasm_global_type *t = &m->globals[global].type;
    return is_integer(t->type) && (global >= m->nimported_globals || !t->mutable);
}

/* Integers come in, one goes out, and nothing is called on the way; or one is loaded or stored. */
static bool is_plain(const struct wasm_op_info *info)
{
    const bool operands = info->imm == WASM_IMM_none || info->imm == WASM_IMM_memarg ||
                          info->imm == WASM_IMM_i32 || info->imm == WASM_IMM_i64;
    return info->prefix == 0 && operands && info->sig &&
           strspn(info->sig, "iIa:") == strlen(info->sig);
}

/* What is never reached may have values of any type. */
static bool block_is_of_integers(const struct wasm_module *m, const struct wasm_instr *in)
{
    if (!in->imm.block.is_type_index)
        return in->imm.block.is_empty || is_integer(in->imm.block.result);
    const struct wasm_functype *t = &m->types[in->imm.block.index];
    return all_integers(t->params, t->nparams) && all_integers(t->results, t->nresults);
}

static void note_call(struct body *b, uint32_t func)
{
    if (func < b->module->nimported_funcs || b->calls.count == MAX_CALLS)
        b->other = true;
    else
        b->calls.funcs[b->calls.count++] = func;
}

static void note(struct body *b, const struct wasm_instr *in)
{
    const struct wasm_op_info *info = &wasm_op_info[in->op];
    switch (in->op) {
    case WASM_OP_block:
    case WASM_OP_if_: b->other |= !block_is_of_integers(b->module, in); break;
    case WASM_OP_unreachable:
    case WASM_OP_else_:
    case WASM_OP_end:
    case WASM_OP_br:
    case WASM_OP_br_if:
    case WASM_OP_br_table:
    case WASM_OP_return_:
    case WASM_OP_drop:
    case WASM_OP_select:
    case WASM_OP_local_get:
    case WASM_OP_local_set:
    case WASM_OP_local_tee:
    case WASM_OP_memory_size: break;
    case WASM_OP_global_get:
    case WASM_OP_global_set: b->other |= !is_own_integer(b->module, in->imm.index); break;
    case WASM_OP_call: note_call(b, in->imm.index); break;
    default:
        b->other |= !is_plain(info);
        b->writes |= info->imm == WASM_IMM_memarg && info->sig[strlen(info->sig) - 1] == ':';
        break;
    }
}

static bool locals_are_integers(struct wasm_reader *r)
{
    struct wasm_locals_run run;
    uint64_t count = 0;
    bool good = true;
    while (wasm_reader_locals(r, &run)) {
        good &= is_integer(run.type);
        count += run.count;
    }
    return good && count <= MAX_LOCALS;
}

static struct body look(const struct wasm_module *m, uint32_t func)
{
    struct body b = {.module = m};
    struct wasm_reader r;
    struct wasm_instr in;
    wasm_reader_init_body(&r, m, func);
    b.other = !type_is_possible(&m->types[m->funcs[func].type]) || !locals_are_integers(&r);
    while (!b.other && wasm_reader_next(&r, &in))
        note(&b, &in);
    return b;
}

/* ---- All of them ---- */

static bool keep(struct effects *e, uint32_t func, const struct body *b)
{
    e->bits[func] = b->other ? 0 : LUCET_FUNC_CLOSED | (b->writes ? 0 : LUCET_FUNC_QUIET);
    if (b->other || b->calls.count == 0)
        return true;
    e->callees[func] = malloc(sizeof b->calls);
    if (e->callees[func])
        *e->callees[func] = b->calls;
    return e->callees[func] != NULL;
}

/* What all its callees have, or nothing while they are not decided. */
static uint8_t of_callees(const struct effects *e, const uint8_t *decided, uint32_t func)
{
    const struct calls *calls = e->callees[func];
    uint8_t bits = e->bits[func];
    for (uint32_t i = 0; calls && i < calls->count; i++)
        bits &= decided[calls->funcs[i]];
    return bits;
}

/* Level by level, beginning with functions that call none: those that go round in circles are never
 * decided, and so come to be known for nothing. */
static enum lucet_error decide(struct effects *e)
{
    const uint32_t n = e->module->nfuncs;
    uint8_t *decided = calloc((size_t)n + 1, 1), *next = calloc((size_t)n + 1, 1);
    for (uint32_t level = 0; decided && next && level < EFFECTS_LEVELS; level++) {
        for (uint32_t i = e->module->nimported_funcs; i < n; i++)
            next[i] = of_callees(e, decided, i);
        uint8_t *other = decided;
        decided = next;
        next = other;
    }
    const bool good = decided && next;
    if (good)
        memcpy(e->bits, decided, n);
    free(decided);
    free(next);
    return good ? lucet_error_ok : lucet_error_no_memory;
}

static void want_callees(const struct effects *e, uint32_t func, uint8_t *wanted)
{
    const struct calls *calls = e->callees[func];
    for (uint32_t i = 0; calls && i < calls->count; i++)
        wanted[calls->funcs[i]] = 1;
}

/* Only what the host can call, and what that calls: others have no use of it, and may have one of
 * vectors. */
static enum lucet_error forget_others(struct effects *e)
{
    const struct wasm_module *m = e->module;
    uint8_t *wanted = calloc((size_t)m->nfuncs + 1, 1);
    if (!wanted)
        return lucet_error_no_memory;
    for (uint32_t i = 0; i < m->nexports; i++)
        if (m->exports[i].kind == WASM_EXTERN_FUNC)
            wanted[m->exports[i].index] = 1;
    for (uint32_t level = 1; level < EFFECTS_LEVELS; level++)
        for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++)
            if (wanted[i] && e->bits[i])
                want_callees(e, i, wanted);
    for (uint32_t i = 0; i < m->nfuncs; i++)
        if (!wanted[i])
            e->bits[i] = 0;
    free(wanted);
    return lucet_error_ok;
}

static struct effects *new_effects(const struct wasm_module *m)
{
    struct effects *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->module = m;
    e->bits = calloc((size_t)m->nfuncs + 1, sizeof *e->bits);
    e->large = calloc((size_t)m->nfuncs + 1, sizeof *e->large);
    e->entries = calloc((size_t)m->ntypes + 1, sizeof *e->entries);
    e->callees = calloc((size_t)m->nfuncs + 1, sizeof(struct calls *));
    if (e->bits && e->large && e->entries && e->callees)
        return e;
    effects_free(e);
    return NULL;
}

void effects_free(struct effects *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; e->callees && i < e->module->nfuncs; i++)
        free(e->callees[i]);
    free(e->callees);
    free(e->bits);
    free(e->large);
    free(e->entries);
    free(e);
}

enum lucet_error effects_make(struct compilation *c)
{
    const struct wasm_module *m = c->module;
    struct effects *e = c->plan.effects = new_effects(m);
    if (!e)
        return lucet_error_no_memory;
    if (!is_possible(c))
        return lucet_error_ok;
    for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++) {
        const struct body b = look(m, i);
        if (!keep(e, i, &b))
            return lucet_error_no_memory;
    }
    const enum lucet_error error = decide(e);
    return error ? error : forget_others(e);
}

uint32_t effects_of(const struct effects *e, uint32_t func)
{
    return e->bits[func];
}

/* ---- Frames ---- */

/* The number behind the stem; `limit` when the name is another, or there is no such thing. */
static uint32_t number_in(const char *name, const char *stem, uint32_t limit)
{
    const size_t n = strlen(stem);
    char *end;
    if (strncmp(name, stem, n) != 0)
        return limit;
    const unsigned long number = strtoul(name + n, &end, 10);
    return end == name + n || *end || number > limit ? limit : (uint32_t)number;
}

void effects_frame_is_large(struct effects *e, const char *name)
{
    const struct wasm_module *m = e->module;
    const uint32_t func = number_in(name, "guest_func_", m->nfuncs);
    const uint32_t type = number_in(name, "entry.", m->ntypes);
    if (func < m->nfuncs)
        atomic_store(&e->large[func], 1);
    else if (type < m->ntypes)
        atomic_store(&e->entries[type], 1);
    else
        atomic_store(&e->unknown, true);
}

static bool is_large(const struct effects *e, uint32_t func)
{
    return atomic_load(&e->unknown) || atomic_load(&e->large[func]);
}

static bool calls_loud(const struct effects *e, uint32_t func)
{
    const struct calls *calls = e->callees[func];
    for (uint32_t i = 0; calls && i < calls->count; i++)
        if (!(e->bits[calls->funcs[i]] & LUCET_FUNC_QUIET))
            return true;
    return false;
}

void effects_settle(struct effects *e)
{
    const struct wasm_module *m = e->module;
    for (uint32_t level = 0; level < EFFECTS_LEVELS; level++)
        for (uint32_t i = m->nimported_funcs; i < m->nfuncs; i++)
            if (is_large(e, i) || calls_loud(e, i) || atomic_load(&e->entries[m->funcs[i].type]))
                e->bits[i] &= (uint8_t)~LUCET_FUNC_QUIET;
}
