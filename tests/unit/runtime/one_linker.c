#include "one_linker.h"

struct lucet_linker *linker;
struct lucet_region *region;

void one_linker_begin(void)
{
    guest_begin();
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    region = guest_region(3);
}

void one_linker_end(void)
{
    lucet_linker_release(linker);
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}
