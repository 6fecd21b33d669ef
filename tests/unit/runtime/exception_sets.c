#include "runtime/exception_sets.h"

#include "runtime/store.h"

static struct lucet_region *region;
static struct lucet_dl_module *module;

void sets_begin(const char *wat, size_t instances)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    guest_begin();
    if (region)
        return;
    limits.heap_memory_size = 1 << 20;
    assert_int_equal(lucet_mmap_region_create(instances, &limits, &region), lucet_error_ok);
    module = guest_module(wat, &guest_default);
    /* What the first instance of a module makes for all others. */
    lucet_instance_release(sets_instance());
}

struct lucet_instance *sets_instance(void)
{
    return guest_instance(region, module, NULL, NULL);
}

struct lucet_tag *sets_tag(struct lucet_instance *i, const char *name)
{
    struct lucet_tag *t;

    assert_int_equal(lucet_instance_tag(i, name, strlen(name), &t), lucet_error_ok);
    return t;
}

struct lucet_exception *sets_add(struct lucet_instance *i, uint64_t value)
{
    const uint64_t values[][2] = {{value, 0}};
    struct lucet_exception *e = lucet__exception_new(sets_tag(i, "n"), values);

    assert_non_null(e);
    e->refs = 0;
    lucet__exception_add(lucet__exceptions_of(i), e);
    return e;
}

void sets_link(struct lucet_instance *one, struct lucet_instance *two)
{
    assert_int_equal(lucet__store_link(lucet__store_of_instance(one), lucet__store_of_instance(two),
                                       STORE_MUTUAL),
                     lucet_error_ok);
}

int sets_set_up(void **state)
{
    (void)state;
    return lucet_set_allocator(&counting_allocator) != lucet_error_ok;
}

int sets_tear_down(void **state)
{
    (void)state;
    const size_t used = region ? lucet_region_used_slots(region) : 0;
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return used != 0;
}
