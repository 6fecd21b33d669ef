/* What a file is, in words, before it is judged as an artifact, or when it is no module: people
 * give the wrong file more often than a damaged one. Class, byte order, type and machine are
 * decided here; for the rest what is found is a guess, which the reader's other files do not rely
 * upon. */
#include <elf.h>
#include <string.h>

#include "module/reader_internal.h"

const char *lucet_artifact_machine(uint32_t e_machine)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } machines[] = {
        {EM_X86_64, "x86-64"},   {EM_AARCH64, "aarch64"}, {EM_386, "i386"},
        {EM_ARM, "arm"},         {EM_RISCV, "riscv"},     {EM_PPC, "powerpc"},
        {EM_PPC64, "powerpc64"}, {EM_S390, "s390"},       {EM_MIPS, "mips"},
        {EM_SPARC, "sparc"},     {EM_SPARCV9, "sparc64"}, {EM_LOONGARCH, "loongarch"},
        {EM_IA_64, "ia64"},      {EM_BPF, "bpf"},
    };

    for (size_t i = 0; i < sizeof(machines) / sizeof(*machines); i++)
        if (machines[i].machine == e_machine)
            return machines[i].name;
    return "another machine";
}

/* What was wanted instead. */
static const char *is_not(const struct reader *r)
{
    return r->module_wanted ? ", not a WebAssembly module"
                            : ", not an artifact, which lucetc makes of a WebAssembly module";
}

static bool is_foreign(struct reader *r, const char *what)
{
    return reader_fail(r, "%s%s", what, is_not(r));
}

/* ---- Files that are not ELF ---- */

static bool is_text(const struct lucet_artifact *a)
{
    static const char begins[] = "(module";
    size_t i = 0;

    while (i < a->size && memchr(" \t\r\n", a->bytes[i], 4))
        i++;
    return a->size - i >= sizeof(begins) - 1 &&
           memcmp(a->bytes + i, begins, sizeof(begins) - 1) == 0;
}

static bool other_format(struct reader *r)
{
#define MAGIC(bytes) bytes, sizeof(bytes) - 1
    static const struct {
        const char *bytes;
        size_t size;
        const char *what;
    } formats[] = {
        {MAGIC("\0asm\x0d\0\1\0"), "a WebAssembly component"},
        {MAGIC("\0asm"), "a WebAssembly module"},
        {MAGIC("!<arch>\n"), "a static library"},
        {MAGIC("!<thin>\n"), "a static library"},
        {MAGIC("BC\xc0\xde"), "LLVM bitcode"},
        {MAGIC("MZ"), "a program or library for Windows"},
        {MAGIC("\xcf\xfa\xed\xfe"), "a program or library for macOS"},
        {MAGIC("\xca\xfe\xba\xbe"), "a program or library for macOS, or a Java class"},
        {MAGIC("#!"), "a script"},
        {MAGIC("\x1f\x8b"), "a file compressed by gzip"},
        {MAGIC("\x28\xb5\x2f\xfd"), "a file compressed by zstd"},
        {MAGIC("\xfd"
               "7zXZ\0"),
         "a file compressed by xz"},
        {MAGIC("PK\3\4"), "a zip archive"},
    };
#undef MAGIC
    const struct lucet_artifact *a = r->a;

    if (a->size == 0)
        return is_foreign(r, "an empty file");
    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
        if (a->size >= formats[i].size && memcmp(a->bytes, formats[i].bytes, formats[i].size) == 0)
            return is_foreign(r, formats[i].what);
    if (is_text(a))
        return is_foreign(r, "WebAssembly text");
    return r->module_wanted ||
           reader_fail(r, "neither a WebAssembly module nor an artifact made by lucetc");
}

/* ---- ELF files of others ---- */

/* The i-th entry of a table in the file. */
static bool entry(const struct lucet_artifact *a, uint64_t offset, uint64_t i, void *out,
                  size_t size)
{
    if (offset > a->size || i * size > a->size - offset || size > a->size - offset - i * size)
        return false;
    memcpy(out, a->bytes + offset + i * size, size);
    return true;
}

static bool has_interpreter(const struct lucet_artifact *a, const Elf64_Ehdr *e)
{
    Elf64_Phdr p;

    for (unsigned i = 0; i < e->e_phnum && entry(a, e->e_phoff, i, &p, sizeof(p)); i++)
        if (p.p_type == PT_INTERP)
            return true;
    return false;
}

/* The section of that name, or false. */
static bool find_section(const struct lucet_artifact *a, const Elf64_Ehdr *e, const char *name,
                         Elf64_Shdr *out)
{
    const size_t size = strlen(name) + 1;
    Elf64_Shdr names;

    if (!entry(a, e->e_shoff, e->e_shstrndx, &names, sizeof(names)) || names.sh_offset > a->size)
        return false;
    for (unsigned i = 0; i < e->e_shnum && entry(a, e->e_shoff, i, out, sizeof(*out)); i++) {
        const uint64_t at = names.sh_offset + out->sh_name; /* below 2^33 or so */
        if (at <= a->size && size <= a->size - at && memcmp(a->bytes + at, name, size) == 0)
            return true;
    }
    return false;
}

static bool other_elf(struct reader *r, const Elf64_Ehdr *e)
{
    const char *what = NULL;
    Elf64_Shdr s;

    switch (e->e_type) {
    case ET_REL: what = "an object file"; break;
    case ET_EXEC: what = "a program"; break;
    case ET_DYN: what = has_interpreter(r->a, e) ? "a program" : NULL; break;
    case ET_CORE: what = "a core dump"; break;
    default: what = "an ELF file of unknown type"; break;
    }
    if (e->e_type == ET_REL && find_section(r->a, e, LUCET_SECTION_MODULE, &s))
        return reader_fail(r, "an object file of lucetc --emit obj%s",
                           r->module_wanted ? is_not(r) : "; artifacts are made by --emit so");
    if (what)
        return reader_fail(r, "%s for %s%s", what, lucet_artifact_machine(e->e_machine), is_not(r));
    if (e->e_machine != LUCET_ARCH_X86_64 && e->e_machine != LUCET_ARCH_AARCH64)
        return reader_fail(r, "a library for %s (ELF machine %u)%s",
                           lucet_artifact_machine(e->e_machine), e->e_machine, is_not(r));
    return true;
}

/* Whoever wants a module has no use for it, whole or not. */
static bool is_library(struct reader *r, const Elf64_Ehdr *e)
{
    Elf64_Shdr s;

    return is_foreign(r, find_section(r->a, e, LUCET_SECTION_MODULE, &s)
                             ? "an artifact that lucetc has made"
                             : "a library");
}

/* ---- Artifacts that are cut, or of another version ---- */

static uint64_t end_of(uint64_t offset, uint64_t size)
{
    return size > UINT64_MAX - offset ? UINT64_MAX : offset + size;
}

/* The end of what the ELF header and the program headers speak of. */
static uint64_t end_of_file(const struct lucet_artifact *a, const Elf64_Ehdr *e)
{
    const uint64_t sections = end_of(e->e_shoff, (uint64_t)e->e_shnum * sizeof(Elf64_Shdr));
    uint64_t end = end_of(e->e_phoff, (uint64_t)e->e_phnum * sizeof(Elf64_Phdr));
    Elf64_Phdr p;

    end = end > sections ? end : sections;
    for (unsigned i = 0; i < e->e_phnum && entry(a, e->e_phoff, i, &p, sizeof(p)); i++)
        if (p.p_type == PT_LOAD && end_of(p.p_offset, p.p_filesz) > end)
            end = end_of(p.p_offset, p.p_filesz);
    return end;
}

bool reader_versions(struct reader *r, const uint8_t *header, uint64_t size)
{
    struct lucet_module_header h;
    const size_t need = offsetof(struct lucet_module_header, arch);

    if (size < need || memcmp(header, LUCET_MODULE_MAGIC, sizeof(h.magic)) != 0)
        return reader_fail(r, "section %s was not made by lucetc: wrong magic",
                           LUCET_SECTION_MODULE);
    memcpy(&h, header, need);
    if (h.format_version == LUCET_FORMAT_VERSION && h.abi_version == LUCET_ABI_VERSION)
        return true;
    return reader_fail(r,
                       "an artifact of another version of lucetc (artifact format %u, ABI %u; here "
                       "they are %u and %u): compile the module again with this version",
                       h.format_version, h.abi_version, LUCET_FORMAT_VERSION, LUCET_ABI_VERSION);
}

static bool is_artifact(struct reader *r, const Elf64_Ehdr *e)
{
    const struct lucet_artifact *a = r->a;
    Elf64_Shdr s;

    if (end_of_file(a, e) > a->size)
        return reader_fail(r,
                           "the first %llu bytes of an ELF file that says it has %llu: copy it "
                           "again, or compile the module again",
                           (unsigned long long)a->size, (unsigned long long)end_of_file(a, e));
    if (e->e_shnum == 0)
        return reader_fail(r, "a library without section headers, which artifacts need");
    if (!find_section(a, e, LUCET_SECTION_MODULE, &s))
        return is_foreign(r, "a library of another compiler");
    return s.sh_offset > a->size || s.sh_size > a->size - s.sh_offset ||
           reader_versions(r, a->bytes + s.sh_offset, s.sh_size);
}

bool reader_identify(struct reader *r)
{
    const struct lucet_artifact *a = r->a;
    Elf64_Ehdr e;

    if (a->size == 0 || memcmp(a->bytes, ELFMAG, a->size < SELFMAG ? a->size : SELFMAG) != 0)
        return other_format(r);
    if (!entry(a, 0, 0, &e, sizeof(e)))
        return r->module_wanted
                   ? is_foreign(r, "the beginning of an ELF file")
                   : reader_fail(r, "the first %zu bytes of an ELF file: copy it again", a->size);
    if (e.e_ident[EI_CLASS] != ELFCLASS64)
        return is_foreign(r, "an ELF file that is not of 64 bits");
    if (e.e_ident[EI_DATA] != ELFDATA2LSB)
        return is_foreign(r, "an ELF file that is not little-endian");
    return other_elf(r, &e) && (r->module_wanted ? is_library : is_artifact)(r, &e);
}

bool lucet_module_identify(const void *bytes, size_t size, struct lucet_artifact_error *what)
{
    struct lucet_artifact a = {.bytes = bytes, .size = size};
    struct reader r = {.a = &a, .err = what, .module_wanted = true};

    return !(size >= 4 && memcmp(bytes, "\0asm", 4) == 0) && !reader_identify(&r);
}
