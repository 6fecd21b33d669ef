/*
 * A guest: an ordinary C program that knows nothing of Lucet. It greets, prints the prime numbers
 * below its second argument, and says how it sees the world outside.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_primes(int limit)
{
    unsigned char *composite = calloc(1, (size_t)limit + 1);
    if (!composite) {
        printf("not enough memory for a sieve of %d\n", limit);
        exit(1);
    }
    printf("primes below %d:", limit);
    for (int i = 2; i < limit; i++) {
        if (composite[i])
            continue;
        printf(" %d", i);
        for (long long j = (long long)i * i; j < limit; j += i)
            composite[j] = 1;
    }
    printf("\n");
    free(composite);
}

int main(int argc, char **argv)
{
    int limit = argc > 2 ? atoi(argv[2]) : 60;

    printf("Hello, %s!\n", argc > 1 ? argv[1] : "world");
    print_primes(limit < 2 ? 2 : limit > 100000000 ? 100000000 : limit);

    FILE *passwords = fopen("/etc/passwd", "r");
    if (passwords) {
        printf("I can read the host's /etc/passwd\n");
        fclose(passwords);
    } else {
        printf("/etc/passwd is out of reach: %s\n", strerror(errno));
    }
    return 0;
}
