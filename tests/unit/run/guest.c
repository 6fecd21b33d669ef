#include "guest.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/common/file.h"

extern char **environ;

const struct guest_mode guest_modes[GUEST_MODES] = {
    {.opt_level = lucetc_opt_none},
    {.opt_level = lucetc_opt_speed},
    {.opt_level = lucetc_opt_speed_and_size},
    {.opt_level = lucetc_opt_none, .precise = true},
    {.opt_level = lucetc_opt_speed, .precise = true},
    {.opt_level = lucetc_opt_speed_and_size, .precise = true},
};
const struct guest_mode guest_default = {.opt_level = lucetc_opt_speed};

/* Where scripts/fetch-corpora.sh puts it, else on the path. */
static const char *wasm_tools(void)
{
    static char path[4096];
    const char *src = getenv("LUCET_SRC");

    snprintf(path, sizeof path, "%s/build/corpora/bin/wasm-tools", src ? src : ".");
    return access(path, X_OK) == 0 ? path : "wasm-tools";
}

static bool run(const char *const argv[])
{
    pid_t pid;
    int status;

    return posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ) == 0 &&
           waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void guest_begin(void)
{
    static int there = -1;

    if (there < 0)
        there = run((const char *const[]){"/bin/sh", "-c", "\"$0\" --version >/dev/null 2>&1",
                                          wasm_tools(), NULL});
    if (!there) {
        printf("skipped: wasm-tools is not there (scripts/fetch-corpora.sh wasm-tools)\n");
        skip();
    }
    lucet_remove_signal_handlers();
    assert_int_equal(lucet_install_signal_handlers(), lucet_error_ok);
}

static uint8_t *parse(const char *wat_path, size_t *size)
{
    char out[] = "/tmp/lucet-test-XXXXXX";
    uint8_t *bytes;
    const int fd = mkstemp(out);

    assert_true(fd >= 0);
    close(fd);
    assert_true(run((const char *const[]){wasm_tools(), "parse", wat_path, "-o", out, NULL}));
    assert_int_equal(tool_read_file(out, SIZE_MAX / 4, &bytes, size), 0);
    unlink(out);
    return bytes;
}

uint8_t *guest_binary(const char *wat, size_t *size)
{
    char path[] = "/tmp/lucet-test-XXXXXX";
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, wat, strlen(wat)), strlen(wat));
    close(fd);
    uint8_t *bytes = parse(path, size);
    unlink(path);
    return bytes;
}

uint8_t *guest_binary_of_file(const char *name, size_t *size)
{
    const char *src = getenv("LUCET_SRC");
    char path[4096];

    snprintf(path, sizeof path, "%s/tests/guests/%s", src ? src : ".", name);
    return parse(path, size);
}

/* Takes over `wasm`. */
static uint8_t *compile(uint8_t *wasm, size_t wasm_size, const struct guest_mode *mode,
                        size_t *size)
{
    char path[] = "/tmp/lucet-test-XXXXXX";
    struct lucetc_options o = lucetc_options_default();
    struct lucetc_diagnostic d = {.kind = ""};
    uint8_t *artifact;
    const int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    o.opt_level = mode->opt_level;
    o.precise_traps = mode->precise;
    o.target_cpu = mode->cpu;
    o.guard_size = mode->guard_size;
    o.reserved_size = mode->reserved_size;
    o.count_instructions = mode->count;
    o.bindings = mode->bindings;
    o.allow_undefined = true;
    o.jobs = 1;
    const enum lucet_error e = lucetc_compile(wasm, wasm_size, &o, path, &d);
    free(wasm);
    if (e != lucet_error_ok)
        fail_msg("%s: %s: %s", lucet_error_name(e), d.kind, d.message);
    assert_int_equal(tool_read_file(path, SIZE_MAX / 4, &artifact, size), 0);
    unlink(path);
    return artifact;
}

uint8_t *guest_artifact(const char *wat, const struct guest_mode *mode, size_t *size)
{
    size_t wasm_size;
    uint8_t *wasm = guest_binary(wat, &wasm_size);
    return compile(wasm, wasm_size, mode, size);
}

static struct lucet_dl_module *load(uint8_t *artifact, size_t size)
{
    struct lucet_dl_module *module = NULL;
    const enum lucet_error e = lucet_dl_module_load_bytes(artifact, size, &module);

    free(artifact);
    if (e != lucet_error_ok)
        fail_msg("%s: %s", lucet_error_name(e), lucet_error_detail());
    return module;
}

struct lucet_dl_module *guest_module(const char *wat, const struct guest_mode *mode)
{
    size_t size;
    uint8_t *artifact = guest_artifact(wat, mode, &size);
    return load(artifact, size);
}

struct lucet_dl_module *guest_module_of_file(const char *name, const struct guest_mode *mode)
{
    size_t wasm_size, size;
    uint8_t *wasm = guest_binary_of_file(name, &wasm_size);
    uint8_t *artifact = compile(wasm, wasm_size, mode, &size);
    return load(artifact, size);
}

struct lucet_region *guest_region(size_t capacity)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    struct lucet_region *region = NULL;

    limits.heap_memory_size = 64 << 20;
    assert_int_equal(lucet_mmap_region_create(capacity, &limits, &region), lucet_error_ok);
    return region;
}

struct lucet_instance *guest_instance(struct lucet_region *region, struct lucet_dl_module *module,
                                      struct lucet_linker *linker, void *embed_ctx)
{
    const struct lucet_instance_options o = {
        .linker = linker, .embed_ctx = embed_ctx, .run_start = true};
    struct lucet_instance *inst = NULL;
    const enum lucet_error e = lucet_region_new_instance_with(region, module, &o, &inst);

    if (e != lucet_error_ok)
        fail_msg("%s: %s", lucet_error_name(e), lucet_error_detail());
    return inst;
}

struct lucet_func guest_func(const struct lucet_dl_module *module, const char *name,
                             const char *signature)
{
    struct lucet_func f;
    const enum lucet_error e = lucet_dl_module_func(module, name, signature, &f);

    if (e != lucet_error_ok)
        fail_msg("%s: %s: %s", name, lucet_error_name(e), lucet_error_detail());
    return f;
}

uint64_t guest_call(struct lucet_instance *inst, const char *name, size_t argc,
                    const struct lucet_val *argv)
{
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(inst, name, argc, argv, &r);

    if (e != lucet_error_ok)
        fail_msg("%s: %s: %s", name, lucet_error_name(e), lucet_error_detail());
    assert_int_equal(r.tag, lucet_result_tag_returned);
    return lucet_retval_gp(&r.val.returned);
}

enum lucet_trapcode guest_trap(struct lucet_instance *inst, const char *name, size_t argc,
                               const struct lucet_val *argv)
{
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(inst, name, argc, argv, &r);

    if (e != lucet_error_runtime_fault)
        fail_msg("%s: %s instead of a fault", name, lucet_error_name(e));
    assert_int_equal(r.tag, lucet_result_tag_faulted);
    return r.val.faulted.trapcode;
}

void text_add(struct text *t, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *piece;
    const int n = vasprintf(&piece, format, args);
    va_end(args);
    assert_true(n >= 0);
    if (t->size + (size_t)n + 1 > t->room) {
        t->room = (t->size + (size_t)n + 1) * 2;
        t->s = realloc(t->s, t->room);
        assert_non_null(t->s);
    }
    memcpy(t->s + t->size, piece, (size_t)n + 1);
    t->size += (size_t)n;
    free(piece);
}

void text_free(struct text *t)
{
    free(t->s);
    *t = (struct text){0};
}

bool guest_all_zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i])
            return false;
    return true;
}

void guest_expect_calls(const char *wat, const struct guest_called *calls, size_t n)
{
    struct lucet_region *region = guest_region(1);

    for (unsigned mode = 0; mode < GUEST_MODES; mode++) {
        struct lucet_dl_module *m = guest_module(wat, &guest_modes[mode]);
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        for (size_t i = 0; i < n; i++) {
            const uint64_t got = guest_call(inst, calls[i].name, ARGS(I64(calls[i].arg)));
            if (got != calls[i].expected)
                fail_msg("mode %u: %s(%lld) = %lld, expected %lld", mode, calls[i].name,
                         (long long)calls[i].arg, (long long)got, (long long)calls[i].expected);
        }
        lucet_instance_release(inst);
        lucet_dl_module_release(m);
    }
    assert_int_equal(lucet_region_used_slots(region), 0);
    lucet_region_release(region);
}
