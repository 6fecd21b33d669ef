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

#endif
