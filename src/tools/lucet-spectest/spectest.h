/* lucet-spectest: runs the official WebAssembly test suite against the compiler and the runtime.
 *
 *   main.c     options, the closing line
 *   select.c   which files are run
 *   pool.c     one child process per file, so that a crash or a hang is the failure of that alone
 *   record.c   what a child tells its parent, line by line
 *   script.c   the commands of one file
 *   modules.c  compiling, linking and instantiating the modules of a file
 *   host.c     the module "spectest" that the suite imports from
 *   values.c   arguments and expected results
 *   expect.c   which traps and errors an expected text stands for
 *   report.c   the table, the summary, JSON */
#ifndef LUCET_SPECTEST_H
#define LUCET_SPECTEST_H

#include "lucet/lucet.h"
#include "lucet/lucetc.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { MESSAGE_SIZE = 1024, MAX_RESULTS = 1000, MAX_EXCEPTIONS = 32 };

struct options {
    enum lucetc_opt_level opt_level;
    bool precise, on_demand, verbose;
    unsigned jobs, timeout; /* child processes at once; seconds per file */
    const char *target_cpu; /* NULL = this machine's */
    const char *features;   /* of the language, NULL = the default */
    const char *filter;     /* files to run, NULL = all */
    const char *json;       /* where the report goes, NULL = nowhere */
    const char *manifest;   /* a list of files, NULL = none */
    const char **skips;     /* patterns of files that are listed, not run */
    size_t nskips;
    char **files;
    size_t nfiles;
};

/* ---- What became of a file (record.c, report.c) -------------------------------------------- */

struct failure {
    unsigned line; /* in the .wast file; 0 = the file as a whole */
    char *message;
};
struct skip {
    char *reason;
    unsigned count;
};
struct exception { /* the commands of this line are skipped */
    unsigned line;
    char *reason;
};
struct file_result {
    char *path;
    char *group;    /* "wasm-v3", or NULL */
    char name[128]; /* "wasm-v3/call_indirect", escaped */
    char *features; /* of the language, NULL = those of the options */
    bool some_gc;   /* modules that need garbage collection are skipped, not failures */
    struct exception exceptions[MAX_EXCEPTIONS];
    size_t nexceptions;
    unsigned total, passed, failed, skipped;
    unsigned line; /* of the command that is running */
    bool done;     /* the child reached the end */
    struct failure *failures;
    size_t nfailures;
    struct skip *skips;
    size_t nskips;
    unsigned compiled; /* modules */
    double compile_seconds, started, seconds;
};

/* `group` may be NULL. */
void result_init(struct file_result *r, const char *path, const char *group);
void result_free(struct file_result *r);
void result_fail(struct file_result *r, unsigned line, const char *message);
void result_skip(struct file_result *r, const char *reason, unsigned count);

/* The child's side. Messages are cut and escaped. */
void record_total(FILE *out, unsigned total);
void record_begin(FILE *out, unsigned line);
void record_pass(FILE *out);
void record_fail(FILE *out, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void record_skip(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void record_note(FILE *out, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void record_done(FILE *out, unsigned compiled, double compile_seconds);
/* The parent's side: one line without its newline. */
void record_read(struct file_result *r, const char *line, bool verbose);

void report_file(const struct file_result *r, const struct options *o);
void report_progress(size_t total, size_t done, size_t running, unsigned failed);
void report_clear_progress(void);
/* A row for each group, if there are any. */
void report_groups(const struct file_result *results, size_t n);
void report_summary(const struct file_result *results, size_t n, double seconds);
bool report_json(const struct file_result *results, size_t n, const struct options *o);

/* ---- Selection (select.c) ------------------------------------------------------------------ */

/* The files that options and manifest name and the filter lets through; *n is their number. Those
 * to be skipped are done already. Ends the program when the manifest cannot be read. */
struct file_result *select_files(const struct options *o, size_t *n);

/* ---- Running (pool.c, script.c) ------------------------------------------------------------ */

/* Runs the files that are not done yet. */
void pool_run(const struct options *o, struct file_result *results, size_t n);

/* Runs one .json or .wast file; writes records to `out`. `dir` is an empty directory for its
 * temporary files. */
void script_run(const struct options *o, const struct file_result *r, const char *dir, FILE *out);

/* ---- Modules (modules.c, host.c) ------------------------------------------------------------ */

struct module;
/* The modules, instances and links of one script. */
struct store {
    const struct options *options;
    const char *features;
    const char *dir;      /* for artifacts */
    const char *wasm_dir; /* where the script's modules are */
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct module *modules; /* definitions and instances, newest first */
    struct module *current; /* the instance that a command without a name means; or NULL */
    unsigned compiled;
    double compile_seconds;
};

/* How far a module got. */
enum stage { STAGE_IO, STAGE_COMPILE, STAGE_LOAD, STAGE_INSTANTIATE, STAGE_DONE };
struct module_outcome {
    enum stage failed_at; /* STAGE_DONE: it did not fail */
    enum lucet_error error;
    struct lucetc_diagnostic diagnostic; /* of STAGE_COMPILE */
    enum lucet_trapcode trap;            /* error runtime_fault */
    char message[MESSAGE_SIZE];          /* what to tell */
};

bool store_open(struct store *s, const struct options *o, const char *features, const char *dir,
                const char *wasm_dir);
void store_close(struct store *s);
/* Compiles, loads and instantiates; the instance becomes the current one and gets the name (may be
 * NULL). With `define_only` it is compiled and loaded only. */
void store_module(struct store *s, const char *file, const char *name, bool define_only,
                  struct module_outcome *outcome);
/* Instantiates a definition: the one of that name, NULL = the latest. */
void store_instantiate(struct store *s, const char *definition, const char *name,
                       struct module_outcome *outcome);
/* The same as store_module() for a module that must be refused: nothing of it is kept. */
void store_try(struct store *s, const char *file, bool instantiate, struct module_outcome *outcome);
/* NULL = the current one. NULL when there is none. */
struct lucet_instance *store_instance(struct store *s, const char *name);
enum lucet_error store_register(struct store *s, const char *name, const char *as);

enum lucet_error host_link(struct lucet_linker *linker);

/* ---- Expectations (values.c, expect.c) ------------------------------------------------------ */

/* An argument. False when its type is not supported. */
bool value_read(const json_t *json, struct lucet_val *out);
/* Whether a result is the expected one. */
bool value_matches(const json_t *expected, const struct lucet_val *actual);
/* Whether the type of an expected value is one there is. */
bool value_supported(const json_t *expected);
/* "i32 7", "f32 0x7fc00000": for messages. */
void value_format(const struct lucet_val *v, char *out, size_t room);
void value_format_expected(const json_t *expected, char *out, size_t room);

bool expect_trap(const char *text, enum lucet_trapcode code);
bool expect_unlinkable(const char *text, const struct module_outcome *o);
/* Whether two messages about a refused module mean the same, as far as their words tell. */
bool expect_similar(const char *expected, const char *actual);

#endif
