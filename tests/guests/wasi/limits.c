/* Uses as much as it gets of what its first argument says, and prints how much that was. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int memory(void)
{
    int pages = 0;

    while (pages < 100000 && __builtin_wasm_memory_grow(0, 1) != (size_t)-1) {
        pages++;
    }
    return pages;
}

/* Of 64 MiB, one byte in each block. */
static int touch(void)
{
    const size_t block = 65536;
    char *p = malloc(64 << 20);
    int n = 0;

    for (size_t i = 0; p && i < 64 << 20; i += block, n++) {
        *(volatile char *)(p + i) = 1;
    }
    return n;
}

static int files(void)
{
    int n = 0;

    while (n < 2000 && open("/d/file", O_RDONLY) >= 0) {
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "memory") == 0) {
        printf("%d\n", memory());
    } else if (strcmp(what, "touch") == 0) {
        printf("%d\n", touch());
    } else if (strcmp(what, "files") == 0) {
        printf("%d\n", files());
    } else if (strcmp(what, "env") == 0) {
        for (int i = 2; i < argc; i++) {
            const char *value = getenv(argv[i]);
            puts(value ? value : "none");
        }
    } else if (strcmp(what, "spin") == 0) {
        for (;;) {
            __asm__ volatile("");
        }
    } else {
        puts(argv[0]);
    }
    return 0;
}
