/* The guest of plugins.c. */

#define IMPORT(name) __attribute__((import_module("host"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

/* What the host keeps under a number. It may take a while, of which the guest knows nothing. */
IMPORT("fetch") int fetch(unsigned key, int *value);
/* Ends the call with an error that the host's callers know. */
IMPORT("fail") _Noreturn void fail(int code);

EXPORT("sum") int sum(unsigned keys)
{
    int total = 0, value;

    for (unsigned key = 0; key < keys; key++) {
        if (!fetch(key, &value))
            fail(404);
        total += value;
    }
    return total;
}

EXPORT("divide") int divide(int a, int b)
{
    return a / b;
}

EXPORT("wander") int wander(unsigned where)
{
    return *(volatile int *)where;
}

EXPORT("spin") void spin(void)
{
    for (;;)
        __asm__ volatile("");
}
