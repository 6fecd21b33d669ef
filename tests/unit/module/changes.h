/* Changes of the sample artifact, and whether the reader accepts it then. */
#ifndef CHANGES_H
#define CHANGES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample.h"

struct change {
    const char *refused; /* part of the message; NULL: it is accepted */
    void (*apply)(struct sample *s, struct lucet_module_header *h);
};

/* A function that does what the statements say. */
#define CHANGE(name, ...)                                                                          \
    static void name(struct sample *s, struct lucet_module_header *h)                              \
    {                                                                                              \
        (void)s, (void)h;                                                                          \
        __VA_ARGS__;                                                                               \
    }
#define R(table, type, i) SAMPLE_RECORD(s, table, struct lucet_module_##type, i)

/* Frees the sample. */
void expect_read(struct sample *s, const char *refused, const char *what);
void expect_changes(const struct change *changes, size_t n);
#define EXPECT_CHANGES(...)                                                                        \
    do {                                                                                           \
        static const struct change changes_[] = {__VA_ARGS__};                                     \
        expect_changes(changes_, sizeof(changes_) / sizeof(*changes_));                            \
    } while (0)

#endif
