#include "table.h"

#include <stdio.h>

static double ratio(const struct row *row, const struct sample s[ENGINES])
{
    return row->more_is_better ? s[LUCET].median / s[PEER].median
                               : s[PEER].median / s[LUCET].median;
}

static bool has_bar(const struct row *row, const struct sample s[ENGINES])
{
    return row->bar > 0 && s[LUCET].there && s[PEER].there;
}

static bool has_limit(const struct row *row, const struct sample s[ENGINES])
{
    return row->limit.kind != NO_LIMIT && s[LUCET].there;
}

static bool within(const struct limit *l, const struct sample *s)
{
    switch (l->kind) {
    case MEDIAN_AT_MOST: return s->median <= l->value;
    case MEDIAN_AT_LEAST: return s->median >= l->value;
    default: return s->p99 <= l->value;
    }
}

static bool count(struct table *t, bool met)
{
    ++*(met ? &t->met : &t->missed);
    return met;
}

/* ---- Text ---- */

static const char *word(bool met)
{
    return met ? "met" : "MISSED";
}

static void print_line(struct table *t, const struct row *row, const struct sample s[ENGINES])
{
    static const char *const signs[] = {
        [MEDIAN_AT_MOST] = "<=", [MEDIAN_AT_LEAST] = ">=", [P99_AT_MOST] = "p99 <="};

    printf("%-52s %10.1f %10.1f", row->what, s[LUCET].median, s[LUCET].p99);
    if (s[PEER].there)
        printf(" %10.1f %10.1f %7.2f", s[PEER].median, s[PEER].p99, ratio(row, s));
    else
        printf(" %10s %10s %7s", "", "", "");
    printf("  %-5s", row->unit);
    if (has_bar(row, s))
        printf("  >= %.1f times: %s", row->bar, word(count(t, ratio(row, s) >= row->bar)));
    if (has_limit(row, s))
        printf("  %s %.1f %s: %s", signs[row->limit.kind], row->limit.value, row->unit,
               word(count(t, within(&row->limit, &s[LUCET]))));
    printf("\n");
}

/* ---- JSON ---- */

static const char *boolean(bool b)
{
    return b ? "true" : "false";
}

static void print_json(struct table *t, const struct row *row, const struct sample s[ENGINES])
{
    printf("%s\n  {\"row\": \"%s\", \"unit\": \"%s\"", t->rows ? "," : "", row->name, row->unit);
    for (int e = 0; e < ENGINES; e++)
        if (s[e].there)
            printf(", \"%s\": {\"median\": %.2f, \"p99\": %.2f}", t->engines[e], s[e].median,
                   s[e].p99);
    if (has_bar(row, s))
        printf(", \"times\": {\"is\": %.2f, \"least\": %.1f, \"met\": %s}", ratio(row, s), row->bar,
               boolean(count(t, ratio(row, s) >= row->bar)));
    if (has_limit(row, s))
        printf(", \"limit\": {\"%s\": %.1f, \"met\": %s}",
               row->limit.kind == MEDIAN_AT_LEAST  ? "median_least"
               : row->limit.kind == MEDIAN_AT_MOST ? "median_most"
                                                   : "p99_most",
               row->limit.value, boolean(count(t, within(&row->limit, &s[LUCET]))));
    printf("}");
}

/* ---- Either ---- */

void table_begin(const struct table *t)
{
    if (t->json)
        printf("[");
    else
        printf("%-52s %10s %10s %10s %10s %7s  %-5s  %s\n", "", "lucet", "p99", "wasmtime", "p99",
               "ratio", "unit", "bar");
}

void table_row(struct table *t, const struct row *row, const struct sample s[ENGINES])
{
    (t->json ? print_json : print_line)(t, row, s);
    t->rows++;
    fflush(stdout);
}

void table_end(const struct table *t)
{
    if (t->json)
        printf("\n]\n");
    else
        printf("\n%u bars met, %u missed\n", t->met, t->missed);
}
