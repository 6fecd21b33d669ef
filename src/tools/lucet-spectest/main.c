#include "tools/lucet-spectest/spectest.h"

#include "tools/common/progress.h"
#include "tools/common/size.h"

#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "Usage: lucet-spectest [options] FILE.json... | FILE.wast...\n"
    "       lucet-spectest [options] --manifest FILE\n"
    "\n"
    "Runs files of the official WebAssembly test suite: as wasm-tools json-from-wast wrote them, "
    "or\n"
    "as they are (wasm-tools is then called). The last line is \"N passed, N failed, N skipped\",\n"
    "counted in commands of the files; the exit code is 1 when any failed.\n"
    "\n"
    "  --opt-level 0|1|2   of the compiler; default 1\n"
    "  --precise-traps     compile with --precise-traps\n"
    "  --on-demand         run in a region with pages on demand (userfaultfd)\n"
    "  --features LIST     compile with --features LIST, where the manifest has no other\n"
    "  --target-cpu CPU    compile for this processor; default: this machine's\n"
    "  -j, --jobs N        files at once, 64 at most; default: one for each processor\n"
    "  --timeout SECONDS   for each file; default 300\n"
    "  --manifest FILE     a list of files: lines of GROUP, tab, FILE, and one or more of the "
    "following, each\n"
    "                      after a tab:\n"
    "                        run                   run it\n"
    "                        features LIST         compile with --features LIST\n"
    "                        gc                    skip modules that need garbage collection\n"
    "                        except 12,34 REASON   skip the commands of these lines\n"
    "                        skip REASON           list it as skipped\n"
    "  --filter PATTERN    only files whose name or GROUP/name matches\n"
    "  --skip PATTERN      list files whose name matches as skipped; repeatable\n"
    "  --json FILE         write the results to FILE as well\n"
    "  --verbose           all failures, reasons of skips, and differences in error messages\n";

static _Noreturn void usage_error(const char *words, const char *what)
{
    fprintf(stderr, "lucet-spectest: %s%s\nTry \"lucet-spectest --help\".\n", words, what);
    exit(2);
}

static unsigned number(const char *text, unsigned max)
{
    uint64_t n;

    if (!tool_parse_number(text, max, &n))
        usage_error("not a number in range: ", text);
    return (unsigned)n;
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option long_options[] = {
        {"opt-level", required_argument, NULL, 'O'},
        {"precise-traps", no_argument, NULL, 'p'},
        {"on-demand", no_argument, NULL, 'd'},
        {"features", required_argument, NULL, 'F'},
        {"target-cpu", required_argument, NULL, 'c'},
        {"jobs", required_argument, NULL, 'j'},
        {"timeout", required_argument, NULL, 't'},
        {"manifest", required_argument, NULL, 'm'},
        {"filter", required_argument, NULL, 'f'},
        {"skip", required_argument, NULL, 's'},
        {"json", required_argument, NULL, 'J'},
        {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int c;

    *o = (struct options){.opt_level = lucetc_opt_speed, .timeout = 300};
    o->jobs = cpus < 1 ? 1 : cpus > 64 ? 64 : (unsigned)cpus;
    o->skips = calloc((size_t)argc, sizeof *o->skips);
    if (!o->skips)
        exit(1);
    while ((c = getopt_long(argc, argv, "j:vh", long_options, NULL)) != -1) {
        switch (c) {
        case 'O': o->opt_level = (enum lucetc_opt_level)number(optarg, 2); break;
        case 'p': o->precise = true; break;
        case 'd': o->on_demand = true; break;
        case 'F': o->features = optarg; break;
        case 'c': o->target_cpu = optarg; break;
        case 'j': o->jobs = number(optarg, 64); break;
        case 't': o->timeout = number(optarg, 100000); break;
        case 'm': o->manifest = optarg; break;
        case 'f': o->filter = optarg; break;
        case 's': o->skips[o->nskips++] = optarg; break;
        case 'J': o->json = optarg; break;
        case 'v': o->verbose = true; break;
        case 'h': fputs(help, stdout); exit(0);
        default: exit(2);
        }
    }
    if (optind == argc && !o->manifest)
        usage_error("no files", "");
    if (o->jobs == 0)
        o->jobs = 1;
    o->files = argv + optind;
    o->nfiles = (size_t)(argc - optind);
}

int main(int argc, char **argv)
{
    struct options o;
    const double start = tool_seconds();

    parse(&o, argc, argv);
    size_t n;
    struct file_result *results = select_files(&o, &n);
    /* The children shall find LLVM initialised. */
    printf("opt-level %d, %s traps, LLVM %s, %s\n", (int)o.opt_level,
           o.precise ? "precise" : "default", lucetc_llvm_version(),
           o.target_cpu ? o.target_cpu : lucetc_host_cpu());
    pool_run(&o, results, n);
    const bool written = !o.json || report_json(results, n, &o);
    report_groups(results, n);
    report_summary(results, n, tool_seconds() - start);

    unsigned failed = 0, passed = 0;
    for (size_t i = 0; i < n; i++) {
        failed += results[i].failed;
        passed += results[i].passed;
        result_free(&results[i]);
    }
    free(results);
    free(o.skips);
    return failed || !passed || !written;
}
