#include "steps.h"

#include <stdio.h>

#include <cmocka.h>

static void every_instruction(void **state)
{
    (void)state;
    printf("skipped: ThreadSanitizer calls handlers later than at the instruction\n");
    skip();
}

int steps_skipped(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_instruction)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
