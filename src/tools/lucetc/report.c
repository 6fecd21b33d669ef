#include "tools/common/escape.h"
#include "tools/lucetc/cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void report_human(FILE *to, const char *file, const struct lucetc_diagnostic *d)
{
    fprintf(to, "%s:", file);
    if (d->offset != UINT64_MAX)
        fprintf(to, "0x%" PRIx64 ":", d->offset);
    fprintf(to, " error: ");
    if (d->function_index != UINT32_MAX) {
        fprintf(to, "function %" PRIu32, d->function_index);
        if (d->function_name[0])
            fprintf(to, " \"%s\"", d->function_name);
        fprintf(to, ": ");
    }
    fprintf(to, "%s\n", d->message);
}

/* One object on one line, of ASCII alone. What is unknown is left out. */
static void report_json(FILE *to, const char *file, const struct lucetc_diagnostic *d)
{
    json_t *object = json_object();

    json_object_set_new(object, "file", json_string(file));
    json_object_set_new(object, "severity", json_string("error"));
    json_object_set_new(object, "kind", json_string(d->kind));
    if (d->offset <= INT64_MAX)
        json_object_set_new(object, "offset", json_integer((json_int_t)d->offset));
    if (d->function_index != UINT32_MAX)
        json_object_set_new(object, "function", json_integer(d->function_index));
    if (d->function_name[0])
        json_object_set_new(object, "function_name", json_string(d->function_name));
    json_object_set_new(object, "message", json_string(d->message));
    json_dumpf(object, to, JSON_COMPACT | JSON_ENSURE_ASCII);
    fputc('\n', to);
    json_decref(object);
}

void report_error(const struct cli *cli, const char *file, const struct lucetc_diagnostic *d)
{
    char name[4096];

    tool_escape(file, strlen(file), name, sizeof name);
    if (strcmp(file, "-") == 0)
        strcpy(name, "<stdin>");
    if (cli->json_errors)
        report_json(cli->messages, name, d);
    else
        report_human(cli->messages, name, d);
}

void report_message(const struct cli *cli, const char *file, const char *kind, const char *message)
{
    struct lucetc_diagnostic d = {.kind = kind, .offset = UINT64_MAX, .function_index = UINT32_MAX};

    tool_escape(message, strlen(message), d.message, sizeof d.message);
    report_error(cli, file, &d);
}
