/* Whoever creates a region in a test gets one of the kind that LUCET_TEST_REGION names ("uffd"): so
 * tests of everything else can be run in either kind. The linker puts these in the place of the
 * runtime's (--wrap). */
#include <stdio.h>
#include <stdlib.h>

#include "run/guest.h"
#include "runtime/dirty.h"

enum lucet_error __real_lucet_mmap_region_create_with(size_t capacity,
                                                      const struct lucet_alloc_limits *limits,
                                                      const struct lucet_region_options *options,
                                                      struct lucet_region **out);
enum lucet_error __wrap_lucet_mmap_region_create_with(size_t capacity,
                                                      const struct lucet_alloc_limits *limits,
                                                      const struct lucet_region_options *options,
                                                      struct lucet_region **out);
enum lucet_error __wrap_lucet_mmap_region_create(size_t capacity,
                                                 const struct lucet_alloc_limits *limits,
                                                 struct lucet_region **out);

bool guest_on_demand(void)
{
    const char *kind = getenv("LUCET_TEST_REGION");

    return kind && strcmp(kind, "uffd") == 0;
}

/* One for what is accessible, unless guards need their own, and one for what is not. Heaps with
 * pages on demand are registered, and what is before them is not. */
unsigned guest_mappings_each(void)
{
    return lucet__guards_possible() ? 2u + guest_on_demand() : 6u;
}

enum lucet_error __wrap_lucet_mmap_region_create_with(size_t capacity,
                                                      const struct lucet_alloc_limits *limits,
                                                      const struct lucet_region_options *options,
                                                      struct lucet_region **out)
{
    if (!guest_on_demand())
        return __real_lucet_mmap_region_create_with(capacity, limits, options, out);
    const enum lucet_error e = lucet_uffd_region_create_with(capacity, limits, options, out);
    if (e == lucet_error_unsupported) {
        printf("skipped: %s\n", lucet_error_detail());
        skip();
    }
    return e;
}

enum lucet_error __wrap_lucet_mmap_region_create(size_t capacity,
                                                 const struct lucet_alloc_limits *limits,
                                                 struct lucet_region **out)
{
    return __wrap_lucet_mmap_region_create_with(capacity, limits, NULL, out);
}
