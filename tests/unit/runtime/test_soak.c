/* Many instances that return, trap, overflow, yield, and are killed: memory, descriptors, mappings and
 * threads stay as they were. LUCET_SOAK = number of instances (default 6000). */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/guest.h"

static const char wat[] = "(module (import \"h\" \"yield\" (func $yield)) (memory 2 16) (table 10 "
                          "funcref) (type $v (func))"
                          " (func $f) (elem (i32.const 0) $f)"
                          " (func $deep (export \"overflow\") (call $deep) (call $deep))"
                          " (func (export \"unreachable\") unreachable)"
                          " (func (export \"oob\") (drop (i32.load (i32.const 100000000))))"
                          " (func (export \"null\") (call_indirect (type $v) (i32.const 5)))"
                          " (func (export \"loop\") (loop (br 0)))"
                          " (func (export \"yield\") (call $yield) (call $yield))"
                          " (func (export \"work\") (drop (memory.grow (i32.const 3)))"
                          "   (memory.fill (i32.const 0) (i32.const 7) (i32.const 200000))"
                          "   (call_indirect (type $v) (i32.const 0))))";

struct usage {
    long pages, maps, fds, threads;
};

static long count_entries(const char *path)
{
    DIR *d = opendir(path);
    long n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static struct usage measure(void)
{
    struct usage u = {0};
    int c;
    FILE *f = fopen("/proc/self/statm", "r");

    if (fscanf(f, "%*d %ld", &u.pages) != 1)
        u.pages = 0;
    fclose(f);
    f = fopen("/proc/self/maps", "r");
    while ((c = fgetc(f)) != EOF)
        u.maps += c == '\n';
    fclose(f);
    u.fds = count_entries("/proc/self/fd");
    u.threads = count_entries("/proc/self/task");
    return u;
}

static struct lucet_dl_module *module;
static struct lucet_region *region;
static atomic_uint unexpected;

static void yield(struct lucet_vmctx *ctx)
{
    lucet_vmctx_yield(ctx, NULL);
}

static struct lucet_linker *linker;

static void *fire(void *k)
{
    lucet_kill_switch_terminate(k);
    return NULL;
}

static void killed(struct lucet_instance *inst)
{
    struct lucet_kill_switch *k;
    struct lucet_result r;
    pthread_t thread;

    unexpected += lucet_instance_kill_switch(inst, &k) != lucet_error_ok;
    unexpected += pthread_create(&thread, NULL, fire, k) != 0;
    unexpected += lucet_instance_run(inst, "loop", 0, NULL, &r) != lucet_error_runtime_terminated;
    pthread_join(thread, NULL);
    lucet_kill_switch_release(k);
}

/* Dropped in the middle, or resumed; by a host function or by a slice. */
static void put_aside(struct lucet_instance *inst, unsigned i)
{
    struct lucet_result r;

    unexpected += lucet_instance_run(inst, "yield", 0, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    if (i % 3) {
        unexpected += lucet_instance_resume(inst, NULL, &r) != lucet_error_ok ||
                      r.tag != lucet_result_tag_yielded;
        unexpected += lucet_instance_resume(inst, NULL, &r) != lucet_error_ok ||
                      r.tag != lucet_result_tag_returned;
    } else {
        unexpected += lucet_instance_reset(inst) != lucet_error_ok;
    }
    if (i % 20)
        return;
    unexpected += lucet_instance_set_slice(inst, 50000) != lucet_error_ok;
    unexpected += lucet_instance_run(inst, "loop", 0, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    unexpected += lucet_instance_resume(inst, NULL, &r) != lucet_error_ok ||
                  r.tag != lucet_result_tag_yielded;
    unexpected += lucet_instance_set_slice(inst, 0) != lucet_error_ok;
    if (i % 40) /* else it is released as it is, or killed */
        unexpected += lucet_instance_reset(inst) != lucet_error_ok;
}

static void one(unsigned i)
{
    static const struct {
        const char *name;
        enum lucet_error error;
    } kinds[] = {{"work", lucet_error_ok},
                 {"overflow", lucet_error_runtime_fault},
                 {"unreachable", lucet_error_runtime_fault},
                 {"oob", lucet_error_runtime_fault},
                 {"null", lucet_error_runtime_fault}};
    struct lucet_instance *inst;
    struct lucet_result r;

    const struct lucet_instance_options o = {.linker = linker};
    if (lucet_region_new_instance_with(region, module, &o, &inst) != lucet_error_ok) {
        unexpected++;
        return;
    }
    for (unsigned k = 0; k < 2; k++) {
        unsigned kind = (i + 3 * k) % 5;
        unexpected += lucet_instance_run(inst, kinds[kind].name, 0, NULL, &r) != kinds[kind].error;
        unexpected += lucet_instance_reset(inst) != lucet_error_ok;
    }
    put_aside(inst, i);
    if (i % 50 == 0 && i % 40)
        killed(inst);
    lucet_instance_release(inst);
}

static void *many(void *count)
{
    for (unsigned i = 0; i < *(unsigned *)count; i++)
        one(i);
    return NULL;
}

static void nothing_accumulates(void **state)
{
    const char *wanted = getenv("LUCET_SOAK");
    unsigned n = wanted ? (unsigned)strtoul(wanted, NULL, 10) : 6000, each = n / 4;
    pthread_t threads[3];

    (void)state;
    guest_begin();
    module = guest_module(wat, &guest_default);
    region = guest_region(8);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_linker_func(linker, "h", "yield", ":", (void (*)(void))yield);
    unsigned warm = 500;
    for (int i = 0; i < 3; i++) /* so that every thread's arena exists before */
        pthread_create(&threads[i], NULL, many, &warm);
    many(&warm);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct usage before = measure();
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, many, &each);
    many(&each);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    struct usage after = measure();
    assert_int_equal(unexpected, 0);
    assert_int_equal(lucet_region_used_slots(region), 0);
#ifndef LUCET_SANITIZE                             /* which keeps freed memory for a while */
    assert_true(after.pages < before.pages + 500); /* 2 MB */
#endif
    assert_true(after.maps <= before.maps + 20);
    assert_int_equal(after.fds, before.fds);
    assert_int_equal(after.threads, before.threads);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_accumulates)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
