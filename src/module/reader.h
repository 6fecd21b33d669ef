/* A checked view of an artifact: what lucet_artifact_read() hands out may be used without further
 * checks, whoever made the file. It points into the caller's bytes, allocates nothing and keeps
 * nothing.
 *
 * Checked: the ELF header and program headers (only R and R+X segments, page-aligned, in the file,
 * disjoint), that nothing asks for relocation or initialisation, the sections named below, and
 * every span, index, name, type, code offset and layout offset of the metadata.
 *
 * Not checked here: whether this machine and a given region can run it (the runtime does that),
 * and what the machine code does. */
#ifndef LUCET_MODULE_READER_H
#define LUCET_MODULE_READER_H

#include <stdbool.h>

#include "module/format.h"

#define LUCET_ARTIFACT_MAX_SEGMENTS 8
#define LUCET_ARTIFACT_MAX_NAME 100000u

struct lucet_artifact_segment { /* a PT_LOAD; all but `size` are multiples of the page size */
    uint64_t vaddr, offset, size;
    bool exec; /* R+X, else R */
};

struct lucet_artifact_section {
    uint64_t vaddr, offset, size; /* size 0: absent */
};

struct lucet_artifact {
    const uint8_t *bytes; /* the whole file */
    size_t size;

    struct lucet_artifact_segment segments[LUCET_ARTIFACT_MAX_SEGMENTS]; /* by vaddr */
    uint32_t nsegments;
    uint64_t image_size; /* end of the last segment, rounded up to a page; < 4 GiB */

    struct lucet_artifact_section text, module, data, eh_frame;
    struct lucet_artifact_section lines; /* not mapped: no vaddr. Contents: lines.h, which checks */

    const struct lucet_module_header *header;
    /* One array and count per table of format.h: types, ntypes, valtypes, nvaltypes, imports,
     * ... */
#define X(name, type)                                                                              \
    const type *name;                                                                              \
    uint32_t n##name;
    LUCET_MODULE_TABLES(X)
#undef X
    const uint8_t *data_bytes; /* section .lucet.data: header->data_size bytes */
};

struct lucet_artifact_error {
    char text[256]; /* what the file is, or what is wrong and where; printable */
};

/* What a file is that is no WebAssembly module, in words that say so: "a zip archive, not a
 * WebAssembly module". False: it begins like a module, or is nothing known. `bytes` of any
 * alignment. */
bool lucet_module_identify(const void *bytes, size_t size, struct lucet_artifact_error *what);

/* False: *out is not usable and err->text says why. `bytes` must be 8-byte aligned. */
bool lucet_artifact_read(const void *bytes, size_t size, struct lucet_artifact *out,
                         struct lucet_artifact_error *err);

/* The bytes of a string (not NUL-terminated, s.size of them; anything may be in it). */
static inline const char *lucet_artifact_str(const struct lucet_artifact *a, struct lucet_str s)
{
    return a->strings + s.offset;
}

/* Address of code in the image, from the image's base; 0 stands for absent. */
static inline uint64_t lucet_artifact_code(const struct lucet_artifact *a, lucet_code code)
{
    return code == 0 ? 0 : (uint32_t)(a->module.vaddr + code);
}

static inline const uint8_t *lucet_artifact_params(const struct lucet_artifact *a,
                                                   const struct lucet_module_type *t)
{
    return a->valtypes + t->valtypes;
}

static inline const uint8_t *lucet_artifact_results(const struct lucet_artifact *a,
                                                    const struct lucet_module_type *t)
{
    return a->valtypes + t->valtypes + t->nparams;
}

/* The exact type of valtypes[index]. */
static inline uint32_t lucet_artifact_exact(const struct lucet_artifact *a, uint32_t index)
{
    return a->nreftypes ? a->reftypes[index] : a->valtypes[index];
}

/* Entities of one kind, imported ones included. */
uint32_t lucet_artifact_count(const struct lucet_artifact *a, enum lucet_extern kind);
/* Of these, the imported ones (which come first). */
uint32_t lucet_artifact_imported(const struct lucet_artifact *a, enum lucet_extern kind);

/* The export of that name or NULL; binary search. */
const struct lucet_module_export *lucet_artifact_export(const struct lucet_artifact *a,
                                                        const char *name, size_t size);

/* The name of an ELF machine number ("aarch64"); "another machine" for those we do not know. */
const char *lucet_artifact_machine(uint32_t e_machine);

/* 'i' 'I' 'f' 'F' 'v' 'r' 'e' 'x' of the plain type; '?' for what is no value type. */
char lucet_valtype_letter(uint32_t valtype);
/* "i32", ... of the plain type; "?" likewise. */
const char *lucet_valtype_name(uint32_t valtype);
/* The inverse of the letter; 0 for others. */
uint8_t lucet_valtype_from_letter(char letter);
/* Writes "iI:f" NUL-terminated, cut when it does not fit; returns its full length without NUL. */
size_t lucet_artifact_signature(const struct lucet_artifact *a, const struct lucet_module_type *t,
                                char *buf, size_t size);

#endif
