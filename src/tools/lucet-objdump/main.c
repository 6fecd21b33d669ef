/* lucet-objdump: what is in an artifact, and an audit of its machine code. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/common/escape.h"
#include "tools/common/file.h"
#include "tools/common/finish.h"
#include "tools/lucet-objdump/objdump.h"

#define MAX_INPUT ((size_t)4 << 30)

static const struct {
    unsigned flag;
    const char *key, *title, *columns;
    json_t *(*make)(struct view *);
} sections[] = {
    {SECTION_HEADERS, "headers", "Artifact", NULL, section_headers},
    {SECTION_HEADERS, "heap", "Memory 0: address space the code relies on", NULL, section_heap},
    {SECTION_HEADERS, "context", "Context: offsets", NULL, section_layout},
    {SECTION_IMPORTS, "required", "Required native symbols", "symbol", section_required},
    {SECTION_IMPORTS, "imports", "Imports", "module name symbol type", section_imports},
    {SECTION_EXPORTS, "exports", "Exports", "name index type", section_exports},
    {SECTION_FUNCTIONS, "types", "Types", "index type", section_types},
    {SECTION_FUNCTIONS, "functions", "Functions",
     "index address:x size wasm_offset:x effects type name", section_functions},
    {SECTION_FUNCTIONS, "helpers", "Helpers", "address:x size name", section_helpers},
    {SECTION_ENTITIES, "tables", "Tables", "index elements min max indices imported",
     section_tables},
    {SECTION_ENTITIES, "memories", "Memories (min and max in pages)",
     "index min max initial_size page_size indices shared guarded imported", section_memories},
    {SECTION_ENTITIES, "globals", "Globals", "index type mutable imported cell init",
     section_globals},
    {SECTION_ENTITIES, "tags", "Tags", "index type imported", section_tags},
    {SECTION_SEGMENTS, "elements", "Element segments", "index mode type count table offset",
     section_elements},
    {SECTION_SEGMENTS, "data", "Data segments", "index mode size memory offset", section_data},
    {SECTION_SEGMENTS, "sparse", "Initial memory: nonzero pages of 4 KiB",
     "memory first_page pages address:x", section_sparse},
    {SECTION_TRAP_COUNTS, "traps", "Trap manifest", "function count codes name",
     section_trap_counts},
    {SECTION_TRAPS, "trap_sites", "Trap sites", "address:x offset:x function code name",
     section_trap_sites},
    {SECTION_AUDIT, "audit", NULL, NULL, section_audit},
};

static void fail(const char *path, const char *why)
{
    char name[1024];

    fprintf(stderr, "lucet-objdump: %s: error: %s\n",
            tool_escape(path, strlen(path), name, sizeof name), why);
    exit(EXIT_DAMAGED);
}

static void show(struct view *v)
{
    json_t *all = v->options->json ? must(json_object()) : NULL;

    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (!(v->options->sections & sections[i].flag))
            continue;
        json_t *value = sections[i].make(v);
        if (all) {
            must_do(json_object_set_new(all, sections[i].key, value));
            continue;
        }
        if (sections[i].flag == SECTION_AUDIT)
            print_audit(value, v->options->verbose_audit);
        else
            print_section(sections[i].title, sections[i].columns, value);
        json_decref(value);
    }
    if (all) {
        if (json_dumpf(all, stdout, JSON_INDENT(1)) != 0 && !ferror(stdout))
            out_of_memory();
        putchar('\n');
        json_decref(all);
    }
}

int main(int argc, char **argv)
{
    struct options options;
    struct lucet_artifact artifact;
    struct lucet_artifact_error error;
    struct view v = {.options = &options, .a = &artifact};
    uint8_t *bytes = NULL;
    size_t size = 0;

    parse_options(&options, argc, argv);
    const int e = tool_read_file(options.path, MAX_INPUT, &bytes, &size);
    if (e)
        fail(options.path, e == EFBIG ? "larger than 4 GiB" : strerror(e));
    if (!lucet_artifact_read(bytes, size, &artifact, &error))
        fail(options.path, error.text);
    if (!code_map_make(&artifact, &v.map))
        out_of_memory();
    v.names = function_names(&artifact);
    if (artifact.header->arch != LUCET_ARCH_X86_64 &&
        options.sections & (SECTION_TRAPS | SECTION_AUDIT | SECTION_DISASSEMBLY))
        fail(options.path, "code for another architecture than x86-64 cannot be decoded yet");
    if (artifact.header->arch != LUCET_ARCH_X86_64)
        options.sections &= ~(unsigned)SECTION_TRAP_COUNTS;

    show(&v);
    if (options.sections & SECTION_DISASSEMBLY && !print_disassembly(&v))
        fail(options.path, "no function of that name or number");
    free(v.names);
    code_map_free(&v.map);
    free(bytes);
    tool_exit("lucet-objdump", v.violations ? EXIT_VIOLATIONS : EXIT_OK);
}
