/* Whoever gives the wrong file is told what it is and what to do. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"

static const char *reason(const void *bytes, size_t size)
{
    static struct lucet_artifact_error err;
    struct lucet_artifact a;
    void *copy = malloc(size ? size : 1); /* of that size, so that reading behind it is seen */

    memcpy(copy, bytes, size);
    const bool good = lucet_artifact_read(copy, size, &a, &err);
    free(copy);
    if (good)
        fail_msg("accepted");
    return err.text;
}

static void expect(const char *reason, const char *part)
{
    if (!strstr(reason, part))
        fail_msg("\"%s\" is not in \"%s\"", part, reason);
}

static void files_of_other_formats(void **state)
{
    static const struct {
        char bytes[64];
        const char *expected;
    } files[] = {
        {"\0asm\1\0\0\0", "a WebAssembly module, not an artifact, which lucetc makes"},
        {"\0asm\x0d\0\1\0", "a WebAssembly component, not an artifact"},
        {"!<arch>\nx.o/", "a static library"},
        {"BC\xc0\xde", "LLVM bitcode"},
        {"MZ\x90", "for Windows"},
        {"\xcf\xfa\xed\xfe", "for macOS"},
        {"#!/bin/sh\n", "a script"},
        {"\x1f\x8b\x08", "compressed by gzip"},
        {"\x28\xb5\x2f\xfd", "compressed by zstd"},
        {"PK\3\4", "a zip archive"},
        {"hello", "neither a WebAssembly module nor an artifact"},
        {"\177ELG", "neither a WebAssembly module nor an artifact"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        expect(reason(files[i].bytes, sizeof(files[i].bytes)), files[i].expected);
    expect(reason("", 0), "an empty file");
    expect(reason("\0", 1), "neither");
}

/* What somebody is told who wants a module; "": not this one knows better. */
static const char *instead(const void *bytes, size_t size)
{
    static struct lucet_artifact_error what;
    void *copy = malloc(size ? size : 1);

    memcpy(copy, bytes, size);
    const bool known = lucet_module_identify(copy, size, &what);
    free(copy);
    return known ? what.text : "";
}

static void files_that_are_no_modules(void **state)
{
    static const struct {
        char bytes[64];
        const char *expected;
    } files[] = {
        {"\0asm\1\0\0\0", ""},
        {"\0asm\x0d\0\1\0", ""},
        {"hello", ""},
        {"PK\3\4", "a zip archive, not a WebAssembly module"},
        {" \r\n\t(module)", "WebAssembly text, not a WebAssembly module"},
        {"(modul", ""},
        {"\177ELF", "an ELF file that is not of 64 bits, not a WebAssembly module"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        assert_string_equal(instead(files[i].bytes, sizeof(files[i].bytes)), files[i].expected);
    assert_string_equal(instead("", 0), "an empty file, not a WebAssembly module");
    assert_string_equal(instead("\0as", 3), "");
    assert_string_equal(instead("\177ELF\2\1\1", 7),
                        "the beginning of an ELF file, not a WebAssembly module");
    expect(reason("\n(module", 8), "WebAssembly text, not an artifact, which lucetc makes");
}

/* ---- ELF files, each a sample that was changed ---- */

struct forged {
    struct sample s;
    Elf64_Ehdr *e;
    Elf64_Phdr *p;
    struct lucet_module_header *h;
};

static void other_class(struct forged *f)
{
    f->e->e_ident[EI_CLASS] = ELFCLASS32;
}
static void other_order(struct forged *f)
{
    f->e->e_ident[EI_DATA] = ELFDATA2MSB;
}
static void object(struct forged *f)
{
    f->e->e_type = ET_REL;
}
static void foreign_object(struct forged *f)
{
    f->e->e_type = ET_REL;
    f->e->e_shnum = 0;
}
static void program(struct forged *f)
{
    f->e->e_type = ET_EXEC;
}
static void pie(struct forged *f)
{
    f->p[1].p_type = PT_INTERP;
}
static void core(struct forged *f)
{
    f->e->e_type = ET_CORE;
}
static void unknown_type(struct forged *f)
{
    f->e->e_type = 77;
}
static void foreign_machine(struct forged *f)
{
    f->e->e_machine = EM_RISCV;
}
static void unknown_machine(struct forged *f)
{
    f->e->e_machine = 4711;
}
static void no_sections(struct forged *f)
{
    f->e->e_shnum = 0;
}
static void library(struct forged *f)
{
    for (size_t i = 0; i + sizeof(LUCET_SECTION_MODULE) <= f->s.size; i++)
        if (memcmp(f->s.bytes + i, LUCET_SECTION_MODULE, sizeof(LUCET_SECTION_MODULE)) == 0)
            f->s.bytes[i + 1] = 'X';
}
static void long_segment(struct forged *f)
{
    f->p[0].p_filesz = f->p[0].p_memsz = UINT64_MAX;
}
static void far_sections(struct forged *f)
{
    f->e->e_shoff = UINT64_MAX - 63;
}
static void far_names(struct forged *f)
{
    f->e->e_shstrndx = UINT16_MAX;
}
static void format(struct forged *f)
{
    f->h->format_version = 9;
}
static void abi(struct forged *f)
{
    f->h->abi_version = UINT32_MAX;
}
static void other_magic(struct forged *f)
{
    f->h->magic[7] = 0;
}
static void damage(struct forged *f)
{
    f->h->size++;
}
/* A newer version may lay out its segments in another way. */
static void newer_and_writable(struct forged *f)
{
    f->h->format_version++;
    f->p[0].p_flags = PF_R | PF_W;
}

static void elf_files(void **state)
{
    const unsigned here[] = {LUCET_FORMAT_VERSION, LUCET_ABI_VERSION};
    char of_format[100], of_abi[100];

    snprintf(of_format, sizeof(of_format),
             "(artifact format 9, ABI %u; here they are %u and %u): compile the module again",
             here[1], here[0], here[1]);
    snprintf(of_abi, sizeof(of_abi),
             "(artifact format %u, ABI 4294967295; here they are %u and %u)", here[0], here[0],
             here[1]);
    const struct {
        void (*change)(struct forged *f);
        const char *expected;
    } files[] = {
        {other_class, "an ELF file that is not of 64 bits, not an artifact"},
        {other_order, "not little-endian"},
        {object, "an object file of lucetc --emit obj; artifacts are made by --emit so"},
        {foreign_object, "an object file for x86-64, not an artifact"},
        {program,
         "a program for x86-64, not an artifact, which lucetc makes of a WebAssembly module"},
        {pie, "a program for x86-64"},
        {core, "a core dump for x86-64"},
        {unknown_type, "an ELF file of unknown type for x86-64"},
        {foreign_machine, "a library for riscv (ELF machine 243)"},
        {unknown_machine, "a library for another machine (ELF machine 4711)"},
        {no_sections, "without section headers"},
        {library, "a library of another compiler, not an artifact"},
        {long_segment, "that says it has 18446744073709551615: copy it again"},
        {far_sections, "that says it has 18446744073709551615: copy it again"},
        {far_names, "a library of another compiler"},
        {format, of_format},
        {abi, of_abi},
        {newer_and_writable, "an artifact of another version of lucetc"},
        {other_magic, "section .lucet.module was not made by lucetc"},
        {damage, "a damaged artifact, to be compiled again: header: size"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct forged f = {.s = sample_build()};
        f.e = (void *)f.s.bytes;
        f.p = (void *)(f.s.bytes + f.e->e_phoff);
        f.h = sample_header(&f.s);
        files[i].change(&f);
        expect(reason(f.s.bytes, f.s.size), files[i].expected);
        expect(instead(f.s.bytes, f.s.size), ", not a WebAssembly module");
        free(f.s.bytes);
    }
}

static void parts_of_files(void **state)
{
    struct sample s = sample_build();

    (void)state;
    expect(reason(s.bytes, 1), "the first 1 bytes of an ELF file");
    expect(reason(s.bytes, sizeof(Elf64_Ehdr) - 1), "the first 63 bytes of an ELF file");
    for (size_t size = sizeof(Elf64_Ehdr); size < s.text + s.text_size; size++)
        expect(reason(s.bytes, size), "bytes of an ELF file that says it has ");
    for (size_t size = 1; size < s.size; size++)
        expect(instead(s.bytes, size), ", not a WebAssembly module");
    assert_string_equal(instead(s.bytes, s.size),
                        "an artifact that lucetc has made, not a WebAssembly module");
    free(s.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_other_formats),
        cmocka_unit_test(files_that_are_no_modules),
        cmocka_unit_test(elf_files),
        cmocka_unit_test(parts_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
