/* Text from JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lucet-objdump/objdump.h"

enum { MAX_COLUMNS = 12, MAX_WIDTH = 60 };

/* "address:x" is a column of hexadecimal numbers. */
struct column {
    char key[24];
    bool hex;
    int width;
};

static void write_value(FILE *f, const json_t *v, bool hex);

static void write_list(FILE *f, const json_t *v)
{
    json_t *item;
    const char *key;
    size_t i;

    if (json_is_array(v)) {
        json_array_foreach(v, i, item) {
            fputs(i ? " " : "", f);
            write_value(f, item, false);
        }
        return;
    }
    i = 0;
    json_object_foreach((json_t *)v, key, item) {
        fprintf(f, "%s%s ", i++ ? ", " : "", key);
        write_value(f, item, false);
    }
}

static void write_value(FILE *f, const json_t *v, bool hex)
{
    switch (json_typeof(v)) {
    case JSON_STRING: fputs(json_string_value(v), f); break;
    case JSON_INTEGER:
        if (hex)
            fprintf(f, "%#" PRIx64, (uint64_t)json_integer_value(v));
        else
            fprintf(f, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        break;
    case JSON_TRUE: fputs("yes", f); break;
    case JSON_FALSE: fputs("no", f); break;
    case JSON_ARRAY:
    case JSON_OBJECT: write_list(f, v); break;
    default: fputs("-", f); break;
    }
}

/* The caller frees it. */
static char *value_text(const json_t *v, bool hex)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        out_of_memory();
    if (v)
        write_value(f, v, hex);
    must_do(fclose(f));
    return text;
}

static unsigned parse_columns(const char *spec, struct column *columns)
{
    unsigned n = 0;

    while (*spec && n < MAX_COLUMNS) {
        const size_t length = strcspn(spec, " ");
        struct column *c = &columns[n++];
        snprintf(c->key, sizeof c->key, "%.*s", (int)length, spec);
        char *colon = strchr(c->key, ':');
        c->hex = colon != NULL;
        if (colon)
            *colon = '\0';
        c->width = (int)strlen(c->key);
        spec += length;
        spec += strspn(spec, " ");
    }
    return n;
}

static void print_row(const json_t *row, const struct column *columns, unsigned n, bool heading)
{
    for (unsigned c = 0; c < n; c++) {
        char *text =
            heading ? NULL : value_text(json_object_get(row, columns[c].key), columns[c].hex);
        const char *shown = heading ? columns[c].key : text;
        if (c + 1 == n)
            printf("  %s", shown);
        else
            printf("  %-*s", columns[c].width, shown);
        free(text);
    }
    putchar('\n');
}

static void print_table(const json_t *rows, const char *spec)
{
    struct column columns[MAX_COLUMNS];
    const unsigned n = parse_columns(spec, columns);
    json_t *row;
    size_t i;

    json_array_foreach(rows, i, row)
        for (unsigned c = 0; c < n; c++) {
            char *text = value_text(json_object_get(row, columns[c].key), columns[c].hex);
            const int width = (int)strnlen(text, MAX_WIDTH);
            if (width > columns[c].width)
                columns[c].width = width;
            free(text);
        }
    if (json_array_size(rows))
        print_row(NULL, columns, n, true);
    json_array_foreach(rows, i, row)
        print_row(row, columns, n, false);
}

static bool is_table(const json_t *v)
{
    return json_is_array(v) && (json_array_size(v) == 0 || json_is_object(json_array_get(v, 0)));
}

void print_section(const char *title, const char *columns, const json_t *value)
{
    const char *key;
    json_t *item;

    if (json_is_array(value)) {
        printf("%s (%zu)\n", title, json_array_size(value));
        print_table(value, columns);
        putchar('\n');
        return;
    }
    printf("%s\n", title);
    json_object_foreach((json_t *)value, key, item) {
        if (columns && is_table(item))
            continue; /* last, below */
        char *text = value_text(item, false);
        printf("  %-17s %s\n", key, text);
        free(text);
    }
    if (columns)
        json_object_foreach((json_t *)value, key, item)
            if (is_table(item))
                print_table(item, columns);
    putchar('\n');
}
