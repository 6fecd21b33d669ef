#include "tools/lucet-spectest/spectest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN_FAILURES = 10 };

static bool progress_shown;

void report_clear_progress(void)
{
    if (progress_shown)
        printf("\r%*s\r", 78, "");
    progress_shown = false;
}

void report_progress(size_t total, size_t done, size_t running, unsigned failed)
{
    if (!isatty(STDOUT_FILENO))
        return;
    report_clear_progress();
    printf("%zu of %zu files, %zu running, %u failed", done, total, running, failed);
    fflush(stdout);
    progress_shown = true;
}

void report_file(const struct file_result *r, const struct options *o)
{
    report_clear_progress();
    printf("%-44s %6u passed %5u failed %5u skipped %7.2f s\n", r->name, r->passed, r->failed,
           r->skipped, r->seconds);
    for (size_t i = 0; i < r->nfailures; i++) {
        if (i == SHOWN_FAILURES && !o->verbose) {
            printf("    and %zu more (--verbose shows all)\n", r->nfailures - i);
            break;
        }
        printf("    %s:%u: %s\n", r->name, r->failures[i].line, r->failures[i].message);
    }
    for (size_t i = 0; o->verbose && i < r->nskips; i++)
        printf("    skipped %u: %s\n", r->skips[i].count, r->skips[i].reason);
    fflush(stdout);
}

/* All reasons of all files, added up. */
static void print_skips(const struct file_result *results, size_t n)
{
    struct file_result sum = {0};

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < results[i].nskips; k++)
            result_skip(&sum, results[i].skips[k].reason, results[i].skips[k].count);
    }
    for (size_t k = 0; k < sum.nskips; k++)
        printf("skipped %6u: %s\n", sum.skips[k].count, sum.skips[k].reason);
    result_free(&sum);
}

void report_groups(const struct file_result *results, size_t n)
{
    bool head = false;

    for (size_t i = 0; i < n;) {
        const char *group = results[i].group;
        unsigned files = 0, passed = 0, failed = 0, skipped = 0;
        double seconds = 0;
        for (; i < n && group && results[i].group && strcmp(group, results[i].group) == 0; i++) {
            files++;
            passed += results[i].passed;
            failed += results[i].failed;
            skipped += results[i].skipped;
            seconds += results[i].seconds;
        }
        if (files == 0) { /* of no group */
            i++;
            continue;
        }
        if (!head)
            printf("\n%-40s %5s %7s %7s %7s %8s\n", "folder", "files", "passed", "failed",
                   "skipped", "seconds");
        head = true;
        printf("%-40s %5u %7u %7u %7u %8.1f\n", group, files, passed, failed, skipped, seconds);
    }
    if (head)
        printf("\n");
}

void report_summary(const struct file_result *results, size_t n, double seconds)
{
    unsigned passed = 0, failed = 0, skipped = 0, compiled = 0;
    double compile_seconds = 0;

    for (size_t i = 0; i < n; i++) {
        passed += results[i].passed;
        failed += results[i].failed;
        skipped += results[i].skipped;
        compiled += results[i].compiled;
        compile_seconds += results[i].compile_seconds;
    }
    report_clear_progress();
    print_skips(results, n);
    printf("%zu files in %.1f s; %u modules compiled, %.1f ms each\n", n, seconds, compiled,
           compiled ? compile_seconds * 1e3 / compiled : 0.0);
    printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    fflush(stdout);
}

static json_t *file_to_json(const struct file_result *r)
{
    json_t *failures = json_array(), *skips = json_object();

    for (size_t i = 0; i < r->nfailures; i++)
        json_array_append_new(failures, json_pack("{s:i, s:s}", "line", (int)r->failures[i].line,
                                                  "message", r->failures[i].message));
    for (size_t i = 0; i < r->nskips; i++)
        json_object_set_new(skips, r->skips[i].reason, json_integer(r->skips[i].count));
    return json_pack("{s:s, s:i, s:i, s:i, s:f, s:i, s:f, s:o, s:o}", "name", r->name, "passed",
                     (int)r->passed, "failed", (int)r->failed, "skipped", (int)r->skipped,
                     "seconds", r->seconds, "modules", (int)r->compiled, "compile_seconds",
                     r->compile_seconds, "failures", failures, "skips", skips);
}

bool report_json(const struct file_result *results, size_t n, const struct options *o)
{
    json_t *files = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(files, file_to_json(&results[i]));
    json_t *all = json_pack("{s:i, s:b, s:s, s:o}", "opt_level", (int)o->opt_level, "precise_traps",
                            (int)o->precise, "llvm", lucetc_llvm_version(), "files", files);
    const bool ok = json_dump_file(all, o->json, JSON_INDENT(1) | JSON_ENSURE_ASCII) == 0;
    if (!ok)
        fprintf(stderr, "lucet-spectest: %s: cannot be written\n", o->json);
    json_decref(all);
    return ok;
}
