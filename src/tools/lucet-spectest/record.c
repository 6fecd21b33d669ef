/* Lines from a child to its parent. They are believed as little as the code that the child ran:
 * every field is parsed with bounds.
 *
 *   T total      B line      P      F line message      S reason      N line message
 *   D compiled-modules compile-microseconds */
#include "tools/lucet-spectest/spectest.h"

#include "tools/common/escape.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void put(FILE *out, const char *head, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void put(FILE *out, const char *head, const char *format, va_list args)
{
    char message[MESSAGE_SIZE], safe[MESSAGE_SIZE];

    vsnprintf(message, sizeof message, format, args);
    fprintf(out, "%s%s\n", head, tool_escape(message, strlen(message), safe, sizeof safe));
    fflush(out);
}

void record_total(FILE *out, unsigned total)
{
    fprintf(out, "T %u\n", total);
    fflush(out);
}

void record_begin(FILE *out, unsigned line)
{
    /* Flushed, so that the parent knows where a crash was. */
    fprintf(out, "B %u\n", line);
    fflush(out);
}

void record_pass(FILE *out)
{
    fprintf(out, "P\n");
}

void record_fail(FILE *out, unsigned line, const char *format, ...)
{
    char head[32];
    va_list args;

    snprintf(head, sizeof head, "F %u ", line);
    va_start(args, format);
    put(out, head, format, args);
    va_end(args);
}

void record_note(FILE *out, unsigned line, const char *format, ...)
{
    char head[32];
    va_list args;

    snprintf(head, sizeof head, "N %u ", line);
    va_start(args, format);
    put(out, head, format, args);
    va_end(args);
}

void record_skip(FILE *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put(out, "S ", format, args);
    va_end(args);
}

void record_done(FILE *out, unsigned compiled, double compile_seconds)
{
    fprintf(out, "D %u %.0f\n", compiled, compile_seconds * 1e6);
    fflush(out);
}

static void append_failure(struct file_result *r, unsigned line, const char *message)
{
    struct failure *more = realloc(r->failures, (r->nfailures + 1) * sizeof *more);

    if (!more)
        return;
    r->failures = more;
    more[r->nfailures++] = (struct failure){line, strdup(message)};
}

void result_fail(struct file_result *r, unsigned line, const char *message)
{
    r->failed++;
    append_failure(r, line, message);
}

void result_skip(struct file_result *r, const char *reason, unsigned count)
{
    r->skipped += count;
    for (size_t i = 0; i < r->nskips; i++) {
        if (strcmp(r->skips[i].reason, reason) == 0) {
            r->skips[i].count += count;
            return;
        }
    }
    struct skip *more = realloc(r->skips, (r->nskips + 1) * sizeof *more);
    if (!more)
        return;
    r->skips = more;
    more[r->nskips++] = (struct skip){strdup(reason), count};
}

void record_read(struct file_result *r, const char *line, bool verbose)
{
    char *rest = NULL;
    const unsigned number = line[0] ? (unsigned)strtoul(line + 1, &rest, 10) : 0;
    const char *message = rest && *rest == ' ' ? rest + 1 : "";

    switch (line[0]) {
    case 'T': r->total = number; break;
    case 'B': r->line = number; break;
    case 'P': r->passed++; break;
    case 'F': result_fail(r, number, message); break;
    case 'S': result_skip(r, line[1] ? line + 2 : "", 1); break;
    case 'N':
        if (verbose) {
            report_clear_progress();
            printf("    %s:%u: note: %s\n", r->name, number, message);
        }
        break;
    case 'D':
        r->compiled = number;
        r->compile_seconds = strtod(message, NULL) * 1e-6;
        r->done = true;
        break;
    default: break;
    }
}

void result_init(struct file_result *r, const char *path, const char *group)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    char name[128];

    snprintf(name, sizeof name, "%s%s%.*s", group ? group : "", group ? "/" : "",
             dot ? (int)(dot - base) : (int)strlen(base), base);
    *r = (struct file_result){.path = strdup(path), .group = group ? strdup(group) : NULL};
    if (!r->path || (group && !r->group))
        abort();
    tool_escape(name, strlen(name), r->name, sizeof r->name);
}

void result_free(struct file_result *r)
{
    for (size_t i = 0; i < r->nfailures; i++)
        free(r->failures[i].message);
    for (size_t i = 0; i < r->nskips; i++)
        free(r->skips[i].reason);
    free(r->features);
    for (size_t i = 0; i < r->nexceptions; i++)
        free(r->exceptions[i].reason);
    free(r->failures);
    free(r->skips);
    free(r->path);
    free(r->group);
}
