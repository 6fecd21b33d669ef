/* Error and trap names, and the detail of a thread's last error. */
#include "runtime/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lucet/lucet.h"
#include "module/abi.h"

static _Thread_local char detail[512];

void lucet__clear_error(void)
{
    detail[0] = '\0';
}

enum lucet_error lucet__fail(enum lucet_error e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    return e;
}

enum lucet_error lucet__fail_errno(enum lucet_error e, const char *format, ...)
{
    int code = errno;
    char text[128];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    size_t used = strlen(detail);
    snprintf(detail + used, sizeof(detail) - used, ": %s", strerror_r(code, text, sizeof(text)));
    return e;
}

enum lucet_error lucet__no_memory(void)
{
    return lucet__fail(lucet_error_no_memory, "out of memory");
}

const char *lucet_error_detail(void)
{
    return detail;
}

const char *lucet_error_name(enum lucet_error e)
{
    switch (e) {
#define X(code, name, text)                                                                        \
    case lucet_error_##name: return "lucet_error_" #name;
        LUCET_ERRORS(X)
#undef X
    }
    return "unknown";
}

const char *lucet_error_message(enum lucet_error e)
{
    switch (e) {
#define X(code, name, text)                                                                        \
    case lucet_error_##name: return text;
        LUCET_ERRORS(X)
#undef X
    }
    return "unknown";
}

#define X(code, id, text)                                                                          \
    _Static_assert((code) == (int)lucet_trapcode_##id, "trap codes differ: " #id);
LUCET_TRAP_CODES(X)
#undef X

const char *lucet_trapcode_name(enum lucet_trapcode code)
{
    switch (code) {
#define X(number, id, text)                                                                        \
    case lucet_trapcode_##id: return #id;
        LUCET_TRAP_CODES(X)
#undef X
    }
    return "unknown";
}

const char *lucet_trapcode_message(enum lucet_trapcode code)
{
    switch (code) {
#define X(number, id, text)                                                                        \
    case lucet_trapcode_##id: return text;
        LUCET_TRAP_CODES(X)
#undef X
    }
    return "unknown trap";
}

const char *lucet_result_tag_name(enum lucet_result_tag tag)
{
    static const char *const names[] = {"returned",   "yielded", "faulted",
                                        "terminated", "errored", "threw"};

    return (unsigned)tag < sizeof(names) / sizeof(names[0]) ? names[tag] : "unknown";
}

const char *lucet_terminated_reason_name(enum lucet_terminated_reason reason)
{
    static const char *const names[] = {
        [lucet_terminated_reason_signal] = "signal",
        [lucet_terminated_reason_provided] = "provided",
        [lucet_terminated_reason_remote] = "remote",
        [lucet_terminated_reason_timeout] = "timeout",
        [lucet_terminated_reason_heap_out_of_memory] = "heap_out_of_memory",
        [lucet_terminated_reason_other] = "other",
        [lucet_terminated_reason_cannot_yield] = "cannot_yield",
    };

    return (unsigned)reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}

const char *lucet_yield_reason_name(enum lucet_yield_reason reason)
{
    static const char *const names[] = {
        [lucet_yield_reason_value] = "value",
        [lucet_yield_reason_slice] = "slice",
        [lucet_yield_reason_bound] = "bound",
    };

    return (unsigned)reason < sizeof(names) / sizeof(names[0]) ? names[reason] : "unknown";
}
