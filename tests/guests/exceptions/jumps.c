/* setjmp and longjmp: out of loops, out of deep recursion, out of a signal-like callback, again and
 * again. */
#include "setjmp.h"

#include <stdio.h>
#include <stdlib.h>

static jmp_buf top, inner;

static void dive(int depth, int value)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    if (depth == 0)
        longjmp(top, value);
    dive(depth - 1, value);
    printf("never %d\n", frame[0]);
}

static int parse(const char *s)
{
    int n = 0;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            longjmp(inner, *s);
        n = n * 10 + *s - '0';
    }
    return n;
}

static int compare(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    if (x == 13 || y == 13)
        longjmp(top, 1300);
    return (x > y) - (x < y);
}

int main(void)
{
    volatile int rounds = 0;
    int code = setjmp(top);
    printf("top %d\n", code);
    if (++rounds < 4)
        dive(rounds * 100, rounds == 3 ? 0 : rounds);

    static const char *const texts[] = {"12", "3x", "45", "?"};
    for (volatile int i = 0; i < 4; i++) {
        const int bad = setjmp(inner);
        if (bad)
            printf("bad character %c in %s\n", bad, texts[i]);
        else
            printf("number %d\n", parse(texts[i]));
    }

    volatile long sum = 0;
    for (volatile int i = 0; i < 100000; i++)
        if (setjmp(inner) == 0)
            sum += parse(i % 2 ? "7" : "x");
        else
            sum -= 1;
    printf("sum %ld\n", sum);

    code = setjmp(top);
    if (code == 0) {
        int a[] = {5, 3, 13, 1, 9};
        qsort(a, 5, sizeof *a, compare);
        puts("sorted?");
    } else {
        printf("out of qsort %d\n", code);
    }
    return 0;
}
