/* What a guest of the SQLite extension looks like: the name of an export is the declaration of a
 * function of SQL.
 *
 *     SQL("twice(integer): integer") long long twice(long long n) { return 2 * n; }
 *
 * An integer is a long long, a real a double; a text (UTF-8) or a blob is a pointer and an
 * unsigned, its size, and as a result what sql_bytes() makes of them. The host puts parameters to
 * where `allocate` says, which is exported if there are any. Functions are not called with NULL.
 * Each call finds the memory as it was in the beginning: nothing has to be freed, nothing can be
 * kept. */
#ifndef SQL_H
#define SQL_H

#define SQL(declaration) __attribute__((export_name(declaration)))

typedef unsigned long long sql_bytes_t;

#define SQL_NULL ((sql_bytes_t)0)

static inline sql_bytes_t sql_bytes(const void *at, unsigned size)
{
    return (sql_bytes_t)size << 32 | (sql_bytes_t)(unsigned long)at;
}

#endif
