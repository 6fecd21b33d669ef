/* Modules with very many tags: what a throw costs does not depend on how many there are, and each
 * is told from the others. */
#include <stdio.h>

#include "guest.h"
#include "set.h"

enum { TAGS = 100000, THROWS = 3000 };

/* Functions that throw one tag and keep it as an object, and come back with it from there. */
static void add_function(struct text *t, const char *name, int tag)
{
    text_add(t,
             " (func (export \"%s\") (param $n i64) (result i64) (local $e exnref)"
             "   (loop $l"
             "     (local.set $e (block $h (result exnref)"
             "       (try_table (catch_all_ref $h) (throw %d)) unreachable))"
             "     (block $other (block $mine"
             "       (try_table (catch %d $mine) (catch_all $other) (throw_ref (local.get $e))))"
             "       (br_if $l (i32.wrap_i64"
             "         (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))"
             "       (return (i64.const 1))))"
             "   (i64.const 2))",
             name, tag, tag);
}

static struct lucet_instance *make(struct lucet_region *region, struct lucet_dl_module **m,
                                   int tags)
{
    struct text t = {0};

    text_add(&t, "(module");
    for (int k = 0; k < tags; k++)
        text_add(&t, "(tag)");
    add_function(&t, "first", 0);
    add_function(&t, "middle", tags / 2);
    add_function(&t, "last", tags - 1);
    text_add(&t, ")");
    *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return guest_instance(region, *m, NULL, NULL);
}

static double time_of(struct lucet_instance *inst, const char *name)
{
    double best = 1e9;

    for (int k = 0; k < 5; k++) {
        const double began = set_seconds();
        assert_int_equal(guest_call(inst, name, ARGS(I64(THROWS))), 1);
        if (set_seconds() - began < best)
            best = set_seconds() - began;
    }
    return best;
}

static void throwing_costs_the_same_with_many_tags(void **state)
{
    static const char *const names[] = {"first", "middle", "last"};
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_dl_module *few_module, *many_module;
    struct lucet_region *region;

    (void)state;
    guest_begin();
    limits.context_size = 1 << 20;
    assert_int_equal(lucet_mmap_region_create(2, &limits, &region), lucet_error_ok);
    struct lucet_instance *few = make(region, &few_module, 3);
    struct lucet_instance *many = make(region, &many_module, TAGS);
    for (int k = 0; k < 3; k++) {
        const double one = time_of(few, names[k]), other = time_of(many, names[k]);
        printf("%s tag: %.0f ns with few, %.0f ns with many\n", names[k], one / THROWS * 1e9,
               other / THROWS * 1e9);
        assert_true(other < one * 10);
    }
    lucet_instance_release(few);
    lucet_instance_release(many);
    lucet_dl_module_release(few_module);
    lucet_dl_module_release(many_module);
    lucet_region_release(region);
}

/* Every number of tags around where looking at each ends; imported twice, too. */
static void each_tag_is_itself(void **state)
{
    struct lucet_linker *linker;
    struct lucet_tag *tag;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    assert_int_equal(lucet_tag_new(":", &tag), lucet_error_ok);
    assert_int_equal(lucet_linker_tag(linker, "h", "t", tag), lucet_error_ok);
    for (int tags = 3; tags < 40; tags += 1 + tags / 6) {
        struct text t = {0};
        char name[16];
        text_add(&t, "(module (import \"h\" \"t\" (tag)) (import \"h\" \"t\" (tag))");
        for (int k = 2; k < tags; k++)
            text_add(&t, "(tag)");
        for (int k = 0; k < tags; k++) {
            snprintf(name, sizeof(name), "%d", k);
            add_function(&t, name, k);
        }
        text_add(&t, ")");
        struct lucet_dl_module *m = guest_module(t.s, &guest_default);
        struct lucet_instance *inst = guest_instance(region, m, linker, NULL);
        for (int k = 0; k < tags; k++) {
            snprintf(name, sizeof(name), "%d", k);
            assert_int_equal(guest_call(inst, name, ARGS(I64(2))), 1);
        }
        text_free(&t);
        lucet_instance_release(inst);
        lucet_dl_module_release(m);
    }
    lucet_tag_release(tag);
    lucet_linker_release(linker);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throwing_costs_the_same_with_many_tags),
        cmocka_unit_test(each_tag_is_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
