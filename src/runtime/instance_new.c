/* Making and releasing instances. */
#include <string.h>

#include "runtime/allocate.h"
#include "runtime/builtins.h"
#include "runtime/call.h"
#include "runtime/error.h"
#include "runtime/exception.h"
#include "runtime/imports.h"
#include "runtime/instance.h"
#include "runtime/memory.h"
#include "runtime/module.h"
#include "runtime/park.h"
#include "runtime/probe.h"
#include "runtime/program.h"
#include "runtime/record.h"
#include "runtime/region.h"
#include "runtime/segments.h"
#include "runtime/sizes.h"
#include "runtime/slot.h"
#include "runtime/stop.h"
#include "runtime/store.h"
#include "runtime/table.h"

/* What the code assumes about the slot it runs in, against what the region offers. */
static enum lucet_error check_region(const struct lucet_region *r, const struct lucet_artifact *a)
{
    const struct lucet_module_header *h = a->header;
    const struct lucet_alloc_limits *l = &r->limits;
    const unsigned long long assumed = h->heap.reserved_size + h->heap.guard_size;
    const unsigned long long guest = h->layout.size - h->layout.guest_part;

    if (h->layout.guest_part > l->context_size)
        return lucet__fail(lucet_error_limits_exceeded,
                           "its context needs %u bytes, the region's context_size is %llu",
                           h->layout.guest_part, (unsigned long long)l->context_size);
    if (guest > l->globals_size)
        return lucet__fail(lucet_error_limits_exceeded,
                           "globals and scratch space need %llu bytes, the region's globals_size "
                           "is %llu",
                           guest, (unsigned long long)l->globals_size);
    if (a->nmemories == 0 || h->nimported_memories > 0 ||
        !lucet_memory_is_guarded(0, a->memories[0].flags, a->memories[0].page_log2))
        return lucet_error_ok;
    if (assumed > l->heap_address_space_size)
        return lucet__fail(lucet_error_limits_exceeded,
                           "its code assumes %llu bytes of address space for the heap, the "
                           "region's heap_address_space_size is %llu",
                           assumed, (unsigned long long)l->heap_address_space_size);
    if (h->heap.front_guard > LUCET__FRONT_GUARD)
        return lucet__fail(lucet_error_limits_exceeded,
                           "its code assumes a guard of %llu bytes before the heap, regions have "
                           "%llu",
                           (unsigned long long)h->heap.front_guard,
                           (unsigned long long)LUCET__FRONT_GUARD);
    return lucet_error_ok;
}

static bool allocate_arrays(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_module_header *h = a->header;
    uint32_t memories = a->nmemories - h->nimported_memories;
    uint32_t tables = a->ntables - h->nimported_tables;

    i->dropped = lucet__calloc(((size_t)a->nelems + a->ndatas) / 8 + 1, 1);
    if (memories)
        i->memories = lucet__calloc(memories, sizeof(*i->memories));
    if (tables)
        i->tables = lucet__calloc(tables, sizeof(*i->tables));
    i->nmemories = memories;
    i->ntables = tables;
    i->stop = lucet__stop_new();
    return i->dropped && i->stop && (!memories || i->memories) && (!tables || i->tables);
}

static void init_context(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_layout *l = &a->header->layout;
    struct lucet_vmctx *ctx = i->ctx;

    ctx->scratch = (uint8_t *)ctx + l->scratch;
    ctx->instance = i;
    if (l->exception_size)
        ctx->exception = LUCET__AT(ctx, struct lucet_pending, l->exception);
    i->exception = ctx->exception;
    memcpy(ctx->builtins, lucet__builtins, sizeof(ctx->builtins));
    memcpy(LUCET__AT(ctx, uint64_t, l->type_ids), i->module->type_ids,
           a->ntypes * sizeof(uint64_t));
}

/* Without a memory, gs points at what is inaccessible. */
static void set_gs_base(struct lucet_instance *i)
{
    i->ctx->gs_base = i->memory0 ? i->memory0->desc->base : i->slot->heap;
    i->act.gs = (uintptr_t)i->ctx->gs_base;
}

static void init_funcrefs(struct lucet_instance *i)
{
    const struct lucet_artifact *a = &i->module->artifact;
    const struct lucet_funcref **refs =
        LUCET__AT(i->ctx, const struct lucet_funcref *, a->header->layout.funcrefs);

    for (uint32_t k = 0; k < a->nref_funcs; k++)
        refs[k] = lucet__func_record(i, a->ref_funcs[k]);
}

/* What a new one needs, and one that waited in its slot has. */
static enum lucet_error build(struct lucet_instance *i)
{
    if (!allocate_arrays(i))
        return lucet__no_memory();
    lucet__activation_prepare(i);
    init_context(i);
    return lucet_error_ok;
}

static enum lucet_error link_up(struct lucet_instance *i, const struct lucet_instance_options *o)
{
    enum lucet_error e = lucet__instance_describe(i, o->thread_of);

    if (e == lucet_error_ok && !i->complete)
        e = lucet__records_make(i);
    if (e == lucet_error_ok)
        e = lucet__tags_make(i);
    if (e == lucet_error_ok && i->module->artifact.nimports > 0)
        e = lucet__imports_resolve(i, o->linker);
    if (e == lucet_error_ok && i->tags)
        e = lucet__tags_sort(i);
    if (e != lucet_error_ok)
        return e;
    set_gs_base(i);
    if (!i->complete || i->module->artifact.header->nimported_funcs > 0)
        init_funcrefs(i);
    i->complete = true;
    return lucet__instance_initialise(i);
}

static enum lucet_error run_start(struct lucet_instance *i)
{
    struct lucet_result result;
    enum lucet_error e = lucet_instance_call_start(i, &result);

    if (e == lucet_error_ok && result.tag == lucet_result_tag_yielded)
        return lucet__fail(lucet_error_start_yielded,
                           "the start function yielded: run it by itself to resume it");
    if (e == lucet_error_start_already_run) { /* there is none */
        lucet__clear_error();
        return lucet_error_ok;
    }
    if (e == lucet_error_ok)
        return lucet_error_ok;
    if (result.tag == lucet_result_tag_threw)
        return lucet__fail(e, "start function: an exception that nothing caught");
    lucet__set_instantiation_trap(result.tag == lucet_result_tag_faulted
                                      ? result.val.faulted.trapcode
                                      : lucet_trapcode_interrupt);
    if (result.tag == lucet_result_tag_faulted)
        return lucet__fail(lucet_error_runtime_fault, "start function: %s",
                           lucet_trapcode_message(result.val.faulted.trapcode));
    return e;
}

/* Of a slot that is its own from now on, also when this fails. */
static struct lucet_instance *instance_new(struct lucet_region *region, struct slot *slot,
                                           struct lucet_dl_module *module,
                                           const struct lucet_instance_options *o)
{
    struct lucet_instance *i = lucet__unpark(slot);
    uint64_t limit = region->limits.heap_memory_size;

    if (!i && !(i = lucet__calloc(1, sizeof(*i)))) {
        lucet__slot_give_back(slot, module, false, NULL);
        return NULL;
    }
    lucet__refs_take(&module->refs);
    lucet__refs_take(&region->refs);
    i->module = module;
    i->region = region;
    i->slot = slot;
    i->ctx = (struct lucet_vmctx *)(void *)slot->context;
    i->embed_ctx = o->embed_ctx;
    i->ncontexts = 0;
    i->touched = false;
    i->terminate_on_heap_oom = o->terminate_on_heap_oom || region->options.terminate_on_heap_oom;
    i->heap_limit =
        o->heap_memory_limit && o->heap_memory_limit < limit ? o->heap_memory_limit : limit;
    lucet__allowance_set(&i->heap, i->heap_limit, 0);
    i->start_done = module->artifact.header->start == LUCET_NONE;
    if (!i->complete)
        lucet__allowance_set(&i->entries, region->limits.table_entries, 0);
    return i;
}

enum lucet_error lucet_region_new_instance_with(struct lucet_region *region,
                                                struct lucet_dl_module *module,
                                                const struct lucet_instance_options *o,
                                                struct lucet_instance **out)
{
    static const struct lucet_instance_options none;
    struct lucet_instance *i;
    struct slot *slot;
    enum lucet_error e;

    lucet__clear_error();
    if (!region || !module || !out)
        return lucet__fail(lucet_error_invalid_argument, "lucet_region_new_instance: NULL");
    *out = NULL;
    o = o ? o : &none;
    if (o->ncontexts && !o->contexts)
        return lucet__fail(lucet_error_invalid_argument, "contexts: NULL");
    e = check_region(region, &module->artifact);
    if (e != lucet_error_ok)
        return e;
    e = lucet__slot_take(region, module, module->artifact.header->layout.size, &slot);
    if (e != lucet_error_ok)
        return e;
    i = instance_new(region, slot, module, o);
    if (!i)
        return lucet__no_memory();
    if (!i->complete)
        e = build(i);
    if (e == lucet_error_ok && o->thread_of)
        e = lucet__program_join(i, o->thread_of);
    for (size_t k = 0; k < o->ncontexts && e == lucet_error_ok; k++)
        e = lucet_instance_set_context(i, o->contexts[k].key, o->contexts[k].value);
    if (e == lucet_error_ok)
        e = link_up(i, o);
    if (e == lucet_error_ok && o->run_start)
        e = run_start(i);
    if (e != lucet_error_ok) {
        lucet__instance_drop(i);
        return e;
    }
    lucet__callable_update(i);
    LUCET__PROBE2(instance_new, i, module);
    *out = i;
    return lucet_error_ok;
}

enum lucet_error lucet_region_new_instance(struct lucet_region *region,
                                           struct lucet_dl_module *module,
                                           struct lucet_instance **out)
{
    return lucet_region_new_instance_with(region, module, NULL, out);
}

enum lucet_error lucet_region_new_instance_with_ctx(struct lucet_region *region,
                                                    struct lucet_dl_module *module, void *embed_ctx,
                                                    struct lucet_instance **out)
{
    const struct lucet_instance_options o = {.embed_ctx = embed_ctx};

    return lucet_region_new_instance_with(region, module, &o, out);
}

void lucet__instance_leave(struct lucet_instance *i)
{
    while (i->memories_used > 0)
        lucet__memory_use(lucet__memory_desc(i, --i->memories_used)->owner, false);
    lucet__program_leave(i);
}

void lucet__instance_drop(struct lucet_instance *i)
{
    /* Whoever else knows of it may still want to stop it. */
    if (i->stop && (i->store || lucet__stop_shared(i->stop)))
        lucet__stop_disable(i->stop);
    if (i->store)
        lucet__store_release(i->store);
    else
        lucet__instance_destroy(i);
}

void lucet_instance_release(struct lucet_instance *i)
{
    lucet__clear_error();
    if (!i)
        return;
    LUCET__PROBE1(instance_release, i);
    lucet__instance_drop(i);
}
