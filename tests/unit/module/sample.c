/* File:  page 0-1  ELF header, program headers, .lucet.data, .lucet.module, names, section headers
 *        page 2    .text
 *
 * With more room for .lucet.module, what is behind it lies as much further on. */
#include "sample.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, TEXT_SIZE = 64 };
enum { DATA_AT = 0x200, DATA_SIZE = 16, META_AT = 0x240 };
/* Before .text: */
enum { SHSTR = 0x600, SECTIONS = 0x500 };

struct builder {
    struct sample *s;
    struct lucet_module_header *h;
    uint32_t used; /* bytes of the metadata */
    uint32_t strings;
};

static void *add(struct builder *b, struct lucet_span *span, size_t record, uint32_t count)
{
    uint8_t *p = b->s->bytes + META_AT + b->used;

    *span = (struct lucet_span){b->used, count};
    b->used += (uint32_t)((record * count + 7) / 8 * 8);
    return p;
}
#define ADD(b, table, type, count) ((type *)add((b), &(b)->h->table, sizeof(type), (count)))

static lucet_code code(const struct builder *b, unsigned n)
{
    return (lucet_code)(b->s->text + n * 4 - META_AT);
}

static struct lucet_str str(struct builder *b, const char *text)
{
    size_t n = strlen(text);
    struct lucet_str s = {b->strings, (uint32_t)n};

    memcpy(b->s->bytes + META_AT + b->h->strings.offset + b->strings, text, n);
    b->strings += (uint32_t)n;
    return s;
}

/* type 0: () -> ();  type 1: (i32, i64) -> (f64);  type 2: () -> (i32, i32, i32) */
static void add_types(struct builder *b)
{
    static const uint8_t valtypes[] = {LUCET_I32, LUCET_I64, LUCET_F64,
                                       LUCET_I32, LUCET_I32, LUCET_I32};
    struct lucet_module_type *t = ADD(b, types, struct lucet_module_type, 3);

    t[0] = (struct lucet_module_type){0, 0, 0, code(b, 0), code(b, 1), code(b, 2), 0, 0, 0};
    t[1] = (struct lucet_module_type){0, 2, 1, code(b, 0), code(b, 1), code(b, 2), 0, 0, 0};
    t[2] = (struct lucet_module_type){3, 0, 3, code(b, 0), code(b, 1), 0, 0, 0, 0};
    memcpy(ADD(b, valtypes, uint8_t, sizeof(valtypes)), valtypes, sizeof(valtypes));
    uint32_t *exact = ADD(b, reftypes, uint32_t, sizeof(valtypes));
    for (size_t i = 0; i < sizeof(valtypes); i++)
        exact[i] = valtypes[i];
}

static void add_entities(struct builder *b)
{
    struct lucet_module_func *f = ADD(b, funcs, struct lucet_module_func, 3);
    struct lucet_module_table *t = ADD(b, tables, struct lucet_module_table, 2);
    struct lucet_module_memory *m = ADD(b, memories, struct lucet_module_memory, 1);
    struct lucet_module_global *g = ADD(b, globals, struct lucet_module_global, 4);

    f[0] = (struct lucet_module_func){1, code(b, 3), str(b, "imported"), 0, 0};
    f[1] = (struct lucet_module_func){0, code(b, 4), str(b, "start"), 30, 0};
    f[2] = (struct lucet_module_func){2, code(b, 5), str(b, ""), 40, 0};
    t[0] = (struct lucet_module_table){1, 10, LUCET_FUNCREF, LUCET_HAS_MAX, {0, 0}};
    t[1] = (struct lucet_module_table){4, 0, LUCET_EXTERNREF, 0, {0, 0}};
    m[0] = (struct lucet_module_memory){1, 2, LUCET_HAS_MAX, 16};
    g[0] = (struct lucet_module_global){LUCET_I32, 0, 4096 + 64, 0, {0, 0}};
    g[1] = (struct lucet_module_global){LUCET_I64, 1, LUCET_NONE, 0, {0, 0}};
    g[2] = (struct lucet_module_global){LUCET_V128, 1, 4096 + 80, 0, {1, 1}};
    g[3] = (struct lucet_module_global){LUCET_FUNCREF, 0, 4096 + 72, 0, {2, 1}};
}

static void add_interface(struct builder *b)
{
    struct lucet_module_import *m = ADD(b, imports, struct lucet_module_import, 3);
    struct lucet_module_export *e = ADD(b, exports, struct lucet_module_export, 4);

    m[0] = (struct lucet_module_import){str(b, "env"), str(b, "f"), str(b, "host_f"),
                                        LUCET_EXTERN_FUNC, 0};
    m[1] = (struct lucet_module_import){str(b, "env"), str(b, "g"), {0, 0}, LUCET_EXTERN_GLOBAL, 0};
    m[2] = (struct lucet_module_import){str(b, "env"), str(b, "h"), {0, 0}, LUCET_EXTERN_GLOBAL, 1};
    e[0] = (struct lucet_module_export){str(b, "a"), LUCET_EXTERN_FUNC, 1};
    e[1] = (struct lucet_module_export){str(b, "ab"), LUCET_EXTERN_MEMORY, 0};
    e[2] = (struct lucet_module_export){str(b, "b"), LUCET_EXTERN_TABLE, 1};
    e[3] = (struct lucet_module_export){str(b, "c"), LUCET_EXTERN_GLOBAL, 3};
}

static void add_segments(struct builder *b)
{
    struct lucet_init_op *op = ADD(b, init_ops, struct lucet_init_op, 5);
    struct lucet_module_elem *e = ADD(b, elems, struct lucet_module_elem, 2);
    uint32_t *funcs = ADD(b, elem_funcs, uint32_t, 2);
    struct lucet_init *inits = ADD(b, elem_inits, struct lucet_init, 1);
    struct lucet_module_data *d = ADD(b, datas, struct lucet_module_data, 2);

    op[0] = (struct lucet_init_op){LUCET_INIT_I32, 0, {0, 0}};
    op[1] = (struct lucet_init_op){LUCET_INIT_V128, 0, {1, 2}};
    op[2] = (struct lucet_init_op){LUCET_INIT_REF_FUNC, 0, {1, 0}};
    op[3] = (struct lucet_init_op){LUCET_INIT_GLOBAL_GET, 0, {0, 0}};
    op[4] = (struct lucet_init_op){LUCET_INIT_REF_NULL, 0, {LUCET_EXTERNREF, 0}};
    e[0] = (struct lucet_module_elem){LUCET_ACTIVE, LUCET_FUNCREF, 0, 0, 2, 0, {0, 1}};
    e[1] = (struct lucet_module_elem){LUCET_PASSIVE, LUCET_EXTERNREF, 0, 0, 1, 1, {0, 0}};
    funcs[0] = 0;
    funcs[1] = 2;
    inits[0] = (struct lucet_init){4, 1};
    d[0] = (struct lucet_module_data){LUCET_ACTIVE, 0, 0, 8, {3, 1}};
    d[1] = (struct lucet_module_data){LUCET_PASSIVE, 0, 8, 8, {0, 0}};
}

static void fill_header(struct builder *b)
{
    struct lucet_module_header *h = b->h;

    memcpy(h->magic, LUCET_MODULE_MAGIC, 8);
    h->format_version = LUCET_FORMAT_VERSION;
    h->abi_version = LUCET_ABI_VERSION;
    h->arch = LUCET_ARCH_X86_64;
    h->cpu_features = 1;
    h->heap = (struct lucet_heap_layout){UINT64_C(4) << 30, UINT64_C(2) << 30, PAGE};
    h->start = 1;
    h->nimported_funcs = 1;
    h->nimported_globals = 2;
    h->data_size = DATA_SIZE;
    h->module_name = str(b, "sample");
    h->producer = str(b, "by hand");
    h->cpu = str(b, "x86-64-v2");
    h->layout = (struct lucet_layout){.memories = 512,
                                      .imported_memories = 512,
                                      .tables = 544,
                                      .imported_tables = 608,
                                      .imported_funcs = 608,
                                      .imported_globals = 616,
                                      .type_ids = 632,
                                      .funcrefs = 656,
                                      .tags = 664,
                                      .guest_part = 4096,
                                      .scratch = 4096,
                                      .scratch_size = 64,
                                      .globals = 4096 + 64,
                                      .globals_size = 64,
                                      .exception = 4096 + 128,
                                      .exception_size = 32,
                                      .size = 4096 + 160};
}

static void write_elf(struct sample *s)
{
    static const char names[] = "\0.text\0.lucet.module\0.lucet.data\0.shstrtab";
    Elf64_Ehdr e = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                    .e_type = ET_DYN,
                    .e_machine = EM_X86_64,
                    .e_version = EV_CURRENT,
                    .e_phoff = sizeof(Elf64_Ehdr),
                    .e_shoff = s->text - SECTIONS,
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 2,
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = 5,
                    .e_shstrndx = 4};
    Elf64_Phdr p[2] = {
        {PT_LOAD, PF_R, 0, 0, 0, s->text, s->text, PAGE},
        {PT_LOAD, PF_R | PF_X, s->text, s->text, s->text, TEXT_SIZE, TEXT_SIZE, PAGE},
    };
    Elf64_Shdr h[5] = {
        {0},
        {.sh_name = 1,
         .sh_type = SHT_PROGBITS,
         .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
         .sh_addr = s->text,
         .sh_offset = s->text,
         .sh_size = TEXT_SIZE},
        {.sh_name = 7,
         .sh_type = SHT_PROGBITS,
         .sh_flags = SHF_ALLOC,
         .sh_addr = META_AT,
         .sh_offset = META_AT,
         .sh_size = s->metadata_size},
        {.sh_name = 21,
         .sh_type = SHT_PROGBITS,
         .sh_flags = SHF_ALLOC,
         .sh_addr = DATA_AT,
         .sh_offset = DATA_AT,
         .sh_size = DATA_SIZE},
        {.sh_name = 33,
         .sh_type = SHT_STRTAB,
         .sh_offset = s->text - SHSTR,
         .sh_size = sizeof(names)},
    };
    memcpy(s->bytes, &e, sizeof(e));
    memcpy(s->bytes + sizeof(e), p, sizeof(p));
    memcpy(s->bytes + s->text - SHSTR, names, sizeof(names));
    memcpy(s->bytes + s->text - SECTIONS, h, sizeof(h));
    memset(s->bytes + s->text, 0xc3, TEXT_SIZE); /* ret */
}

struct lucet_module_header *sample_header(struct sample *s)
{
    return (struct lucet_module_header *)(void *)(s->bytes + s->metadata);
}

struct sample sample_build_roomy(size_t room)
{
    const size_t text = 2 * PAGE + (room + PAGE - 1) / PAGE * PAGE;
    struct sample s = {
        .size = text + PAGE, .metadata = META_AT, .text = text, .text_size = TEXT_SIZE};
    struct builder b = {.s = &s, .used = sizeof(struct lucet_module_header)};

    s.bytes = aligned_alloc(PAGE, s.size);
    if (!s.bytes)
        abort();
    memset(s.bytes, 0, s.size);
    memset(s.bytes + DATA_AT, 'd', DATA_SIZE);
    b.h = (struct lucet_module_header *)(void *)(s.bytes + META_AT);
    ADD(&b, strings, char, 256);
    add_types(&b);
    add_entities(&b);
    add_interface(&b);
    add_segments(&b);
    ADD(&b, ref_funcs, uint32_t, 1)[0] = 2;
    ADD(&b, tags, struct lucet_module_tag, 1)[0].type = 0;
    *ADD(&b, helpers, struct lucet_module_helper, 1) =
        (struct lucet_module_helper){code(&b, 0), str(&b, "entry.0")};
    fill_header(&b);
    b.h->size = b.used;
    s.metadata_size = b.used;
    write_elf(&s);
    return s;
}

struct sample sample_build(void)
{
    return sample_build_roomy(0);
}

void *sample_table(struct sample *s, struct lucet_span *span, size_t record, uint32_t count)
{
    struct lucet_module_header *h = sample_header(s);
    const size_t at = (h->size + 7u) / 8 * 8, end = at + record * count;

    if (s->metadata + end > s->text - SHSTR)
        abort();
    *span = (struct lucet_span){(uint32_t)at, count};
    h->size = (uint32_t)end;
    ((Elf64_Shdr *)(void *)(s->bytes + s->text - SECTIONS))[2].sh_size = end;
    return s->bytes + s->metadata + at;
}
