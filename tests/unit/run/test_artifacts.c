/* Hostile and damaged artifacts: refused, or at least nothing happens while they are loaded. */
#include "guest.h"
#include "patience.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char wat[] =
    "(module $m (import \"host\" \"f\" (func (param i32) (result i32)))"
    " (memory (export \"memory\") 1 10) (table (export \"t\") 5 funcref) (global (export \"g\") "
    "(mut i64) (i64.const 7))"
    " (data (i32.const 8) \"hello\") (elem (i32.const 1) func $f $f) (data \"passive\")"
    " (func $f (export \"f\") (param i32) (result i32) (i32.load (local.get 0)))"
    " (func (export \"g2\") (result i32 i64 f64) (i32.const 1) (i64.const 2) (f64.const 3))"
    " (func $s (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 3))) (start $s))";

/* Loads and throws away; whether it was accepted. */
static bool loads(const uint8_t *bytes, size_t size)
{
    struct lucet_dl_module *module = NULL;
    const enum lucet_error e = lucet_dl_module_load_bytes(bytes, size, &module);

    assert_true(e == lucet_error_ok || e == lucet_error_module || e == lucet_error_unsupported ||
                e == lucet_error_dl);
    assert_true((e == lucet_error_ok) == (module != NULL));
    if (e != lucet_error_ok)
        assert_true(lucet_error_detail()[0] != '\0');
    lucet_dl_module_release(module);
    return e == lucet_error_ok;
}

static void truncated_artifacts_are_refused(void **state)
{
    size_t size;
    (void)state;
    guest_begin();
    uint8_t *artifact = guest_artifact(wat, &guest_default, &size);
    assert_true(loads(artifact, size));
    for (size_t n = 0; n < size; n += n < 4096 ? 13 : 101) {
        uint8_t *cut = malloc(n ? n : 1); /* so that a sanitizer sees reads beyond */
        assert_non_null(cut);
        memcpy(cut, artifact, n);
        assert_false(loads(cut, n));
        free(cut);
    }
    free(artifact);
}

/* What is damaged may be code or a constant, where loading cannot notice; where it notices, it
 * refuses. */
static void damaged_artifacts_do_no_harm_when_loaded(void **state)
{
    size_t size;
    unsigned refused = 0, random = 12345;
    (void)state;
    guest_begin();
    uint8_t *artifact = guest_artifact(wat, &guest_default, &size);
    for (unsigned i = 0; i < 6000; i++) {
        random = random * 1103515245 + 12345;
        const size_t at = (random >> 4) % size;
        const uint8_t old = artifact[at];
        artifact[at] = i % 3 == 0 ? 0xff : i % 3 == 1 ? 0 : (uint8_t)(old ^ (1u << (random & 7)));
        refused += !loads(artifact, size);
        artifact[at] = old;
    }
    assert_true(refused > 100);
    assert_true(loads(artifact, size));
    free(artifact);
}

/* The header at the beginning of section .lucet.module. */
static uint8_t *find_header(uint8_t *artifact, size_t size)
{
    uint8_t *header = memmem(artifact, size, "LUCETMOD", 8);
    assert_non_null(header);
    return header;
}

static void artifacts_of_other_versions_are_refused(void **state)
{
    size_t size;
    (void)state;
    guest_begin();
    uint8_t *artifact = guest_artifact(wat, &guest_default, &size);
    uint8_t *header = find_header(artifact, size);
    for (unsigned offset = 0; offset < 16; offset++) { /* magic, format version, ABI version */
        header[offset] ^= 1;
        assert_false(loads(artifact, size));
        header[offset] ^= 1;
    }
    assert_true(loads(artifact, size));
    free(artifact);
}

static void what_is_no_artifact_is_refused(void **state)
{
    static const char *const paths[] = {"/",
                                        "/nowhere/at/all",
                                        "",
                                        "/dev/null",
                                        "/dev/zero",
                                        "/proc/self/exe",
                                        "/etc/passwd",
                                        "/lib/x86_64-linux-gnu/libc.so.6"};
    char fifo[] = "/tmp/lucet-fifo-XXXXXX";
    struct lucet_dl_module *module = NULL;
    (void)state;
    guest_begin();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const enum lucet_error e = lucet_dl_module_load(paths[i], &module);
        assert_true(e == lucet_error_dl || e == lucet_error_module);
        assert_null(module);
        assert_true(lucet_error_detail()[0] != '\0');
    }
    assert_non_null(mkdtemp(fifo));
    rmdir(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(PATIENCE); /* it must not wait for a writer */
    assert_int_not_equal(lucet_dl_module_load(fifo, &module), lucet_error_ok);
    alarm(0);
    unlink(fifo);
}

/* What was checked is what runs. */
static void changes_to_the_file_after_loading_do_not_matter(void **state)
{
    char path[] = "/tmp/lucet-test-XXXXXX";
    struct lucet_dl_module *module = NULL;
    size_t size;
    (void)state;
    guest_begin();
    uint8_t *artifact = guest_artifact(
        "(module (memory 1) (data (i32.const 0) \"A\")"
        " (func (export \"f\") (result i32) (i32.add (i32.load8_u (i32.const 0)) (i32.const 41))))",
        &guest_default, &size);
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, artifact, size), size);
    assert_int_equal(lucet_dl_module_load(path, &module), lucet_error_ok);
    memset(artifact, 0xcc, size);
    assert_int_equal(pwrite(fd, artifact, size, 0), size);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    unlink(path);
    struct lucet_region *region = guest_region(1);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "f", 0, NULL), 'A' + 41);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    free(artifact);
}

/* Every mapping of an artifact is either writable or executable or neither. */
static void no_memory_is_writable_and_executable(void **state)
{
    char line[512];
    (void)state;
    guest_begin();
    struct lucet_dl_module *module =
        guest_module("(module (memory 1) (func (export \"f\")))", &guest_default);
    struct lucet_region *region = guest_region(2);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    guest_call(inst, "f", 0, NULL);
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        assert_null(strstr(line, " rwx"));
    fclose(maps);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated_artifacts_are_refused),
        cmocka_unit_test(damaged_artifacts_do_no_harm_when_loaded),
        cmocka_unit_test(artifacts_of_other_versions_are_refused),
        cmocka_unit_test(what_is_no_artifact_is_refused),
        cmocka_unit_test(changes_to_the_file_after_loading_do_not_matter),
        cmocka_unit_test(no_memory_is_writable_and_executable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
