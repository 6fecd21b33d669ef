#include "runtime/demand_guest.h"

#include <stdio.h>

#define DATA 200000u /* of the data segment, from byte 1000 on */

struct lucet_region *demand_region(size_t capacity, uint64_t resident_limit)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    const struct lucet_region_options o = {.heap_resident_limit = resident_limit};
    struct lucet_region *region = NULL;

    limits.heap_memory_size = 64 << 20;
    const enum lucet_error e = lucet_uffd_region_create_with(capacity, &limits, &o, &region);
    if (e == lucet_error_unsupported) {
        printf("skipped: %s\n", lucet_error_detail());
        skip();
    }
    assert_int_equal(e, lucet_error_ok);
    return region;
}

struct lucet_dl_module *demand_module_with(const char *memory, const char *data)
{
    struct text t = {0};

    text_add(&t,
             "(module %s"
             " (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
             " (func (export \"store\") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))"
             " (func (export \"fill\") (param i32 i32)"
             "   (memory.fill (local.get 0) (i32.const 9) (local.get 1)))"
             " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
             " %s)",
             memory, data);
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return m;
}

struct lucet_dl_module *demand_module(void)
{
    struct text data = {0};

    text_add(&data, "(data (i32.const 1000) \"");
    for (unsigned k = 0; k < DATA; k++)
        text_add(&data, "%c", 'a' + k % 26);
    text_add(&data, "\")");
    struct lucet_dl_module *m = demand_module_with("(memory (export \"m\") 8 200)", data.s);
    text_free(&data);
    return m;
}

struct demand demand_begin(size_t capacity, uint64_t resident_limit)
{
    struct demand d;

    guest_begin();
    d.region = demand_region(capacity, resident_limit);
    d.module = demand_module();
    d.inst = guest_instance(d.region, d.module, NULL, NULL);
    return d;
}

void demand_end(struct demand *d)
{
    lucet_instance_release(d->inst);
    lucet_region_release(d->region);
    lucet_dl_module_release(d->module);
}

uint8_t demand_expected(size_t at)
{
    return at >= 1000 && at < 1000 + DATA ? (uint8_t)('a' + (at - 1000) % 26) : 0;
}

size_t demand_differences(struct lucet_instance *inst)
{
    const uint8_t *heap = lucet_instance_heap(inst);
    size_t n = 0;

    for (size_t k = 0; k < IMAGE; k++)
        n += heap[k] != demand_expected(k);
    return n;
}

void demand_expect_image(struct lucet_instance *inst)
{
    assert_int_equal(demand_differences(inst), 0);
}

uint32_t demand_load(struct lucet_instance *inst, uint32_t at)
{
    return (uint32_t)guest_call(inst, "load", ARGS(I32(at)));
}

uint64_t demand_resident(struct lucet_instance *inst)
{
    uint64_t bytes = UINT64_MAX;

    assert_int_equal(lucet_instance_heap_resident(inst, &bytes), lucet_error_ok);
    return bytes;
}
