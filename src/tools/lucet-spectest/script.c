#include "tools/lucet-spectest/spectest.h"

#include "tools/common/escape.h"

#include <libgen.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

struct script {
    struct store store;
    FILE *out;
    unsigned line; /* of the command that is running */
    const struct file_result *file;
    bool skipped_any; /* a module was skipped */
    struct lucet_val args[MAX_RESULTS], results[MAX_RESULTS];
};

#define PASS(s) record_pass((s)->out)
#define FAIL(s, ...) record_fail((s)->out, (s)->line, __VA_ARGS__)
#define SKIP(s, ...) record_skip((s)->out, __VA_ARGS__)

static const char *member(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

/* wasm-tools with these arguments; true when it exits with 0. */
static bool wasm_tools(const char *const argv[])
{
    pid_t pid;
    int status;

    return posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- Modules ------------------------------------------------------------------------------- */

/* The file with the command's module in binary form; NULL when there is none. */
static const char *binary_of(struct script *s, const json_t *command)
{
    static char path[4096];
    char text[4096];
    const char *file = member(command, "filename"), *type = member(command, "module_type");
    const char *binary = member(command, "binary_filename");

    if (binary || !file || !type || strcmp(type, "binary") == 0)
        return binary ? binary : file;
    snprintf(text, sizeof text, "%s/%s", s->store.wasm_dir, file);
    snprintf(path, sizeof path, "%s/text.wasm", s->store.dir);
    return wasm_tools((const char *const[]){"wasm-tools", "parse", text, "-o", path, NULL}) ? path
                                                                                            : NULL;
}

/* Garbage collection is the one thing that Lucet leaves out, and only in files that may need it. */
static bool needs_gc(const struct script *s, const struct module_outcome *o)
{
    return s->file->some_gc && o->failed_at == STAGE_COMPILE &&
           strcmp(o->diagnostic.kind, "unsupported") == 0 &&
           strstr(o->diagnostic.message, "garbage collection");
}

static bool imports_skipped(const struct script *s, const struct module_outcome *o)
{
    return s->skipped_any && o->failed_at == STAGE_INSTANTIATE && o->error == lucet_error_module;
}

static void judge_module(struct script *s, const struct module_outcome *o)
{
    if (o->failed_at == STAGE_DONE) {
        PASS(s);
    } else if (needs_gc(s, o)) {
        s->skipped_any = true;
        SKIP(s, "needs garbage collection");
    } else if (imports_skipped(s, o)) {
        SKIP(s, "imports from a module that was skipped");
    } else {
        FAIL(s, "the module was refused: %s", o->message);
    }
}

static void do_module(struct script *s, const json_t *command)
{
    struct module_outcome o;
    const char *file = binary_of(s, command);
    const bool define_only = strcmp(member(command, "type"), "module_definition") == 0;

    if (!file) {
        FAIL(s, "the module has no binary form");
        return;
    }
    store_module(&s->store, file, member(command, "name"), define_only, &o);
    judge_module(s, &o);
}

static void do_module_instance(struct script *s, const json_t *command)
{
    struct module_outcome o;

    store_instantiate(&s->store, member(command, "module"), member(command, "instance"), &o);
    judge_module(s, &o);
}

static void do_register(struct script *s, const json_t *command)
{
    const char *name = member(command, "name"), *as = member(command, "as");

    if (!store_instance(&s->store, name)) {
        if (s->skipped_any)
            SKIP(s, "on a module that was skipped");
        else
            FAIL(s, "there is no instance to register");
        return;
    }
    const enum lucet_error e = store_register(&s->store, name, as ? as : "");
    if (e == lucet_error_ok)
        PASS(s);
    else
        FAIL(s, "registering failed: %s: %s", lucet_error_name(e), lucet_error_detail());
}

/* Offsets of 2^32 and more in 32-bit memories: later versions of the suite read 64 bits and call
 * the module invalid; to WebAssembly 2.0, which has 32, it is malformed. */
static bool same_kind(const struct script *s, const char *expected, const char *got,
                      const char *text)
{
    /* What a feature brought that is off was malformed or invalid before there was the feature. */
    return strcmp(expected, got) == 0 || (s->file->features && strcmp(got, "unsupported") == 0) ||
           (strcmp(got, "malformed") == 0 && text && strcmp(text, "offset out of range") == 0);
}

/* assert_invalid, assert_malformed: `kind` is the diagnostic's. */
static void do_refused(struct script *s, const json_t *command)
{
    struct module_outcome o;
    const char *type = member(command, "type"), *text = member(command, "text");
    const char *kind = strcmp(type, "assert_invalid") == 0 ? "invalid" : "malformed";
    const char *form = member(command, "module_type");

    if (strcmp(kind, "malformed") == 0 && form && strcmp(form, "text") == 0) {
        SKIP(s, "malformed text: lucetc reads the binary format only");
        return;
    }
    const char *file = binary_of(s, command);
    if (!file) {
        FAIL(s, "the module has no binary form");
        return;
    }
    store_try(&s->store, file, false, &o);
    if (needs_gc(s, &o))
        SKIP(s, "needs garbage collection");
    else if (o.failed_at == STAGE_DONE)
        FAIL(s, "accepted, though %s: %s", kind, text ? text : "");
    else if (o.failed_at != STAGE_COMPILE || !same_kind(s, kind, o.diagnostic.kind, text))
        FAIL(s, "expected \"%s: %s\", got \"%s\"", kind, text ? text : "", o.message);
    else
        PASS(s);
    if (text && !expect_similar(text, o.message))
        record_note(s->out, s->line, "expected \"%s\", got \"%s\"", text, o.message);
}

static void do_unlinkable(struct script *s, const json_t *command)
{
    struct module_outcome o;
    const char *file = binary_of(s, command), *text = member(command, "text");
    const bool trap = strcmp(member(command, "type"), "assert_uninstantiable") == 0;

    if (!file) {
        FAIL(s, "the module has no binary form");
        return;
    }
    if (!text)
        text = "";
    store_try(&s->store, file, true, &o);
    const bool trapped = o.failed_at == STAGE_INSTANTIATE && o.error == lucet_error_runtime_fault;
    if (needs_gc(s, &o))
        SKIP(s, "needs garbage collection");
    else if (o.failed_at == STAGE_DONE)
        FAIL(s, "instantiated, expected \"%s\"", text);
    else if (trap ? trapped && expect_trap(text, o.trap) : expect_unlinkable(text, &o))
        PASS(s);
    else if (imports_skipped(s, &o))
        SKIP(s, "imports from a module that was skipped");
    else
        FAIL(s, "expected \"%s\", got \"%s\"", text, o.message);
}

/* ---- Actions ------------------------------------------------------------------------------- */

struct done {
    enum { DONE_ERROR, DONE_SKIPPED, DONE_RETURNED, DONE_TRAPPED, DONE_THREW } what;
    enum lucet_trapcode trap;
    char message[MESSAGE_SIZE]; /* of DONE_ERROR and DONE_SKIPPED */
};

static struct done done_with(int what, const char *words)
{
    struct done d = {.what = what};
    snprintf(d.message, sizeof d.message, "%s", words);
    return d;
}

static struct done call(struct script *s, struct lucet_instance *instance, const json_t *name,
                        size_t nargs)
{
    struct lucet_result result;
    struct done d = {.what = DONE_RETURNED};
    const enum lucet_error e =
        lucet_instance_call(instance, json_string_value(name), json_string_length(name), nargs,
                            s->args, MAX_RESULTS, s->results, &result);

    if (e == lucet_error_runtime_fault && result.tag == lucet_result_tag_faulted) {
        d.what = DONE_TRAPPED;
        d.trap = result.val.faulted.trapcode;
    } else if (e == lucet_error_runtime_threw && result.tag == lucet_result_tag_threw) {
        d.what = DONE_THREW;
    } else if (e != lucet_error_ok || result.tag != lucet_result_tag_returned) {
        d.what = DONE_ERROR;
        snprintf(d.message, sizeof d.message, "%s (%s): %s", lucet_error_name(e),
                 lucet_result_tag_name(result.tag), lucet_error_detail());
    }
    return d;
}

/* Invokes a function or gets a global, as the command says. The results are in s->results. */
static struct done act(struct script *s, const json_t *command)
{
    const json_t *action = json_object_get(command, "action"), *arg;
    const json_t *args = json_object_get(action, "args"), *field = json_object_get(action, "field");
    const char *type = member(action, "type"), *module = member(action, "module");
    struct lucet_instance *instance = store_instance(&s->store, module);
    size_t i;

    if (!type || !field)
        return done_with(DONE_ERROR, "an action without type or field");
    if (!instance && s->skipped_any)
        return done_with(DONE_SKIPPED, "on a module that was skipped");
    if (!instance)
        return done_with(DONE_ERROR, "there is no instance to act on");
    if (json_array_size(args) > MAX_RESULTS)
        return done_with(DONE_ERROR, "too many arguments");
    for (i = 0; i < MAX_RESULTS; i++)
        s->results[i].ty = (enum lucet_val_type) - 1;
    json_array_foreach(args, i, arg) {
        if (!value_read(arg, &s->args[i]))
            return done_with(DONE_ERROR, "an argument of an unknown type");
    }
    if (strcmp(type, "invoke") == 0)
        return call(s, instance, field, json_array_size(args));
    const enum lucet_error e = lucet_instance_get_global(instance, json_string_value(field),
                                                         json_string_length(field), &s->results[0]);
    return e ? done_with(DONE_ERROR, lucet_error_name(e)) : done_with(DONE_RETURNED, "");
}

/* Reports what no assertion expects. True when that was the case. */
static bool judge_unexpected(struct script *s, const struct done *d)
{
    if (d->what == DONE_SKIPPED)
        SKIP(s, "%s", d->message);
    else if (d->what == DONE_ERROR)
        FAIL(s, "%s", d->message);
    return d->what == DONE_SKIPPED || d->what == DONE_ERROR;
}

static void do_action(struct script *s, const json_t *command)
{
    const struct done d = act(s, command);

    if (judge_unexpected(s, &d))
        return;
    if (d.what == DONE_TRAPPED)
        FAIL(s, "unexpected trap: %s", lucet_trapcode_message(d.trap));
    else if (d.what == DONE_THREW)
        FAIL(s, "unexpected exception");
    else
        PASS(s);
}

static void do_return(struct script *s, const json_t *command)
{
    const json_t *expected = json_object_get(command, "expected"), *value;
    const struct done d = act(s, command);
    size_t i;

    if (judge_unexpected(s, &d))
        return;
    if (d.what == DONE_THREW) {
        FAIL(s, "unexpected exception");
        return;
    }
    if (d.what == DONE_TRAPPED) {
        FAIL(s, "unexpected trap: %s", lucet_trapcode_message(d.trap));
        return;
    }
    json_array_foreach(expected, i, value) {
        char want[256], have[256];
        if (!value_supported(value)) {
            FAIL(s, "a result of an unknown type");
            return;
        }
        if (i < MAX_RESULTS && value_matches(value, &s->results[i]))
            continue;
        value_format_expected(value, want, sizeof want);
        value_format(&s->results[i], have, sizeof have);
        FAIL(s, "result %zu: expected %s, got %s", i, want, have);
        return;
    }
    PASS(s);
}

/* assert_trap and assert_exhaustion. */
static void do_trap(struct script *s, const json_t *command)
{
    const char *text = member(command, "text");
    const struct done d = act(s, command);

    if (!text)
        text = "";
    if (judge_unexpected(s, &d))
        return;
    if (d.what == DONE_THREW)
        FAIL(s, "threw an exception, expected the trap \"%s\"", text);
    else if (d.what == DONE_RETURNED)
        FAIL(s, "returned, expected the trap \"%s\"", text);
    else if (!expect_trap(text, d.trap))
        FAIL(s, "expected the trap \"%s\", got \"%s\"", text, lucet_trapcode_message(d.trap));
    else
        PASS(s);
}

static void do_exception(struct script *s, const json_t *command)
{
    const struct done d = act(s, command);

    if (judge_unexpected(s, &d))
        return;
    if (d.what == DONE_RETURNED)
        FAIL(s, "returned, expected an exception");
    else if (d.what == DONE_TRAPPED)
        FAIL(s, "expected an exception, got the trap \"%s\"", lucet_trapcode_message(d.trap));
    else
        PASS(s);
}

/* ---- The file ------------------------------------------------------------------------------ */

static const struct {
    const char *type;
    void (*run)(struct script *, const json_t *);
} commands[] = {
    {"module", do_module},
    {"module_definition", do_module},
    {"module_instance", do_module_instance},
    {"register", do_register},
    {"action", do_action},
    {"assert_return", do_return},
    {"assert_trap", do_trap},
    {"assert_exhaustion", do_trap},
    {"assert_exception", do_exception},
    {"assert_invalid", do_refused},
    {"assert_malformed", do_refused},
    {"assert_unlinkable", do_unlinkable},
    {"assert_uninstantiable", do_unlinkable},
};

/* Why the command is not to be run, or NULL. */
static const char *exception(const struct script *s)
{
    for (size_t i = 0; i < s->file->nexceptions; i++) {
        if (s->file->exceptions[i].line == s->line)
            return s->file->exceptions[i].reason;
    }
    return NULL;
}

static void run_command(struct script *s, const json_t *command)
{
    const char *type = member(command, "type");

    s->line = (unsigned)json_integer_value(json_object_get(command, "line"));
    record_begin(s->out, s->line);
    if (!type) {
        FAIL(s, "a command without type");
        return;
    }
    if (exception(s)) {
        SKIP(s, "%s", exception(s));
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].type, type) == 0) {
            commands[i].run(s, command);
            return;
        }
    }
    FAIL(s, "a command of an unknown type: %s", type);
}

/* The script as JSON. A .wast file is converted first, into `dir`. */
static json_t *load(const char *path, const char *dir, char *wasm_dir, size_t room, FILE *out)
{
    const char *dot = strrchr(path, '.');
    char json_path[4096];
    json_error_t error;

    snprintf(json_path, sizeof json_path, "%s", path);
    if (dot && strcmp(dot, ".wast") == 0) {
        snprintf(json_path, sizeof json_path, "%s/script.json", dir);
        if (!wasm_tools((const char *const[]){"wasm-tools", "json-from-wast", path, "-o", json_path,
                                              "--wasm-dir", dir, NULL})) {
            record_fail(out, 0, "wasm-tools could not convert it");
            return NULL;
        }
    }
    json_t *json = json_load_file(json_path, JSON_ALLOW_NUL, &error);
    if (!json)
        record_fail(out, 0, "%s", error.text);
    snprintf(wasm_dir, room, "%s", dirname(json_path));
    return json;
}

void script_run(const struct options *o, const struct file_result *r, const char *dir, FILE *out)
{
    static struct script s;
    char wasm_dir[4096];
    json_t *json = load(r->path, dir, wasm_dir, sizeof wasm_dir, out), *command;
    const json_t *list = json_object_get(json, "commands");
    size_t i;

    s = (struct script){.out = out, .file = r};
    if (json) {
        record_total(out, (unsigned)json_array_size(list));
        if (store_open(&s.store, o, s.file->features ? s.file->features : o->features, dir,
                       wasm_dir)) {
            json_array_foreach(list, i, command)
                run_command(&s, command);
        } else {
            record_fail(out, 0, "no region: %s", lucet_error_detail());
        }
        store_close(&s.store);
    }
    json_decref(json);
    record_done(out, s.store.compiled, s.store.compile_seconds);
}
