/* A part of a region that one instance at a time has. */
#ifndef LUCET_RUNTIME_SLOT_H
#define LUCET_RUNTIME_SLOT_H

#include <stdatomic.h>

#include "lucet/lucet.h"

/* A slot, from its first byte:
 *
 *   | context | guard | guest stack | guard | heap: reservation and guard | next slot ...
 *
 * The guard before the heap is also the one behind the stack; the context's front guard is the heap
 * guard of the slot before, or of the region. All is inaccessible until it is used. Where the
 * kernel can, context, stack and heap are one mapping with guards in it, since a process may have
 * 65,530.
 *
 * While a slot is free it holds nothing of its tenant, but is prepared for the next instance of the
 * same module: its heap is as that begins, and the instance's structures and context wait in
 * `parked`. */
struct slot {
    _Alignas(128) struct lucet_region *region; /* cache lines come in pairs */
    uint8_t *context, *stack, *heap;           /* lowest addresses */
    uint64_t module_id;                        /* of the module it held last; 0 = none */
    struct lucet_instance *parked;             /* of that module; NULL = none */

    uint64_t heap_accessible; /* bytes that are readable and writable now */
    uint64_t content;         /* id of the module whose image the heap began with; 0 = zero */
    uint64_t image_offset, image_size;         /* where that is mapped; size 0: it was copied */
    uint64_t context_accessible, context_used; /* from its beginning */
    /* Of regions with pages on demand: where those with the image's content come from. Not while it
     * is free. */
    const uint8_t *image_bytes;
    atomic_uint_fast64_t resident; /* bytes of the heap that were provided */
    uint32_t next_free;
    bool on_demand;                   /* its heap is registered */
    bool stack_accessible, heap_used; /* the former: the context's beginning and guards, too */
    bool one_mapping;
    bool warm; /* while it is free: it keeps pages */
    bool deep; /* the stack keeps pages below its shallow part */
};

/* slot.c. Takes a slot, its stack and `context_size` bytes of context accessible; zero, unless an
 * instance is parked there. Prefers one that last held `module`. */
enum lucet_error lucet__slot_take(struct lucet_region *r, const struct lucet_dl_module *module,
                                  uint64_t context_size, struct slot **out);
/* Forgets everything that its tenant, an instance of `module`, left in it, and puts it back.
 * `quiet`: nothing was written but the context and LUCET_QUIET_STACK bytes of the stack. `parked`:
 * what waits in it, of whose context [guest_part, guest_part + guest_size) is cleared; NULL: all of
 * the context is. */
void lucet__slot_give_back(struct slot *s, struct lucet_dl_module *module, bool quiet,
                           struct lucet_instance *parked);
/* Takes the image out of a heap that was just reset: what comes before the data segments has
 * failed. */
bool lucet__slot_heap_zero(struct slot *s);
/* Forgets what was in the heap; bytes [0, size) become accessible: zero or the module's image. */
enum lucet_error lucet__slot_heap_reset(struct slot *s, uint64_t size,
                                        struct lucet_dl_module *module);

#endif
