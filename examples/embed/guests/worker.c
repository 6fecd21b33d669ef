/*
 * The guest of event_loop.c: answers one number after the other, each with so many steps of work.
 * It is written as if it had a thread for itself.
 */

__attribute__((import_module("events"), import_name("receive"))) int events_receive(void);
__attribute__((import_module("events"), import_name("send"))) void events_send(int answer);

#define EXPORT(name) __attribute__((export_name(name)))

/* Until there is nothing more: 0. How many it has answered. */
EXPORT("serve") int serve(void)
{
    int count = 0;

    for (int n; (n = events_receive()) != 0; count++) {
        unsigned x = (unsigned)n;
        for (int i = 0; i < n * 1000; i++)
            x = x * 1664525 + 1013904223;
        events_send((int)x);
    }
    return count;
}

/* Never ends. */
EXPORT("spin") void spin(void)
{
    for (volatile unsigned i = 0;; i++)
        ;
}
