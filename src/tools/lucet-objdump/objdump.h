/* lucet-objdump: what is in an artifact. Every section is made as JSON first; text is printed from
 * that by one printer (print.c), so that the two cannot disagree. Names of the module are escaped
 * when they enter the JSON (docs/man/lucet-objdump.1), in both forms of output the same. */
#ifndef LUCET_OBJDUMP_H
#define LUCET_OBJDUMP_H

#include <jansson.h>

#include "module/reader.h"
#include "tools/lucet-objdump/code_map.h"

enum section_flag {
    SECTION_HEADERS = 1 << 0,
    SECTION_IMPORTS = 1 << 1,
    SECTION_EXPORTS = 1 << 2,
    SECTION_FUNCTIONS = 1 << 3,
    SECTION_ENTITIES = 1 << 4, /* tables, memories, globals */
    SECTION_SEGMENTS = 1 << 5,
    SECTION_TRAP_COUNTS = 1 << 6,
    SECTION_TRAPS = 1 << 7,
    SECTION_AUDIT = 1 << 8,
    SECTION_DISASSEMBLY = 1 << 9,
};
#define SECTION_DEFAULT                                                                            \
    (SECTION_HEADERS | SECTION_IMPORTS | SECTION_EXPORTS | SECTION_FUNCTIONS | SECTION_ENTITIES |  \
     SECTION_SEGMENTS | SECTION_TRAP_COUNTS)

struct options {
    const char *path;
    unsigned sections; /* set of enum section_flag */
    bool json, verbose_audit;
    const char *disassemble; /* a function's name or number, or NULL for all */
};

enum exit_code { EXIT_OK, EXIT_DAMAGED, EXIT_USAGE, EXIT_VIOLATIONS };

struct view {
    const struct options *options;
    const struct lucet_artifact *a;
    struct code_map map;
    struct lucet_str *names; /* of functions, by index */
    bool violations;         /* set by the audit */
};

/* Ends the program. */
_Noreturn void out_of_memory(void);
/* Ends the program for want of memory; never returns NULL. */
json_t *must(json_t *value);
void must_do(int result);
/* A name of the module, escaped; null when it is empty and `optional`. */
json_t *json_name(const struct lucet_artifact *a, struct lucet_str s, bool optional);
/* "(i32, i64) -> (f32)" */
json_t *json_functype(const struct lucet_artifact *a, uint32_t type);
/* "func (i32) -> ()", "memory 1..16 pages", "table 1.. funcref", "global mut i32" */
json_t *json_extern(const struct lucet_artifact *a, uint32_t kind, uint32_t index);
const char *extern_name(uint32_t kind);
/* "i32.const 5", for a constant expression. */
json_t *json_init(const struct lucet_artifact *a, struct lucet_init init);
/* What people call the function of the code map. */
json_t *json_function_label(const struct view *v, uint32_t number);
/* Of all functions: of the name section or, without one there, what they are exported as. To be
 * freed. */
struct lucet_str *function_names(const struct lucet_artifact *a);

/* One per section; the caller owns the result. */
json_t *section_headers(struct view *v);
json_t *section_heap(struct view *v);
json_t *section_layout(struct view *v);
json_t *section_required(struct view *v);
json_t *section_imports(struct view *v);
json_t *section_exports(struct view *v);
json_t *section_types(struct view *v);
json_t *section_functions(struct view *v);
json_t *section_helpers(struct view *v);
json_t *section_tables(struct view *v);
json_t *section_memories(struct view *v);
json_t *section_globals(struct view *v);
json_t *section_tags(struct view *v);
json_t *section_elements(struct view *v);
json_t *section_data(struct view *v);
json_t *section_sparse(struct view *v);
json_t *section_trap_counts(struct view *v);
json_t *section_trap_sites(struct view *v);
json_t *section_audit(struct view *v);

/* Text: a table for an array of objects, lines for an object. */
void print_section(const char *title, const char *columns, const json_t *value);
void print_audit(const json_t *audit, bool verbose);
/* Straight to standard output. False when there is no such function. */
bool print_disassembly(struct view *v);

/* Fills in the options or ends the program. */
void parse_options(struct options *out, int argc, char **argv);

#endif
