/* traps KIND: ends by a trap. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int (*function)(int);
static function volatile table[2];
static volatile int zero;

__attribute__((noinline)) static int out_of_bounds(int unused)
{
    (void)unused;
    return *(volatile int *)0xfffffff0u;
}

__attribute__((noinline)) static int divide(int n)
{
    return n / zero;
}

/* Without anything in linear memory, where the stack would end sooner. */
__attribute__((noinline)) static int overflow(int n)
{
    if (zero) {
        return n;
    }
    int r = overflow(n + 1);
    __asm__ volatile("");
    return r + 1;
}

__attribute__((noinline)) static int deeper(int n)
{
    int r = n > 0 ? deeper(n - 1) : out_of_bounds(n);
    __asm__ volatile("");
    return r + 1;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    puts("before");
    fflush(stdout);
    if (strcmp(kind, "bounds") == 0) {
        return deeper(3);
    }
    if (strcmp(kind, "divide") == 0) {
        return divide(1);
    }
    if (strcmp(kind, "null") == 0) {
        return table[1](1);
    }
    if (strcmp(kind, "signature") == 0) {
        return ((int (*)(double, double))(void *)divide)(1, 2);
    }
    if (strcmp(kind, "stack") == 0) {
        return overflow(0);
    }
    if (strcmp(kind, "unreachable") == 0) {
        __builtin_trap();
    }
    puts("after");
    return 0;
}
