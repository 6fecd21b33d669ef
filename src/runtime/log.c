/* The embedder's log. */
#include "runtime/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

static lucet_log_function function;
static void *function_data;
static atomic_int most = -1; /* the level above which nobody listens */

void lucet_set_log(enum lucet_log_level level, lucet_log_function f, void *data)
{
    atomic_store(&most, -1);
    function = f;
    function_data = data;
    if (f)
        atomic_store(&most, (int)level);
}

void lucet__log(enum lucet_log_level level, const char *format, ...)
{
    char text[512];
    va_list args;

    if ((int)level > atomic_load_explicit(&most, memory_order_acquire))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    function(function_data, level, text);
}

const char *lucet_log_level_name(enum lucet_log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    return (unsigned)level < sizeof(names) / sizeof(names[0]) ? names[level] : "unknown";
}
