/* Between the reader's files. */
#ifndef LUCET_MODULE_READER_INTERNAL_H
#define LUCET_MODULE_READER_INTERNAL_H

#include "module/reader.h"

struct reader {
    struct lucet_artifact *a;
    struct lucet_artifact_error *err;
    bool identified; /* as an artifact of this version, by who made it: what is wrong is damage */
    bool module_wanted; /* a WebAssembly module, not an artifact */
    uint64_t init_ops;  /* that expressions have beyond one each */
};

/* Writes the message and returns false. */
__attribute__((format(printf, 2, 3))) bool reader_fail(struct reader *r, const char *format, ...);

/* identify.c: false, with what the file is, unless it looks like a whole artifact of this
 * version. */
bool reader_identify(struct reader *r);
/* The first fields of the header, at any alignment. */
bool reader_versions(struct reader *r, const uint8_t *header, uint64_t size);
/* elf.c: everything about the file as an ELF file: segments, image_size, the sections. */
bool reader_elf(struct reader *r);
/* check_layout.c: header->layout, header->heap and the cells of globals. */
bool reader_layout(struct reader *r);
/* check_records.c: every record of every table. */
bool reader_records(struct reader *r);
/* check_refs.c: segments, constant expressions, and what function references may escape. */
bool reader_references(struct reader *r);

/* Helpers over a view whose tables are in place. */
bool reader_check_str(struct reader *r, struct lucet_str s, const char *what, uint32_t i);
bool reader_check_code(struct reader *r, lucet_code code, bool may_be_absent, const char *what,
                       uint32_t i);
/* The type is compared as plain: who relies on more of a function looks at its record. */
bool reader_check_init(struct reader *r, struct lucet_init init, uint32_t type, uint32_t nglobals,
                       const char *what, uint32_t i);

/* By the plain type. */
static inline bool reader_is_ref(uint32_t type)
{
    const uint32_t plain = lucet_valtype_plain(type);
    return plain == LUCET_FUNCREF || plain == LUCET_EXTERNREF || plain == LUCET_EXNREF;
}

static inline bool reader_is_valtype(uint32_t type)
{
    return (type >= LUCET_V128 && type <= LUCET_I32) || reader_is_ref(type);
}

/* An exact type that refers to types below `ntypes` only. */
static inline bool reader_is_exact(uint32_t type, uint32_t ntypes)
{
    if ((type & 0x7f) == LUCET_REF_TYPE)
        return type >> 8 < ntypes;
    return type <= 0xff && (type <= 0x7f || reader_is_ref(type)) && reader_is_valtype(type);
}

#endif
