/* The artifact as an ELF file:
 *
 *   ELF header | program headers | ... segments ... | section headers
 *
 * Only what the loader relies on is interpreted. Segments decide what gets mapped, sections only
 * name parts of segments. */
#include <elf.h>
#include <string.h>

#include "module/lines.h"
#include "module/reader_internal.h"

#define PAGE 4096u
#define IMAGE_LIMIT (UINT64_C(1) << 32)

/* A range of the file, or NULL. */
static const void *file_range(const struct lucet_artifact *a, uint64_t offset, uint64_t size,
                              size_t align)
{
    if (offset > a->size || size > a->size - offset)
        return NULL;
    const uint8_t *p = a->bytes + offset;
    return (uintptr_t)p % align == 0 ? p : NULL;
}

/* Class, byte order, type and machine are identify.c's. */
static bool check_header(struct reader *r, const Elf64_Ehdr *e)
{
    if (e->e_ident[EI_VERSION] != EV_CURRENT || e->e_version != EV_CURRENT)
        return reader_fail(r, "ELF header: unknown version");
    if (e->e_phentsize != sizeof(Elf64_Phdr) || e->e_shentsize != sizeof(Elf64_Shdr))
        return reader_fail(r, "ELF header: entries of foreign size");
    return true;
}

/* ---- Program headers ---- */

static bool add_segment(struct reader *r, const Elf64_Phdr *p, unsigned i)
{
    struct lucet_artifact *a = r->a;

    if (a->nsegments == LUCET_ARTIFACT_MAX_SEGMENTS)
        return reader_fail(r, "program header %u: too many segments", i);
    if (p->p_flags != PF_R && p->p_flags != (PF_R | PF_X))
        return reader_fail(r, "program header %u: segment is not R or R+X (flags %u)", i,
                           p->p_flags);
    if (p->p_offset % PAGE || p->p_vaddr % PAGE)
        return reader_fail(r, "program header %u: segment does not begin at a page", i);
    if (p->p_memsz != p->p_filesz || p->p_filesz == 0)
        return reader_fail(r, "program header %u: segment is empty or larger than in the file", i);
    if (!file_range(a, p->p_offset, p->p_filesz, 1))
        return reader_fail(r, "program header %u: segment ends behind the file", i);
    if (p->p_vaddr >= IMAGE_LIMIT || p->p_filesz > IMAGE_LIMIT - PAGE - p->p_vaddr)
        return reader_fail(r, "program header %u: image is larger than 4 GiB", i);
    if (p->p_vaddr < a->image_size)
        return reader_fail(r, "program header %u: segment overlaps or precedes the one before", i);
    a->segments[a->nsegments++] = (struct lucet_artifact_segment){
        .vaddr = p->p_vaddr,
        .offset = p->p_offset,
        .size = p->p_filesz,
        .exec = (p->p_flags & PF_X) != 0,
    };
    a->image_size = (p->p_vaddr + p->p_filesz + PAGE - 1) / PAGE * PAGE;
    return true;
}

static bool check_dynamic(struct reader *r, const Elf64_Phdr *p)
{
    static const int64_t forbidden[] = {
        DT_NEEDED,     DT_RELA,          DT_RELASZ,  DT_REL,       DT_RELSZ,  DT_JMPREL,
        DT_PLTRELSZ,   DT_RELR,          DT_RELRSZ,  DT_INIT,      DT_FINI,   DT_INIT_ARRAY,
        DT_FINI_ARRAY, DT_PREINIT_ARRAY, DT_TEXTREL, DT_AUXILIARY, DT_FILTER,
    };
    const Elf64_Dyn *d = file_range(r->a, p->p_offset, p->p_filesz, _Alignof(Elf64_Dyn));

    if (!d)
        return reader_fail(r, ".dynamic: not in the file or not aligned");
    for (uint64_t i = 0; i < p->p_filesz / sizeof(*d) && d[i].d_tag != DT_NULL; i++) {
        for (size_t k = 0; k < sizeof(forbidden) / sizeof(*forbidden); k++)
            if (d[i].d_tag == forbidden[k])
                return reader_fail(r,
                                   ".dynamic: entry %llu (tag 0x%llx) asks for relocation, "
                                   "initialisation or another library",
                                   (unsigned long long)i, (unsigned long long)d[i].d_tag);
        if (d[i].d_tag == DT_FLAGS && d[i].d_un.d_val & DF_TEXTREL)
            return reader_fail(r, ".dynamic: text relocations");
    }
    return true;
}

static bool check_phdr(struct reader *r, const Elf64_Phdr *p, unsigned i)
{
    switch (p->p_type) {
    case PT_LOAD: return add_segment(r, p, i);
    case PT_DYNAMIC: return check_dynamic(r, p);
    case PT_GNU_STACK:
        if (p->p_flags & PF_X)
            return reader_fail(r, "program header %u: executable stack", i);
        return true;
    case PT_NULL:
    case PT_PHDR:
    case PT_NOTE:
    case PT_GNU_EH_FRAME:
    case PT_GNU_RELRO:
    case PT_GNU_PROPERTY: return true;
    default: return reader_fail(r, "program header %u: foreign type 0x%x", i, p->p_type);
    }
}

static bool read_segments(struct reader *r, const Elf64_Ehdr *e)
{
    const Elf64_Phdr *p =
        file_range(r->a, e->e_phoff, (uint64_t)e->e_phnum * sizeof(*p), _Alignof(Elf64_Phdr));
    unsigned executable = 0;

    if (!p)
        return reader_fail(r, "program headers: not in the file or not aligned");
    for (unsigned i = 0; i < e->e_phnum; i++)
        if (!check_phdr(r, &p[i], i))
            return false;
    for (unsigned i = 0; i < r->a->nsegments; i++)
        executable += r->a->segments[i].exec;
    if (executable > 1)
        return reader_fail(r, "program headers: more than one executable segment");
    return true;
}

/* ---- Sections ---- */

/* A section must lie in one segment, at the address its place in the file gives it. */
static bool place_section(struct reader *r, const Elf64_Shdr *s, const char *name, bool exec,
                          struct lucet_artifact_section *out)
{
    if (out->size)
        return reader_fail(r, "section %s: there are two", name);
    if (s->sh_size == 0)
        return true;
    if (s->sh_type == SHT_NOBITS || !(s->sh_flags & SHF_ALLOC) || s->sh_flags & SHF_WRITE ||
        s->sh_flags & SHF_COMPRESSED)
        return reader_fail(r, "section %s: wrong type or flags", name);
    for (unsigned i = 0; i < r->a->nsegments; i++) {
        const struct lucet_artifact_segment *seg = &r->a->segments[i];
        if (s->sh_offset < seg->offset || s->sh_offset - seg->offset > seg->size ||
            s->sh_size > seg->size - (s->sh_offset - seg->offset))
            continue;
        if (s->sh_addr != seg->vaddr + (s->sh_offset - seg->offset) || seg->exec != exec)
            continue;
        *out = (struct lucet_artifact_section){s->sh_addr, s->sh_offset, s->sh_size};
        return true;
    }
    return reader_fail(r, "section %s: not inside a segment of its kind", name);
}

/* A section of the file that is not mapped. */
static bool keep_unmapped(struct reader *r, const Elf64_Shdr *s, const char *name,
                          struct lucet_artifact_section *out)
{
    if (out->size)
        return reader_fail(r, "section %s: there are two", name);
    if (s->sh_type != SHT_PROGBITS || !file_range(r->a, s->sh_offset, s->sh_size, 8))
        return reader_fail(r, "section %s: wrong type, not in the file or not aligned", name);
    *out = (struct lucet_artifact_section){0, s->sh_offset, s->sh_size};
    return true;
}

static bool check_section(struct reader *r, const Elf64_Shdr *s, unsigned i, const char *name)
{
    struct lucet_artifact *a = r->a;

    if (!(s->sh_flags & SHF_ALLOC))
        return strcmp(name, LUCET_SECTION_LINES) != 0 || keep_unmapped(r, s, name, &a->lines);
    switch (s->sh_type) {
    case SHT_REL:
    case SHT_RELA:
    case SHT_RELR:
    case SHT_INIT_ARRAY:
    case SHT_FINI_ARRAY:
    case SHT_PREINIT_ARRAY: return reader_fail(r, "section %u: relocations or initialisers", i);
    default: break;
    }
    if (strcmp(name, ".text") == 0)
        return place_section(r, s, name, true, &a->text);
    if (strcmp(name, LUCET_SECTION_MODULE) == 0)
        return place_section(r, s, name, false, &a->module);
    if (strcmp(name, LUCET_SECTION_DATA) == 0)
        return place_section(r, s, name, false, &a->data);
    if (strcmp(name, ".eh_frame") == 0)
        return place_section(r, s, name, false, &a->eh_frame);
    if (s->sh_flags & SHF_EXECINSTR && s->sh_size)
        return reader_fail(r, "section %u: executable, but not .text", i);
    return true;
}

static bool read_sections(struct reader *r, const Elf64_Ehdr *e)
{
    const Elf64_Shdr *s =
        file_range(r->a, e->e_shoff, (uint64_t)e->e_shnum * sizeof(*s), _Alignof(Elf64_Shdr));

    if (!s || e->e_shstrndx >= e->e_shnum)
        return reader_fail(r, "section headers: not in the file, not aligned or without names");
    const Elf64_Shdr *names = &s[e->e_shstrndx];
    const char *text = file_range(r->a, names->sh_offset, names->sh_size, 1);
    if (!text || names->sh_size == 0 || text[names->sh_size - 1] != '\0')
        return reader_fail(r, "section names: not in the file or not terminated");
    for (unsigned i = 0; i < e->e_shnum; i++) {
        if (s[i].sh_name >= names->sh_size)
            return reader_fail(r, "section %u: name is outside the name table", i);
        if (!check_section(r, &s[i], i, text + s[i].sh_name))
            return false;
    }
    return true;
}

/* What gets mapped executable, by whole pages, must be .text and filling. */
static bool filling_only(const uint8_t *p, const uint8_t *end)
{
    for (; p < end; p++)
        if (*p != 0x00 && *p != 0xcc)
            return false;
    return true;
}

static bool check_text(struct reader *r)
{
    const struct lucet_artifact *a = r->a;

    for (unsigned i = 0; i < a->nsegments; i++) {
        const struct lucet_artifact_segment *seg = &a->segments[i];
        if (!seg->exec)
            continue;
        uint64_t end = (seg->offset + seg->size + PAGE - 1) / PAGE * PAGE;
        const uint8_t *from = a->bytes + seg->offset;
        const uint8_t *to = a->bytes + (end < a->size ? end : a->size);
        if (a->text.size == 0)
            return reader_fail(r, "executable segment without section .text");
        const uint8_t *text = a->bytes + a->text.offset;
        if (!filling_only(from, text) || !filling_only(text + a->text.size, to))
            return reader_fail(r, "executable segment: holds more than .text");
    }
    return true;
}

bool reader_elf(struct reader *r)
{
    const Elf64_Ehdr *e = file_range(r->a, 0, sizeof(*e), _Alignof(Elf64_Ehdr));

    if (!e)
        return reader_fail(r, "ELF header: not in the file, or not aligned in memory");
    if (!check_header(r, e) || !read_segments(r, e) || !read_sections(r, e) || !check_text(r))
        return false;
    if (r->a->module.size == 0)
        return reader_fail(r, "section %s is missing", LUCET_SECTION_MODULE);
    return true;
}
