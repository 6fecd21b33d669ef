/* Functions of SQL, good ones and bad ones. */
#include "sql.h"

static char room[256 << 10];
static unsigned used;
static long long calls;

SQL("allocate") char *allocate(unsigned size)
{
    if (size > sizeof room - used)
        __builtin_trap();
    char *at = room + used;
    used += size;
    return at;
}

SQL("reverse(text): text") sql_bytes_t reverse(const char *text, unsigned size)
{
    char *out = allocate(size);

    for (unsigned end = size, from; end > 0; end = from) { /* character by character */
        for (from = end - 1; from > 0 && (text[from] & 0xc0) == 0x80;)
            from--;
        for (unsigned i = from; i < end; i++)
            out[size - end + i - from] = text[i];
    }
    return sql_bytes(out, size);
}

SQL("first_byte(blob): integer") long long first_byte(const unsigned char *bytes, unsigned size)
{
    return size > 0 ? bytes[0] : -1;
}

SQL("repeated(blob, integer): blob")
sql_bytes_t repeated(const unsigned char *bytes, unsigned size, long long times)
{
    if (times < 0)
        return SQL_NULL;
    char *out = allocate(0);
    for (; times > 0; times--)
        for (unsigned i = 0, n = size; i < n; i++)
            *allocate(1) = (char)bytes[i];
    return sql_bytes(out, (unsigned)(room + used - out));
}

SQL("hypotenuse(real, real): real") double hypotenuse(double a, double b)
{
    return __builtin_sqrt(a * a + b * b);
}

SQL("quotient(integer, integer): integer") long long quotient(long long a, long long b)
{
    return a / b;
}

SQL("call_number(): integer") long long call_number(void)
{
    return ++calls;
}

SQL("spin(): integer") long long spin(void)
{
    for (;;)
        __asm__ volatile("");
}

SQL("wild(): text") sql_bytes_t wild(void)
{
    return sql_bytes((const void *)0xfffffff0, 100);
}
