/* Loading: what is refused, and what loaded modules look like in memory. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module/cpu.h"
#include "module/reader.h"
#include "run/guest.h"
#include "runtime/instance.h"

static const char wat[] = "(module $adder (import \"env\" \"host\" (func (param i32) (result i64)))"
                          " (memory (export \"mem\") 1 2)"
                          " (func (export \"add\") (param i32 i32) (result i32)"
                          "   (i32.add (local.get 0) (local.get 1)))"
                          " (func (export \"none\")))";

static void write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static void files_that_are_no_artifacts_are_refused(void **state)
{
    struct lucet_dl_module *m;
    char dir[] = "/tmp/lucet-test-XXXXXX", path[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/x", dir);
    assert_int_equal(lucet_dl_module_load(path, &m), lucet_error_dl);
    assert_non_null(strstr(lucet_error_detail(), path));
    assert_null(m);
    assert_int_equal(lucet_dl_module_load(dir, &m), lucet_error_dl);
    assert_non_null(strstr(lucet_error_detail(), "Is a directory"));
    assert_int_equal(lucet_dl_module_load("/dev/zero", &m), lucet_error_dl);
    write_file(path, "", 0);
    assert_int_equal(lucet_dl_module_load(path, &m), lucet_error_dl);
    assert_non_null(strstr(lucet_error_detail(), "an empty file"));
    write_file(path,
               "\x7f"
               "ELF",
               4);
    assert_int_equal(lucet_dl_module_load(path, &m), lucet_error_module);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0); /* does not wait for a writer */
    assert_int_equal(lucet_dl_module_load(path, &m), lucet_error_dl);
    unlink(path);
    rmdir(dir);
    assert_int_equal(lucet_dl_module_load("/proc/self/exe", &m), lucet_error_module);
    assert_non_null(strstr(lucet_error_detail(), "a program for x86-64, not an artifact"));
    static const char wasm[64] = "\0asm\1";
    assert_int_equal(lucet_dl_module_load_bytes(wasm, sizeof(wasm), &m), lucet_error_module);
    assert_non_null(strstr(lucet_error_detail(), "lucetc"));
    assert_int_equal(lucet_dl_module_load("\033[31m", &m), lucet_error_dl);
    assert_null(strchr(lucet_error_detail(), '\033'));
    assert_int_equal(lucet_dl_module_load(NULL, &m), lucet_error_invalid_argument);
    assert_int_equal(lucet_dl_module_load_bytes("x", 0, &m), lucet_error_dl);
    assert_int_equal(lucet_dl_module_load_bytes(NULL, 1, &m), lucet_error_invalid_argument);
}

static void later_changes_to_the_file_do_not_matter(void **state)
{
    char path[] = "/tmp/lucet-test-XXXXXX";
    struct lucet_dl_module *m;
    size_t size;

    (void)state;
    guest_begin();
    uint8_t *bytes = guest_artifact("(module (func (export \"f\") (result i32) (i32.const 42)))",
                                    &guest_default, &size);
    close(mkstemp(path));
    write_file(path, bytes, size);
    assert_int_equal(lucet_dl_module_load(path, &m), lucet_error_ok);
    memset(bytes, 0xcc, size);
    write_file(path, bytes, size);
    assert_int_equal(truncate(path, 0), 0);
    unlink(path);
    free(bytes);
    struct lucet_region *region = guest_region(1);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "f", 0, NULL), 42);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* Lines of /proc/self/maps with that text and permission. */
static unsigned count_maps(const char *text, const char *permissions)
{
    char line[512];
    unsigned n = 0;
    FILE *f = fopen("/proc/self/maps", "r");

    while (fgets(line, sizeof(line), f))
        n += strstr(line, text) && strstr(line, permissions);
    fclose(f);
    return n;
}

static void nothing_of_a_module_is_writable(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    assert_int_equal(count_maps("memfd:lucet-module", " r-xp "), 1);
    assert_true(count_maps("memfd:lucet-module", " r--p ") > 0);
    assert_int_equal(count_maps("memfd:lucet-module", " rw"), 0);
    lucet_dl_module_release(m);
    assert_int_equal(count_maps("memfd:lucet-module", ""), 0);
}

static void a_module_for_another_cpu_is_refused(void **state)
{
    struct lucet_dl_module *m;
    struct lucet_artifact a;
    struct lucet_artifact_error err;
    size_t size;

    (void)state;
    guest_begin();
    uint8_t *bytes = guest_artifact(wat, &guest_default, &size);
    assert_true(lucet_artifact_read(bytes, size, &a, &err));
    struct lucet_module_header *h = (void *)(uintptr_t)a.header;
    h->cpu_features |= UINT64_C(1) << 63;
    assert_int_equal(lucet_dl_module_load_bytes(bytes, size, &m), lucet_error_unsupported);
    h->cpu_features = UINT64_C(1) << 35; /* "other" */
    assert_int_equal(lucet_dl_module_load_bytes(bytes, size, &m), lucet_error_unsupported);
    assert_non_null(strstr(lucet_error_detail(), "lucetc --target-cpu names another CPU): other"));
    h->cpu_features = 0;
    const uint16_t aarch64 = LUCET_ARCH_AARCH64;
    h->arch = aarch64;
    memcpy(bytes + offsetof(Elf64_Ehdr, e_machine), &aarch64, sizeof(aarch64));
    assert_int_equal(lucet_dl_module_load_bytes(bytes, size, &m), lucet_error_unsupported);
    assert_non_null(strstr(lucet_error_detail(), "an artifact for aarch64; this is an x86-64"));
    free(bytes);
}

/* By whatever it says of AVX-512, or its guests would see masks and upper vector registers of the
 * host's. */
static void what_registers_to_clear_is_what_the_artifact_may_use(void **state)
{
    static const struct {
        uint64_t features;
        uint8_t level;
    } cases[] = {{0, 1},
                 {UINT64_C(1) << LUCET_CPU_avx2, 1},
                 {UINT64_C(1) << LUCET_CPU_avx512f, 2},
                 {UINT64_C(1) << LUCET_CPU_avx512vl, 2},
                 {UINT64_C(1) << LUCET_CPU_avx512vbmi, 2}};
    struct lucet_region *region = guest_region(1);
    struct lucet_artifact_error err;
    struct lucet_artifact a;
    size_t size;

    (void)state;
    guest_begin();
    uint8_t *bytes = guest_artifact("(module)", &guest_default, &size);
    assert_true(lucet_artifact_read(bytes, size, &a, &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct lucet_dl_module *m;
        if (cases[i].features & ~lucet_cpu_features())
            continue; /* cannot be loaded here, so it cannot run */
        ((struct lucet_module_header *)(uintptr_t)a.header)->cpu_features = cases[i].features;
        assert_int_equal(lucet_dl_module_load_bytes(bytes, size, &m), lucet_error_ok);
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        const uint8_t there = lucet__vector_level;
        assert_int_equal(inst->vector_level, cases[i].level < there ? cases[i].level : there);
        lucet_instance_release(inst);
        lucet_dl_module_release(m);
    }
    free(bytes);
    lucet_region_release(region);
}

static void imports_exports_and_requirements_are_told(void **state)
{
    struct lucet_module_requirements need;
    struct lucet_extern_desc d;

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest_module(wat, &guest_default);
    assert_int_equal(lucet_dl_module_import_count(m), 1);
    assert_int_equal(lucet_dl_module_import(m, 0, &d), lucet_error_ok);
    assert_string_equal(d.module, "env");
    assert_string_equal(d.name, "host");
    assert_string_equal(d.signature, "i:I");
    assert_int_equal(lucet_dl_module_import(m, 1, &d), lucet_error_invalid_argument);
    assert_int_equal(lucet_dl_module_export_count(m), 3);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(lucet_dl_module_export(m, 0, &d), lucet_error_ok);
        assert_string_equal(d.name, "add");
        assert_string_equal(d.signature, "ii:i");
        assert_null(d.module);
        assert_int_equal(lucet_dl_module_export(m, 1, &d), lucet_error_ok);
        assert_int_equal(d.kind, lucet_extern_memory);
        assert_null(d.signature);
        assert_int_equal(lucet_dl_module_export(m, 2, &d), lucet_error_ok);
        assert_string_equal(d.signature, ":");
    }
    assert_int_equal(lucet_dl_module_export(m, 3, &d), lucet_error_invalid_argument);
    lucet_dl_module_requirements(m, &need);
    assert_int_equal(need.heap_memory_size, 65536);
    assert_int_equal(need.heap_maximum, 131072);
    assert_int_equal(need.heap_address_space_size, UINT64_C(8) << 30);
    assert_true(need.context_size >= 8192);
    lucet_dl_module_release(m);
}

/* .eh_frame serves backtraces only: whatever it says, a fault stays a fault. */
static void damaged_unwind_tables_only_spoil_backtraces(void **state)
{
    static const char deep[] = "(module (func $f (export \"f\") (param i32)"
                               " (if (local.get 0)"
                               "   (then (call $f (i32.sub (local.get 0) (i32.const 1))))"
                               "   (else unreachable))))";
    struct lucet_artifact a;
    struct lucet_artifact_error err;
    unsigned refused = 0, damaged = 0;
    uint64_t random = 88172645463325252u;
    size_t size;

    (void)state;
    guest_begin();
    uint8_t *bytes = guest_artifact(deep, &guest_default, &size);
    assert_true(lucet_artifact_read(bytes, size, &a, &err));
    assert_true(a.eh_frame.size > 0);
    struct lucet_region *region = guest_region(1);
    for (int round = 0; round < 3000; round++) {
        struct lucet_dl_module *m;
        struct lucet_result r;
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        uint8_t *at = bytes + a.eh_frame.offset + random % a.eh_frame.size, before = *at;
        *at = (uint8_t)(random >> 40);
        enum lucet_error e = lucet_dl_module_load_bytes(bytes, size, &m);
        if (e == lucet_error_ok) {
            struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
            assert_int_equal(lucet_instance_run(inst, "f", 1, (struct lucet_val[]){I32(20)}, &r),
                             lucet_error_runtime_fault);
            assert_int_equal(r.val.faulted.trapcode, lucet_trapcode_unreachable);
            assert_true(r.val.faulted.backtrace_len >= 1 && r.val.faulted.backtrace_len <= 64);
            damaged += r.val.faulted.backtrace_len != 22; /* 21 and the entry */
            lucet_instance_release(inst);
            lucet_dl_module_release(m);
        } else {
            assert_int_equal(e, lucet_error_module);
            refused++;
        }
        *at = before;
    }
    assert_true(refused > 0 && damaged > 0);
    lucet_region_release(region);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_no_artifacts_are_refused),
        cmocka_unit_test(later_changes_to_the_file_do_not_matter),
        cmocka_unit_test(nothing_of_a_module_is_writable),
        cmocka_unit_test(a_module_for_another_cpu_is_refused),
        cmocka_unit_test(what_registers_to_clear_is_what_the_artifact_may_use),
        cmocka_unit_test(imports_exports_and_requirements_are_told),
        cmocka_unit_test(damaged_unwind_tables_only_spoil_backtraces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
