#include "tools/common/size.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *brief;
    unsigned shift;
} units[] = {
    {"TiB", "T", 40}, {"GiB", "G", 30}, {"MiB", "M", 20}, {"KiB", "K", 10}, {"B", "", 0},
};
#define UNITS (sizeof units / sizeof units[0])

/* The number at the beginning of `text`; *rest is what follows it, NULL when there is none.
 * strtoull alone would take blanks, signs and, silently, what does not fit. */
static uint64_t leading_number(const char *text, const char **rest)
{
    const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = hex ? text + 2 : text;
    const uint64_t base = hex ? 16 : 10;
    uint64_t n = 0;
    const char *p = digits;

    *rest = NULL;
    for (; hex ? isxdigit((unsigned char)*p) : isdigit((unsigned char)*p); p++) {
        const uint64_t digit = isdigit((unsigned char)*p)
                                   ? (uint64_t)(*p - '0')
                                   : (uint64_t)(tolower((unsigned char)*p) - 'a' + 10);
        if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit, &n))
            return 0;
    }
    if (p != digits)
        *rest = p;
    return n;
}

bool tool_parse_size(const char *text, uint64_t *out)
{
    const char *rest;
    const uint64_t n = leading_number(text, &rest);

    if (!rest)
        return false;
    for (size_t i = 0; i < UNITS; i++) {
        if (strcasecmp(rest, units[i].name) != 0 && strcasecmp(rest, units[i].brief) != 0)
            continue;
        if (n > UINT64_MAX >> units[i].shift)
            return false;
        *out = n << units[i].shift;
        return true;
    }
    return false;
}

bool tool_parse_number(const char *text, uint64_t max, uint64_t *out)
{
    const char *rest;
    const uint64_t n = leading_number(text, &rest);

    if (!rest || *rest != '\0' || n > max || (text[0] == '0' && rest != text + 1))
        return false;
    *out = n;
    return true;
}

bool tool_parse_duration(const char *text, uint64_t *out)
{
    static const struct {
        const char *name;
        uint64_t milliseconds;
    } times[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const char *rest;
    const uint64_t n = leading_number(text, &rest);

    if (!rest || (text[0] == '0' && rest != text + 1))
        return false;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint64_t ms;
        if (strcmp(rest, times[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(n, times[i].milliseconds, &ms))
            return false;
        *out = ms;
        return true;
    }
    return false;
}

const char *tool_format_size(uint64_t size, char *buffer)
{
    for (size_t i = 0; i < UNITS; i++) {
        const uint64_t unit = UINT64_C(1) << units[i].shift;
        if (size % unit == 0 && (size != 0 || unit == 1)) {
            snprintf(buffer, 32, "%" PRIu64 "%s", size / unit, units[i].name);
            break;
        }
    }
    return buffer;
}
