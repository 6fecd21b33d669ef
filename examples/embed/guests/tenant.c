/* A guest of tenants.c: asks who it works for, and takes as much memory as it is told to. */

__attribute__((import_module("host"), import_name("number"))) unsigned number(void);

#define PAGE 65536u

__attribute__((export_name("who"))) unsigned who(void)
{
    return number();
}

/* Grows the memory, and writes to the first byte of each 4 KiB. */
__attribute__((export_name("take"))) unsigned take(unsigned pages)
{
    const unsigned before = (unsigned)__builtin_wasm_memory_grow(0, pages);

    for (unsigned at = before * PAGE; at < (before + pages) * PAGE; at += 4096)
        *(volatile unsigned char *)at = 1;
    return before + pages;
}
