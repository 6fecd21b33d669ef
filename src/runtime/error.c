/* Names of errors, traps and other enumerations, and the detail of a thread's last error. */
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

enum lucet_error lucet_set_error(enum lucet_error error, const char *format, ...)
{
    const int saved = errno;
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    if (error == lucet_error_ok)
        lucet__clear_error();
    errno = saved;
    return error;
}

enum lucet_error lucet__no_memory(void)
{
    return lucet__fail(lucet_error_no_memory, "out of memory");
}

enum lucet_error lucet__errored(enum lucet_error e, struct lucet_result *result)
{
    if (result) {
        result->tag = lucet_result_tag_errored;
        result->val.errored = e;
    }
    return e;
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

/* ---- Enumerations whose numbers begin with 0 ---- */

static const char *name_of(const char *const *names, size_t count, unsigned number)
{
    return number < count ? names[number] : "unknown";
}
#define NAME_OF(names, number) name_of(names, sizeof(names) / sizeof(names[0]), (unsigned)(number))

const char *lucet_result_tag_name(enum lucet_result_tag tag)
{
    static const char *const names[] = {"returned",   "yielded", "faulted",
                                        "terminated", "errored", "threw"};

    return NAME_OF(names, tag);
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

    return NAME_OF(names, reason);
}

const char *lucet_yield_reason_name(enum lucet_yield_reason reason)
{
    static const char *const names[] = {
        [lucet_yield_reason_value] = "value",
        [lucet_yield_reason_slice] = "slice",
        [lucet_yield_reason_bound] = "bound",
    };

    return NAME_OF(names, reason);
}

const char *lucet_kill_result_name(enum lucet_kill_result result)
{
    static const char *const names[] = {
        [lucet_kill_signalled] = "signalled",
        [lucet_kill_pending] = "pending",
        [lucet_kill_cancelled] = "cancelled",
        [lucet_kill_not_terminable] = "not_terminable",
    };

    return NAME_OF(names, result);
}

const char *lucet_extern_kind_name(enum lucet_extern_kind kind)
{
    static const char *const names[] = {
        [lucet_extern_func] = "func",     [lucet_extern_table] = "table",
        [lucet_extern_memory] = "memory", [lucet_extern_global] = "global",
        [lucet_extern_tag] = "tag",
    };

    return NAME_OF(names, kind);
}

const char *lucet_val_type_name(enum lucet_val_type type)
{
    static const char *const names[] = {
        [lucet_val_type_c_ptr] = "c_ptr",     [lucet_val_type_guest_ptr] = "guest_ptr",
        [lucet_val_type_u8] = "u8",           [lucet_val_type_u16] = "u16",
        [lucet_val_type_u32] = "u32",         [lucet_val_type_u64] = "u64",
        [lucet_val_type_i8] = "i8",           [lucet_val_type_i16] = "i16",
        [lucet_val_type_i32] = "i32",         [lucet_val_type_i64] = "i64",
        [lucet_val_type_usize] = "usize",     [lucet_val_type_isize] = "isize",
        [lucet_val_type_bool] = "bool",       [lucet_val_type_f32] = "f32",
        [lucet_val_type_f64] = "f64",         [lucet_val_type_v128] = "v128",
        [lucet_val_type_funcref] = "funcref", [lucet_val_type_externref] = "externref",
        [lucet_val_type_exnref] = "exnref",
    };

    return NAME_OF(names, type);
}
