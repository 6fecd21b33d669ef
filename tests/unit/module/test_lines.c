/* Section .lucet.lines: lines are found, and damage is answered by "unknown". */
#include <string.h>

#include <cmocka.h>

#include "module/lines.h"

/* Function at 0x100: offsets 50, 53 of file 1 line 7, then 60 of no file. Function at 0x200:
 * nothing. */
struct section {
    struct lucet_lines_header header;
    struct lucet_lines_func funcs[2];
    struct lucet_lines_file files[1];
    uint8_t rows[16];
    char strings[8];
};
static const struct section good = {
    .header = {LUCET_LINES_VERSION, 2, 1, 16},
    .funcs = {{0x100, 0}, {0x200, 15}},
    .files = {{1, 3}},
    .rows = {3, 0, 50, 1, 7, 4, 3, 0, 0, 8, 7, 0x7f, 0x79, 0, 0, 0},
    .strings = "?a.cxyz",
};

static struct lucet_artifact artifact(const struct section *s, size_t size)
{
    return (struct lucet_artifact){
        .bytes = (const uint8_t *)s, .size = size, .lines = {0, 0, size}};
}

static void lines_are_found(void **state)
{
    static const struct {
        uint32_t code, wasm_offset, file, line;
    } cases[] = {{0x100, 50, 1, 7}, {0x103, 50, 1, 7}, {0x104, 53, 1, 7}, {0x1ff, 60, 0, 0}};
    const struct lucet_artifact a = artifact(&good, sizeof good);
    struct lucet_line line;
    uint32_t size;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(lucet_artifact_line(&a, cases[i].code, &line));
        assert_int_equal(line.wasm_offset, cases[i].wasm_offset);
        assert_int_equal(line.file, cases[i].file);
        assert_int_equal(line.line, cases[i].line);
    }
    const char *name = lucet_artifact_source_file(&a, 1, &size);
    assert_int_equal(size, 3);
    assert_memory_equal(name, "a.c", 3);
}

static void what_is_not_there_is_unknown(void **state)
{
    const struct lucet_artifact a = artifact(&good, sizeof good), none = {0};
    struct lucet_line line;
    uint32_t size;
    (void)state;
    assert_false(lucet_artifact_line(&a, 0xff, &line));
    assert_false(lucet_artifact_line(&a, 0x200, &line));
    assert_null(lucet_artifact_source_file(&a, 0, &size));
    assert_null(lucet_artifact_source_file(&a, 2, &size));
    assert_false(lucet_artifact_line(&none, 0x100, &line));
    assert_null(lucet_artifact_source_file(&none, 1, &size));
}

/* Every cut and every byte: no answer lies outside (the sanitizer build shows reads that do). */
static void damage_is_unknown(void **state)
{
    struct section s = good;
    struct lucet_line line;
    (void)state;
    for (size_t size = 0; size <= sizeof s; size++) {
        struct lucet_artifact a = artifact(&s, size);
        uint32_t name_size = 0;
        for (uint32_t code = 0xf0; code < 0x210; code++)
            lucet_artifact_line(&a, code, &line);
        const char *name = lucet_artifact_source_file(&a, 1, &name_size);
        assert_true(!name || (const uint8_t *)name + name_size <= a.bytes + size);
    }
    for (size_t at = 0; at < sizeof s; at++)
        for (unsigned v = 0; v < 256; v++) {
            s = good;
            ((uint8_t *)&s)[at] = (uint8_t)v;
            struct lucet_artifact a = artifact(&s, sizeof s);
            uint32_t name_size = 0;
            lucet_artifact_line(&a, 0x104, &line);
            lucet_artifact_line(&a, 0x200, &line);
            const char *name = lucet_artifact_source_file(&a, 1, &name_size);
            assert_true(!name || (const uint8_t *)name + name_size <= a.bytes + sizeof s);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_found),
        cmocka_unit_test(what_is_not_there_is_unknown),
        cmocka_unit_test(damage_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
