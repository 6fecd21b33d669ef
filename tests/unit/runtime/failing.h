/* System calls that fail when a test wants them to: these stand in front of the C library's in
 * every program of this folder. */
#ifndef LUCET_TEST_FAILING_H
#define LUCET_TEST_FAILING_H

#include <stdatomic.h>
#include <stdbool.h>

enum failing_kind {
    FAIL_FILES = 1,         /* memfd_create, open, pwrite, ftruncate */
    FAIL_MAPPING = 2,       /* mmap, mprotect, madvise */
    FAIL_HALF_WAY = 4,      /* mprotect, as when mappings run out in the middle */
    FAIL_THREADS = 8,       /* sigaltstack, timer_create */
    FAIL_REGISTRATION = 16, /* of a heap, in regions with pages on demand */
    FAIL_PERMISSION = 32,   /* for userfaultfd, by either way */
    FAIL_DESCRIPTOR = 64,   /* of userfaultfd */
    FAIL_SCAN = 128,        /* PAGEMAP_SCAN, as before Linux 6.7 */
    FAIL_ALLOCATION = 256,  /* for who asks failing() itself */
    FAIL_HANDLERS = 512,    /* sigaction, to put one in place */
    FAIL_BARRIER = 1024,    /* membarrier */
};
/* The sanitizers have their own ideas of what FAIL_FILES but open, FAIL_MAPPING, FAIL_HALF_WAY,
 * FAIL_HANDLERS and FAIL_THREADS are about. */
#if defined(LUCET_SANITIZE) || defined(LUCET_TSAN)
#define FAILING_SOME_ONLY
#endif

/* Of the calls of these kinds, `n` go well; the next fails, and so do all that follow when
 * `all`. */
void failing_begin(unsigned kinds, long n, bool all);
void failing_end(void);
/* Whether one failed since. */
bool failing_happened(void);
/* A call of this kind is made: whether it should fail. */
bool failing(enum failing_kind kind);

extern atomic_uint failing_scans; /* so many calls of PAGEMAP_SCAN were made */

#endif
