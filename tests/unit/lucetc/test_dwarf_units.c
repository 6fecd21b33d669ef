/* Where a compilation ran: from units as compilers write them; whatever else the bytes are, reading
 * ends. */
#include <string.h>

#include <cmocka.h>

#include "lucetc/dwarf_units.h"
#include "lucetc/line_rows.h"

/* clang-format off */
static const uint8_t abbrev[] = {
    1, 0x11, 1,                     /* number 1: a compilation unit with children */
    0x25, 0x0e, 0x13, 0x05,         /* producer: strp; language: data2 */
    0x03, 0x08, 0x10, 0x17,         /* name: string; statements: sec_offset */
    0x1b, 0x0e, 0x11, 0x01, 0, 0,   /* directory: strp; low pc: addr */
    2, 0x2e, 0, 0x3f, 0x19, 0, 0,   /* number 2: something else */
    7, 0x11, 0, 0x1b, 0x08, 0x10, 0x06, 0, 0, /* number 7: directory: string; statements: data4 */
    0,
};
static const uint8_t info[] = {
    /* length, version 4, abbreviations at 0, addresses of 4 bytes */
    28, 0, 0, 0, 4, 0, 0, 0, 0, 0, 4,
    1, 0, 0, 0, 0, 12, 0, 'a', 0, 0x55, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4,
    14, 0, 0, 0, 3, 0, 0, 0, 0, 0, 4,
    7, '/', 'x', 0, 0x20, 0, 0,       /* one byte too few */
    15, 0, 0, 0, 2, 0, 0, 0, 0, 0, 4,
    7, '/', 'y', 0, 0x11, 0, 0, 0,
    15, 0, 0, 0, 5, 0, 0, 0, 0, 0, 4, /* version 5: its line table says it itself */
    7, '/', 'z', 0, 0x22, 0, 0, 0,
};
/* clang-format on */
static const char strings[] = "clang\0/here";

static struct dwarf_sections sections(const void *info_bytes, size_t size)
{
    return (struct dwarf_sections){.str = {(const uint8_t *)strings, sizeof strings},
                                   .info = {info_bytes, (uint32_t)size},
                                   .abbrev = {abbrev, sizeof abbrev}};
}

static bool is(struct wasm_bytes name, const char *text)
{
    return name.size == strlen(text) && (name.size == 0 || memcmp(name.data, text, name.size) == 0);
}

static void units_tell_their_directories(void **state)
{
    struct dwarf_directories d = {0};
    const struct dwarf_sections s = sections(info, sizeof info);
    (void)state;
    assert_true(dwarf_directories_read(&d, &s));
    assert_int_equal(d.count, 2);
    assert_true(is(dwarf_directories_of(&d, 0x55), "/here"));
    assert_true(is(dwarf_directories_of(&d, 0x11), "/y"));
    assert_true(is(dwarf_directories_of(&d, 0x20), ""));
    assert_true(is(dwarf_directories_of(&d, 0x22), ""));
    dwarf_directories_free(&d);
}

static void damage_everywhere_ends(void **state)
{
    uint8_t bytes[sizeof info];
    (void)state;
    for (size_t at = 0; at < sizeof info; at++)
        for (unsigned v = 0; v < 256; v++) {
            struct dwarf_directories d = {0};
            memcpy(bytes, info, sizeof info);
            bytes[at] = (uint8_t)v;
            const struct dwarf_sections s = sections(bytes, v ? sizeof info : at);
            assert_true(dwarf_directories_read(&d, &s));
            assert_true(d.count <= sizeof info / 11);
            dwarf_directories_free(&d);
        }
}

/* A unit looks at a few bytes of abbreviations only. */
static void distant_abbreviations_are_not_searched(void **state)
{
    static uint8_t many[1 << 16];
    static const uint8_t one[] = {15, 0, 0, 0, 2, 0, 0, 0, 0, 0, 4, 7, '/', 'y', 0, 0x11, 0, 0, 0};
    static const uint8_t wanted[] = {7, 0x11, 0, 0x1b, 0x08, 0x10, 0x06, 0, 0};
    const struct dwarf_sections s = {.info = {one, sizeof one}, .abbrev = {many, sizeof many}};
    struct dwarf_directories d = {0};
    (void)state;
    for (size_t i = 0; i + 5 <= sizeof many; i += 5)
        memcpy(many + i, (const uint8_t[]){1, 0x2e, 0, 0, 0}, 5);
    memcpy(many + 200, wanted, sizeof wanted);
    assert_true(dwarf_directories_read(&d, &s));
    assert_int_equal(d.count, 1);
    dwarf_directories_free(&d);
    memcpy(many + 200, many, sizeof wanted + 1);
    memcpy(many + 60000, wanted, sizeof wanted);
    assert_true(dwarf_directories_read(&d, &s));
    assert_int_equal(d.count, 0);
    dwarf_directories_free(&d);
}

/* Line tables of version 4, one file each: directory 1 is "d" or "/d". */
static void names_begin_where_the_compilation_ran(void **state)
{
    static const struct {
        const char *directory, *file;
        uint8_t index;
        const char *wanted;
    } cases[] = {
        {"d", "f", 0, "/base/f"},  {"d", "f", 1, "/base/d/f"}, {"/d", "f", 1, "/d/f"},
        {"/d", "f", 0, "/base/f"}, {"d", "/f", 1, "/f"},       {"d", "../f", 1, "/base/d/../f"},
    };
    static const uint8_t head[] = {0,  0,  0, 0, 4, 0, 0, 0, 0, 0, 1, 1, 1, 0xfb,
                                   14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1};
    static const uint8_t program[] = {0, 5, 2, 16, 0, 0, 0, 1, 2, 1, 0, 1, 1};
    static const uint8_t unit[] = {18, 0,   0,   0,   2,   0,   0, 0, 0, 0, 4,
                                   7,  '/', 'b', 'a', 's', 'e', 0, 0, 0, 0, 0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t line[128];
        size_t n = sizeof head;
        struct source_files files = {0};
        memcpy(line, head, n);
        n += strlen(strcpy((char *)line + n, cases[i].directory)) + 1;
        line[n++] = 0;
        n += strlen(strcpy((char *)line + n, cases[i].file)) + 1;
        line[n++] = cases[i].index;
        line[n++] = 0;
        line[n++] = 0;
        line[n++] = 0;
        line[6] = (uint8_t)(n - 10);
        memcpy(line + n, program, sizeof program);
        n += sizeof program;
        line[0] = (uint8_t)(n - 4);

        struct line_rows rows = {0};
        const struct dwarf_sections s = {.line = {line, (uint32_t)n},
                                         .info = {unit, sizeof unit},
                                         .abbrev = {abbrev, sizeof abbrev}};
        assert_true(line_rows_read(&rows, &s, &files));
        assert_int_equal(files.count, 1);
        assert_string_equal(source_files_name(&files, 1), cases[i].wanted);
        line_rows_free(&rows);
        source_files_free(&files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_tell_their_directories),
        cmocka_unit_test(damage_everywhere_ends),
        cmocka_unit_test(distant_abbreviations_are_not_searched),
        cmocka_unit_test(names_begin_where_the_compilation_ran),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
