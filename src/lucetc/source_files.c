#include "lucetc/source_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_SIZE 1536u

/* The name's slot, or the empty one where it belongs. */
static uint32_t *slot_of(const struct source_files *s, const char *name)
{
    const uint64_t hash = lucet_siphash(s->hash_key, name, strlen(name));
    for (uint64_t i = hash & (s->nslots - 1);; i = (i + 1) & (s->nslots - 1)) {
        const uint32_t number = s->slots[i];
        if (number == 0 || strcmp(s->names[number - 1], name) == 0)
            return &s->slots[i];
    }
}

static bool grow(struct source_files *s)
{
    const uint32_t nslots = s->nslots ? 2 * s->nslots : 256;
    char **names = realloc(s->names, nslots / 2 * sizeof *names);
    if (names)
        s->names = names;
    uint32_t *slots = calloc(nslots, sizeof *slots);
    if (s->nslots == 0)
        s->hash_key = lucet_siphash_key();
    if (!names || !slots) {
        free(slots);
        return false;
    }
    free(s->slots);
    s->slots = slots;
    s->nslots = nslots;
    for (uint32_t i = 0; i < s->count; i++)
        *slot_of(s, s->names[i]) = i + 1;
    return true;
}

static uint32_t intern(struct source_files *s, const char *name)
{
    const size_t size = strlen(name) + 1;
    if (s->count == s->nslots / 2 && !grow(s))
        return 0;
    uint32_t *slot = slot_of(s, name);
    if (*slot != 0)
        return *slot;
    if (s->count == SOURCE_FILES_MAX || size > SOURCE_FILES_BYTES - s->bytes)
        return 0;
    char *copy = strdup(name);
    if (!copy)
        return 0;
    s->names[s->count++] = copy;
    s->bytes += size;
    *slot = s->count;
    return s->count;
}

static void make_name(char *out, size_t size, const struct dwarf_file *f)
{
    const struct wasm_bytes parts[] = {f->base, f->directory, f->name};
    char part[NAME_MAX_SIZE / 3];
    size_t used = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].size == 0)
            continue;
        if (parts[i].data[0] == '/')
            used = 0;
        wasm_escape(part, sizeof part, parts[i]);
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "/" : "", part);
    }
}

uint32_t source_files_intern(struct source_files *s, const struct dwarf_unit *u, uint64_t file)
{
    const uint32_t unit = dwarf_unit_number(u);
    if (s->last.valid && s->last.unit == unit && s->last.file == file)
        return s->last.number;
    char name[NAME_MAX_SIZE];
    struct dwarf_file f;
    uint32_t number = 0;
    if (dwarf_unit_file(u, file, &f)) {
        make_name(name, sizeof name, &f);
        number = intern(s, name);
    }
    s->last.valid = true;
    s->last.unit = unit;
    s->last.file = file;
    s->last.number = number;
    return number;
}

const char *source_files_name(const struct source_files *s, uint32_t number)
{
    return number == 0 ? "" : s->names[number - 1];
}

void source_files_free(struct source_files *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free(s->names[i]);
    free(s->names);
    free(s->slots);
    *s = (struct source_files){0};
}
