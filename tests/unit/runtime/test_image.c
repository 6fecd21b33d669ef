/* Initial memories that are mapped: what modules of many segments hold, in whatever order and over
 * each other. */
#include <stdlib.h>

#include "run/guest.h"
#include "runtime/image.h"
#include "runtime/instance.h"
#include "runtime/module.h"
#include "runtime/region.h"

enum { SIZE = 8 * 65536, ROUNDS = 6 };

static uint32_t random_state = 2026;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

static void add_segment(struct text *t, uint8_t *want, uint32_t offset, uint32_t size, char fill)
{
    text_add(t, "(data (i32.const %u) \"", offset);
    for (uint32_t i = 0; i < size; i++)
        text_add(t, "%c", fill);
    text_add(t, "\")\n");
    memset(want + offset, fill, size);
}

/* Small ones one after the other, then anywhere, and a few that are large. */
static struct lucet_dl_module *with_segments(uint8_t *want, bool in_order)
{
    struct text t = {0};

    text_add(&t, "(module (memory (export \"m\") 8)\n");
    for (uint32_t i = 0, at = 0; i < 300; i++) {
        uint32_t size = random_below(i % 50 == 7 ? 90000 : 700);
        at = in_order ? at + random_below(60) : random_below(SIZE);
        if (at + size > SIZE)
            break;
        add_segment(&t, want, at, size, (char)('a' + random_below(26)));
        at += size;
    }
    text_add(&t, ")");
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return m;
}

static void memories_of_many_segments_are_right(void **state)
{
    uint8_t *want = malloc(SIZE);
    unsigned images = 0;

    (void)state;
    guest_begin();
    for (int round = 0; round < ROUNDS; round++) {
        memset(want, 0, SIZE);
        struct lucet_region *region = guest_region(1);
        struct lucet_dl_module *m = with_segments(want, round % 2 == 0);
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        images += lucet__image(m)->fd >= 0;
        assert_memory_equal(lucet_instance_heap(inst), want, SIZE);
        lucet_instance_release(inst);
        lucet_dl_module_release(m);
        lucet_region_release(region);
    }
    assert_true(images >= ROUNDS / 2);
    free(want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memories_of_many_segments_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
