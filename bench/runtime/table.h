/* The table's rows: what is measured, what it is to come to, and how it is printed. */
#ifndef LUCET_BENCH_TABLE_H
#define LUCET_BENCH_TABLE_H

#include "bench.h"

enum { ENGINES = 2 };
enum { LUCET, PEER };

/* What Lucet's figure has to be, whatever the peer's is. */
struct limit {
    enum { NO_LIMIT, MEDIAN_AT_MOST, MEDIAN_AT_LEAST, P99_AT_MOST } kind;
    double value;
};

struct row {
    const char *name, *what, *unit;
    double bar; /* how many times better than the peer it has to be; 0 = no such bar */
    bool more_is_better;
    void (*measure)(const struct row *row, struct sample out[ENGINES]);
    size_t offset; /* of the work in struct engine, for measurers that several rows share */
    struct limit limit;
};

/* What is printed so far. */
struct table {
    bool json;
    const char *engines[ENGINES]; /* names; NULL: not there */
    unsigned rows, met, missed;   /* the latter two: bars and limits */
};
void table_begin(const struct table *t);
void table_row(struct table *t, const struct row *row, const struct sample s[ENGINES]);
void table_end(const struct table *t);

#endif
