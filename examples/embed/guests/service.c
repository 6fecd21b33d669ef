/*
 * The guest of server.c: a service with defects. It is plain C without a library;
 * what it may call of its host stands in ../bindings.json.
 */

/* A host function. The server reads `size` bytes of our memory at `text`. */
__attribute__((import_module("server"), import_name("log"))) void server_log(const char *text,
                                                                             unsigned size);

#define EXPORT(name) __attribute__((export_name(name)))

static unsigned requests;

/* Answers a request: the sum of the numbers from 1 to n. Says how many it has answered. */
EXPORT("handle") unsigned handle(unsigned n)
{
    char text[] = "request 0 of this instance";
    unsigned sum = 0;

    requests++;
    text[8] = (char)('0' + requests % 10);
    server_log(text, sizeof text - 1);
    for (unsigned i = 1; i <= n; i++)
        sum += i;
    return sum;
}

__attribute__((noinline)) static int parse(const volatile int *header)
{
    return *header + 1;
}

/* A defect: follows a pointer to where it has no memory. */
EXPORT("crash") int crash(unsigned address)
{
    return parse((const volatile int *)address) * 2;
}

/* A defect: never ends. */
EXPORT("spin") void spin(void)
{
    for (;;)
        requests++;
}

/* Hands the server a range that is not in its memory. */
EXPORT("lie") void lie(void)
{
    server_log((const char *)0xfffffff0u, 100);
}
