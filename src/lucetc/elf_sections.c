/* A linked file is
 *
 *   headers | segments | sections that are not mapped | section headers
 *
 * and the copy has the same, with the last two made anew. Sections that go away leave an empty
 * entry in the table, so that numbers of sections stay what they are. */
#include "lucetc/elf_sections.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct file {
    const uint8_t *bytes;
    size_t size;
    const Elf64_Shdr *sections;
    unsigned count;
    const char *names;
    uint64_t names_size;
};

static bool in_file(const struct file *f, uint64_t offset, uint64_t size)
{
    return offset <= f->size && size <= f->size - offset;
}

static bool open_file(struct file *f, const uint8_t *bytes, size_t size)
{
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)bytes;
    *f = (struct file){.bytes = bytes, .size = size};
    if (size < sizeof *e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
        e->e_shentsize != sizeof(Elf64_Shdr) || e->e_shoff % 8 != 0 ||
        !in_file(f, e->e_shoff, (uint64_t)e->e_shnum * sizeof(Elf64_Shdr)) ||
        e->e_shstrndx >= e->e_shnum)
        return false;
    f->sections = (const Elf64_Shdr *)(const void *)(bytes + e->e_shoff);
    f->count = e->e_shnum;
    const Elf64_Shdr *names = &f->sections[e->e_shstrndx];
    if (!in_file(f, names->sh_offset, names->sh_size) || names->sh_size == 0)
        return false;
    f->names = (const char *)bytes + names->sh_offset;
    f->names_size = names->sh_size;
    return f->names[f->names_size - 1] == '\0';
}

static const char *name_of(const struct file *f, const Elf64_Shdr *s)
{
    return s->sh_name < f->names_size ? f->names + s->sh_name : "";
}

struct wasm_bytes elf_find_section(const uint8_t *file, size_t size, const char *name)
{
    struct file f;
    if (open_file(&f, file, size))
        for (unsigned i = 0; i < f.count; i++) {
            const Elf64_Shdr *s = &f.sections[i];
            if (strcmp(name_of(&f, s), name) == 0 && s->sh_type != SHT_NOBITS &&
                in_file(&f, s->sh_offset, s->sh_size) && s->sh_size <= UINT32_MAX)
                return (struct wasm_bytes){f.bytes + s->sh_offset, (uint32_t)s->sh_size};
        }
    return (struct wasm_bytes){NULL, 0};
}

/* ---- The copy ---- */

struct copy {
    const struct file *f;
    struct image *out;
    struct image names;
    Elf64_Shdr *sections;
    unsigned count;
};

static uint64_t end_of_segments(const struct file *f)
{
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)f->bytes;
    const Elf64_Phdr *p = (const Elf64_Phdr *)(const void *)(f->bytes + e->e_phoff);
    uint64_t end = 0;
    if (e->e_phoff % 8 != 0 || !in_file(f, e->e_phoff, (uint64_t)e->e_phnum * sizeof *p))
        return 0;
    for (unsigned i = 0; i < e->e_phnum; i++)
        if (in_file(f, p[i].p_offset, p[i].p_filesz) && p[i].p_offset + p[i].p_filesz > end)
            end = p[i].p_offset + p[i].p_filesz;
    return end;
}

static void put(struct copy *k, Elf64_Shdr *s, const uint8_t *bytes, size_t size)
{
    image_align(k->out, 8);
    s->sh_offset = k->out->size;
    s->sh_size = size;
    image_append(k->out, bytes, size);
}

static const struct elf_section *find(const struct elf_section *sections, size_t count,
                                      const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(sections[i].name, name) == 0)
            return &sections[i];
    return NULL;
}

/* An entry of the old table, and its bytes when they are not part of a segment. */
static bool copy_section(struct copy *k, unsigned i, const struct elf_section *sections,
                         size_t count)
{
    Elf64_Shdr *s = &k->sections[i];
    *s = k->f->sections[i];
    const char *name = name_of(k->f, s);
    if (s->sh_flags & SHF_ALLOC || s->sh_type == SHT_NULL)
        return true;
    const struct elf_section *new = find(sections, count, name);
    if (new) {
        s->sh_flags = 0;
        put(k, s, new->bytes, new->size);
    } else if (strncmp(name, ".debug_", 7) == 0) {
        memset(s, 0, sizeof *s);
    } else if (in_file(k->f, s->sh_offset, s->sh_size)) {
        put(k, s, k->f->bytes + s->sh_offset, s->sh_size);
    } else {
        return false;
    }
    return true;
}

static void add_section(struct copy *k, const struct elf_section *new)
{
    Elf64_Shdr *s = &k->sections[k->count++];
    *s = (Elf64_Shdr){
        .sh_name = image_append(&k->names, new->name, strlen(new->name) + 1),
        .sh_type = SHT_PROGBITS,
        .sh_addralign = 8,
    };
    put(k, s, new->bytes, new->size);
}

static bool fill(struct copy *k, const struct elf_section *sections, size_t count)
{
    const uint64_t end = end_of_segments(k->f);
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)(const void *)k->f->bytes;
    if (end < sizeof *e)
        return false;
    image_append(k->out, k->f->bytes, end);
    image_append(&k->names, k->f->names, k->f->names_size);
    for (unsigned i = 0; i < k->f->count; i++)
        if (!copy_section(k, i, sections, count))
            return false;
    k->count = k->f->count;
    for (size_t i = 0; i < count; i++)
        if (elf_find_section(k->f->bytes, k->f->size, sections[i].name).data == NULL)
            add_section(k, &sections[i]);
    put(k, &k->sections[e->e_shstrndx], k->names.bytes, k->names.size);
    image_align(k->out, 8);
    const uint64_t table = image_append(k->out, k->sections, k->count * sizeof *k->sections);
    if (k->out->failed || k->names.failed || k->count > UINT16_MAX)
        return false;
    Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)k->out->bytes;
    header->e_shoff = table;
    header->e_shnum = (Elf64_Half)k->count;
    return true;
}

bool elf_replace_debug(const uint8_t *file, size_t size, const struct elf_section *sections,
                       size_t count, struct image *out)
{
    struct file f;
    if (!open_file(&f, file, size))
        return false;
    struct copy k = {.f = &f, .out = out};
    k.sections = calloc(f.count + count, sizeof *k.sections);
    const bool ok = k.sections && fill(&k, sections, count);
    free(k.sections);
    image_free(&k.names);
    return ok;
}
