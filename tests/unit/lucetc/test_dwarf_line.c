/* Line number programs as compilers write them give their rows; whatever else the bytes are,
 * reading ends. */
#include <string.h>

#include <cmocka.h>

#include "lucetc/dwarf_line.h"

struct expected {
    uint64_t address;
    uint32_t line;
    const char *directory, *name; /* NULL: the end of a sequence */
};

struct seen {
    struct dwarf_row rows[16];
    struct dwarf_file files[16];
    unsigned count, most;
};

static bool note(void *arg, const struct dwarf_unit *u, const struct dwarf_row *row)
{
    struct seen *s = arg;
    if (s->count < 16) {
        s->rows[s->count] = *row;
        if (!dwarf_unit_file(u, row->file, &s->files[s->count]))
            memset(&s->files[s->count], 0, sizeof s->files[0]);
    }
    s->count++;
    return s->count < s->most;
}

static unsigned read_rows(const void *line, size_t size, struct wasm_bytes strings, struct seen *s)
{
    const struct dwarf_sections sections = {
        .line = {line, (uint32_t)size}, .line_str = strings, .str = strings};
    const struct dwarf_sink sink = {s, note};
    *s = (struct seen){.most = 1000000};
    assert_true(dwarf_lines_read(&sections, &sink));
    return s->count;
}

static void check(const struct seen *s, const struct expected *e, unsigned count)
{
    assert_int_equal(s->count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(s->rows[i].address, e[i].address);
        assert_int_equal(s->rows[i].end, e[i].name == NULL);
        if (!e[i].name)
            continue;
        assert_int_equal(s->rows[i].line, e[i].line);
        assert_int_equal(s->files[i].name.size, strlen(e[i].name));
        assert_memory_equal(s->files[i].name.data, e[i].name, strlen(e[i].name));
        assert_int_equal(s->files[i].directory.size, strlen(e[i].directory));
        if (e[i].directory[0])
            assert_memory_equal(s->files[i].directory.data, e[i].directory, strlen(e[i].directory));
    }
}

#define HEADER 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1
/* clang-format off */
static const uint8_t version4[] = {
    92, 0, 0, 0,                       /* length of the rest */
    4, 0, 42, 0, 0, 0, 1, HEADER,      /* version, length of the header's rest */
    's', 'r', 'c', 0, 0,               /* directory 1 */
    'a', '.', 'c', 0, 1, 0, 0,         /* file 1 */
    'b', '.', 'c', 0, 0, 0, 0,         /* file 2 */
    0, /* no more */                   0, 0, 0, 0, /* what a later version might add */
    0, 5, 2, 0x10, 0, 0, 0,            /* set address 0x10 */
    3, 9, 1,                           /* line 10, row */
    13 + 14 * 2 + (3 + 5),             /* address + 2, line + 3, row */
    5, 7, 10, 6,                       /* column, prologue end, and more that makes no difference */
    4, 2,                              /* file 2 */
    3, 0x7d,                           /* line - 3 */
    9, 0x00, 0x01, 1,                  /* address + 256, row */
    8, 2, 4,                           /* address + 17, + 4 */
    0, 1, 1,                           /* end */
    0, 9, 2, 0, 2, 0, 0, 0, 0, 0, 0,   /* set address, 8 bytes */
    1,
    0, 1, 1,
};
static const uint8_t version5[] = {
    80, 0, 0, 0,
    5, 0, 8, 0, 57, 0, 0, 0, 1, HEADER,
    1, 1, 0x1f, 2, 0, 0, 0, 0, 3, 0, 0, 0,         /* directories: line_strp */
    3, 1, 0x08, 2, 0x0b, 5, 0x1e, 1, 'm', 0, 1,    /* one file: string, data1, MD5 */
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
    0, 5, 2, 0x40, 0, 0, 0,                        /* set address 0x40 */
    4, 0, 1, 2, 3, 0, 1, 1,                        /* file 0, row, address + 3, end */
};
/* clang-format on */
static const char strings5[] = "/c\0x/d";

static const struct wasm_bytes strings = {(const uint8_t *)strings5, sizeof strings5};

static void version_4_gives_its_rows(void **state)
{
    static const struct expected rows[] = {
        {0x10, 10, "src", "a.c"}, {0x12, 13, "src", "a.c"}, {0x112, 10, "", "b.c"},
        {0x127, 0, NULL, NULL},   {0x200, 1, "src", "a.c"}, {0x200, 0, NULL, NULL},
    };
    struct seen s;
    (void)state;
    assert_int_equal(version4[0], sizeof version4 - 4);
    read_rows(version4, sizeof version4, (struct wasm_bytes){NULL, 0}, &s);
    check(&s, rows, 6);
}

static void version_5_gives_its_rows(void **state)
{
    static const struct expected rows[] = {{0x40, 1, "x/d", "m"}, {0x43, 0, NULL, NULL}};
    struct seen s;
    (void)state;
    assert_int_equal(version5[0], sizeof version5 - 4);
    read_rows(version5, sizeof version5, strings, &s);
    check(&s, rows, 2);
}

/* Under the sanitizers a step outside would show. */
static void damage_everywhere_ends(void **state)
{
    struct seen s;
    uint8_t bytes[256];
    (void)state;
    for (int version = 4; version <= 5; version++) {
        const size_t size = version == 5 ? sizeof version5 : sizeof version4;
        memcpy(bytes, version == 5 ? version5 : version4, size);
        for (size_t cut = 0; cut < size; cut++)
            assert_true(read_rows(bytes, cut, strings, &s) <= cut);
        for (size_t at = 0; at < size; at++) {
            const uint8_t was = bytes[at];
            for (unsigned v = 0; v < 256; v++) {
                bytes[at] = (uint8_t)v;
                assert_true(read_rows(bytes, size, strings, &s) <= size);
            }
            bytes[at] = was;
        }
    }
}

static void entries_without_room_are_refused(void **state)
{
    /* Version 5 with an empty format and 2^63 directories. */
    static const uint8_t bytes[] = {
        46,   0,    0,    0,    5,    0,    8,    0,    30,   0, 0, 0, 1, HEADER, 0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0,      0,
    };
    struct seen s;
    (void)state;
    assert_int_equal(read_rows(bytes, sizeof bytes, (struct wasm_bytes){NULL, 0}, &s), 0);
}

/* Otherwise entries of four bytes could each ask for a search through megabytes. */
static void names_longer_than_paths_are_refused(void **state)
{
    static uint8_t text[1 << 16];
    static const unsigned lengths[] = {100, 8000, 8192, 60000};
    struct seen s;
    (void)state;
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(text, 'a', sizeof text);
        text[2] = text[3 + lengths[i]] = 0; /* directory 1 is at 3 */
        read_rows(version5, sizeof version5, (struct wasm_bytes){text, sizeof text}, &s);
        assert_int_equal(s.count, lengths[i] < 8192 ? 2 : 0);
    }
}

static void the_sink_can_stop_it(void **state)
{
    struct seen s = {.most = 2};
    (void)state;
    const struct dwarf_sections sections = {.line = {version4, sizeof version4}};
    const struct dwarf_sink sink = {&s, note};
    assert_false(dwarf_lines_read(&sections, &sink));
    assert_int_equal(s.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_4_gives_its_rows),
        cmocka_unit_test(version_5_gives_its_rows),
        cmocka_unit_test(damage_everywhere_ends),
        cmocka_unit_test(entries_without_room_are_refused),
        cmocka_unit_test(names_longer_than_paths_are_refused),
        cmocka_unit_test(the_sink_can_stop_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
