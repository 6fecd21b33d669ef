#include "set.h"

#include <time.h>

struct set set_begin(const char *wat, const struct guest_mode *mode, const struct set_host *hosts)
{
    struct set s = {.region = guest_region(4), .module = guest_module(wat, mode)};

    assert_int_equal(lucet_linker_new(&s.linker), lucet_error_ok);
    for (; hosts->name; hosts++)
        assert_int_equal(lucet_linker_func(s.linker, "h", hosts->name, hosts->signature,
                                           (void (*)(void))hosts->f),
                         lucet_error_ok);
    s.a = guest_instance(s.region, s.module, s.linker, NULL);
    s.b = guest_instance(s.region, s.module, s.linker, NULL);
    return s;
}

void set_end(struct set *s)
{
    lucet_instance_release(s->a);
    lucet_instance_release(s->b);
    lucet_linker_release(s->linker);
    lucet_dl_module_release(s->module);
    assert_int_equal(lucet_region_used_slots(s->region), 0);
    lucet_region_release(s->region);
}

double set_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
