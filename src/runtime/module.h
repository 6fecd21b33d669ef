/* A loaded module. */
#ifndef LUCET_RUNTIME_MODULE_H
#define LUCET_RUNTIME_MODULE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lucet/lucet.h"
#include "module/reader.h"
#include "runtime/image.h"
#include "runtime/refs.h"

struct frame_entry;    /* frames.h */
struct function_entry; /* module_names.h */
struct source_file;    /* the same */
struct pristine;       /* pristine.h */
struct record;         /* record.h */

struct lucet_dl_module {
    struct refs refs;               /* of instances */
    atomic_uint owners;             /* references of the host */
    uint64_t id;                    /* never used again */
    struct lucet_artifact artifact; /* points into `file` */
    const uint8_t *file;
    size_t file_size;
    uint8_t *base; /* of the image: text R+X, all else R */
    uintptr_t text_start, text_end;
    size_t code_range; /* its place among the code ranges */

    uint64_t *type_ids; /* per type */
    /* Functions that may become values have a number among records; LUCET_NONE = no record. */
    uint32_t *record_of;
    uint32_t nrecords;
    struct record *records; /* private modules: one per such function */

    struct frame_entry *frames; /* sorted */
    uint32_t nframes;

    bool pristine_possible;
    struct pristine *_Atomic pristine; /* pristine.c; NULL: not made yet */
    struct {
        _Atomic uint64_t faults[32], terminations[8], fatal;
    } statistics; /* as in struct lucet_module_statistics */

    pthread_mutex_t mutex; /* guards what is made on demand, below */
    atomic_bool image_made;
    struct image image;
    char **extern_names;              /* see module_info.c */
    struct function_entry *functions; /* sorted */
    uint32_t nfunctions;
    char **function_names; /* per entry of functions */
    struct source_file *source_files;
    char *name; /* of the module, printable */
};

static inline size_t lucet__extern_name_count(const struct lucet_dl_module *m)
{
    return 2 * (size_t)m->artifact.nexports + 4 * (size_t)m->artifact.nimports;
}
/* module_load.c: of an instance. */
void lucet__module_drop(struct lucet_dl_module *m);
static inline bool lucet__module_private(const struct lucet_dl_module *m)
{
    return m->artifact.header->flags & LUCET_MODULE_PRIVATE_FUNCS;
}
static inline const void *lucet__code(const struct lucet_dl_module *m, lucet_code code)
{
    return code == 0 ? NULL : m->base + lucet_artifact_code(&m->artifact, code);
}
static inline const struct lucet_module_type *lucet__func_type(const struct lucet_dl_module *m,
                                                               uint32_t func)
{
    return &m->artifact.types[m->artifact.funcs[func].type];
}

#endif
