/* lucetc: compiles untrusted WebAssembly to native code. All the work is done by liblucetc. */
#include "lucet/wasi.h"
#include "tools/common/escape.h"
#include "tools/common/file.h"
#include "tools/common/kind.h"
#include "tools/common/progress.h"
#include "tools/lucetc/cli.h"
#include "tools/lucetc/memory_limit.h"
#include "tools/lucetc/supervise.h"
#include "tools/lucetc/text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUT ((size_t)1 << 30)

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    tool_progress_update(arg, done, total);
}

/* The allowed imports. NULL, with the error reported, when a file is bad. */
static struct lucetc_bindings *read_bindings(const struct cli *cli)
{
    struct lucetc_bindings *bindings;
    char message[512] = "";
    const char *at_fault = "--wasi";
    enum lucet_error e = lucetc_bindings_new(&bindings);

    if (e != lucet_error_ok) {
        report_message(cli, "lucetc", "internal", lucet_error_message(e));
        return NULL;
    }
    if (cli->wasi) {
        const char *json = lucet_wasi_bindings_json();
        e = lucetc_bindings_add_json(bindings, json, strlen(json), message, sizeof message);
    }
    for (size_t i = 0; e == lucet_error_ok && i < cli->nbindings; i++) {
        at_fault = cli->bindings[i];
        e = lucetc_bindings_add_file(bindings, at_fault, message, sizeof message);
    }
    if (e == lucet_error_ok)
        return bindings;
    report_message(cli, at_fault, "bindings", message[0] ? message : lucet_error_message(e));
    lucetc_bindings_release(bindings);
    return NULL;
}

static bool read_input(const struct cli *cli, uint8_t **bytes, size_t *size)
{
    const int error = tool_read_file(cli->input, MAX_INPUT, bytes, size);
    const char *name = cli->input_name ? cli->input_name : cli->input;

    if (error == EFBIG)
        report_message(cli, name, "limit", "the module is larger than 1 GiB");
    else if (error != 0)
        report_message(cli, name, "io", strerror(error));
    else
        return tool_kind(*bytes, *size) != TOOL_KIND_TEXT ||
               text_convert(cli, name, MAX_INPUT, bytes, size);
    return false;
}

struct input {
    const uint8_t *bytes;
    size_t size;
    const char *name; /* for messages */
};

static bool compile(const struct cli *cli, const char *output, void *arg)
{
    const struct input *input = arg;
    struct lucetc_options options = cli->compile;
    struct lucetc_diagnostic d;
    struct tool_progress progress;
    const char *slash = strrchr(input->name, '/'), *base = slash ? slash + 1 : input->name;
    char label[40];

    tool_progress_start(&progress, cli->messages,
                        tool_escape(base, strlen(base), label, sizeof label));
    options.progress = show_progress;
    options.progress_arg = &progress;
    const enum lucet_error e = lucetc_compile(input->bytes, input->size, &options, output, &d);
    tool_progress_finish(&progress);
    if (e == lucet_error_ok)
        return true;
    const bool said_why = d.message[0] && strcmp(d.kind, "limit") == 0; /* the linker's memory */
    if (e == lucet_error_no_memory && cli->memory_limit > 0) {
        if (!said_why)
            exit(EXIT_MEMORY);
        const size_t used = strlen(d.message);
        snprintf(d.message + used, sizeof d.message - used, "; raise --memory-limit");
    }

    if (!d.message[0])
        snprintf(d.message, sizeof d.message, "%s", lucet_error_message(e));
    report_error(cli, e == lucet_error_io ? cli_output_name(cli) : input->name, &d);
    return false;
}

/* What no real module needs on a machine of today; a hostile one could make LLVM run for days. */
static uint64_t default_time_limit(size_t size)
{
    return 60 + 60 * (((uint64_t)size + (1 << 20) - 1) >> 20);
}

/* Several times what real modules need (docs/benchmarks.md). */
static uint64_t default_memory_limit(size_t size)
{
    return (1ull << 30) + 64 * (uint64_t)size;
}

static bool compile_supervised(struct cli *cli, const uint8_t *bytes, size_t size)
{
    struct input input = {bytes, size, cli->input_name ? cli->input_name : cli->input};
    if (!cli->has_time_limit)
        cli->time_limit = default_time_limit(size);
    if (!cli->has_memory_limit)
        cli->memory_limit = default_memory_limit(size);
    return supervise(cli, input.name, compile, &input);
}

int main(int argc, char **argv)
{
    struct cli cli;
    uint8_t *bytes = NULL;
    size_t size = 0;

    cli_parse(&cli, argc, argv);
    signal(SIGCHLD, SIG_DFL); /* inherited as ignored, it would keep us from waiting */
    struct lucetc_bindings *bindings = read_bindings(&cli);
    cli.compile.bindings = bindings;
    const bool ok =
        bindings && read_input(&cli, &bytes, &size) && compile_supervised(&cli, bytes, size);
    free(bytes);
    lucetc_bindings_release(bindings);
    free(cli.bindings);
    free(cli.default_output);
    return ok ? EXIT_SUCCESS : EXIT_REFUSED;
}
