/* What the kernel says of this process; and processes of their own for what would end a test. */
#ifndef LUCET_TEST_PROCESS_H
#define LUCET_TEST_PROCESS_H

unsigned process_descriptors(void);
unsigned process_threads(void);
/* POSIX timers; 0 where the kernel does not tell. */
unsigned process_timers(void);
unsigned process_resident_pages(void);
/* Those whose line in /proc/self/maps contains `text`. */
unsigned process_mappings(const char *text);

/* What a child that runs f(arg) ends with: the value, or 128 + the signal it died of. */
int process_child(int (*f)(void *), void *arg);
/* The same without the handlers of the test program. */
int process_bare_child(int (*f)(void));

/* In a child, which it ends, saying where. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            process_failed(__FILE__, __LINE__, #condition);                                        \
    } while (0)
void process_failed(const char *file, int line, const char *condition) __attribute__((noreturn));

#endif
