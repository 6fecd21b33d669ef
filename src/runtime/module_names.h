/* What is at a program counter, in words. */
#ifndef LUCET_RUNTIME_MODULE_NAMES_H
#define LUCET_RUNTIME_MODULE_NAMES_H

#include "lucet/lucet.h"

struct function_entry { /* for names: by start */
    uint32_t start;     /* first: lucet_count_started() */
    uint32_t index;     /* function, or number of functions + helper */
};

struct source_file { /* a name that some frame has been told */
    struct source_file *next;
    uint32_t file;
    char *name;
};

#define LUCET__UNKNOWN_FRAME                                                                       \
    ((struct lucet_frame){.module_name = "",                                                       \
                          .function_name = "",                                                     \
                          .function_index = UINT32_MAX,                                            \
                          .wasm_offset = UINT32_MAX,                                               \
                          .source_file = ""})
/* module_names.c: name and index of what is at `pc`. */
void lucet__describe_pc(struct lucet_dl_module *m, uintptr_t pc, struct lucet_frame *out);
void lucet__names_release(struct lucet_dl_module *m);

#endif
