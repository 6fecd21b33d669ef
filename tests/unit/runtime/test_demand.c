/* Regions with pages on demand: what they promise beyond what the others do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/guest.h"

#define BLOCK 65536u
#define DATA 200000u /* of the guest's data segment, from byte 1000 on */

static bool forbidden; /* userfaultfd */
static bool no_descriptor;
static atomic_uint registrations = UINT_MAX; /* that succeed */

/* In front of the C library's. Reads six arguments, though there may be fewer. */
__attribute__((no_sanitize("address"))) long syscall(long number, ...)
{
    va_list a;
    long r;

    va_start(a, number);
    const long x = va_arg(a, long), y = va_arg(a, long), z = va_arg(a, long), u = va_arg(a, long),
               v = va_arg(a, long), w = va_arg(a, long);
    va_end(a);
    if (number == SYS_userfaultfd && (forbidden || no_descriptor)) {
        errno = forbidden ? EPERM : EMFILE;
        return -1;
    }
    register long r10 __asm__("r10") = u;
    register long r8 __asm__("r8") = v;
    register long r9 __asm__("r9") = w;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(number), "D"(x), "S"(y), "d"(z), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    if (r < 0 && r > -4096) {
        errno = (int)-r;
        return -1;
    }
    return r;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list a;

    va_start(a, request);
    void *arg = va_arg(a, void *);
    va_end(a);
    if (request == UFFDIO_REGISTER && registrations-- == 0) {
        registrations = 0;
        errno = ENOMEM;
        return -1;
    }
    return (int)syscall(SYS_ioctl, (long)fd, (long)request, arg);
}

int open(const char *path, int flags, ...)
{
    if (forbidden && strcmp(path, "/dev/userfaultfd") == 0) {
        errno = EACCES;
        return -1;
    }
    va_list a;
    va_start(a, flags);
    const int mode = flags & O_CREAT ? va_arg(a, int) : 0;
    va_end(a);
    return openat(AT_FDCWD, path, flags, mode);
}

static struct lucet_region *uffd_region(size_t capacity, uint64_t resident)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    const struct lucet_region_options o = {.heap_resident_limit = resident};
    struct lucet_region *region = NULL;

    limits.heap_memory_size = 64 << 20;
    const enum lucet_error e = lucet_uffd_region_create_with(capacity, &limits, &o, &region);
    if (e == lucet_error_unsupported) {
        printf("skipped: %s\n", lucet_error_detail());
        skip();
    }
    assert_int_equal(e, lucet_error_ok);
    return region;
}

static struct lucet_dl_module *guest(void)
{
    struct text t = {0};

    text_add(&t,
             "(module (memory (export \"m\") 8 200)"
             " (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
             " (func (export \"store\") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))"
             " (func (export \"fill\") (param i32 i32)"
             "   (memory.fill (local.get 0) (i32.const 9) (local.get 1)))"
             " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0)))"
             " (data (i32.const 1000) \"");
    for (unsigned k = 0; k < DATA; k++)
        text_add(&t, "%c", 'a' + k % 26);
    text_add(&t, "\"))");
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return m;
}

static uint8_t expected(size_t at)
{
    return at >= 1000 && at < 1000 + DATA ? (uint8_t)('a' + (at - 1000) % 26) : 0;
}

static uint64_t resident(struct lucet_instance *inst)
{
    uint64_t bytes = UINT64_MAX;

    assert_int_equal(lucet_instance_heap_resident(inst, &bytes), lucet_error_ok);
    return bytes;
}

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void only_what_is_touched_is_there(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal(resident(inst), 0);
    assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(1025))), expected(1025));
    const uint64_t first = resident(inst);
    assert_in_range(first, 4096, BLOCK);
    guest_call(inst, "store", ARGS(I32(1026), I32(5)));
    assert_int_equal(resident(inst), first); /* the same page */
    guest_call(inst, "store", ARGS(I32(400000), I32(5)));
    assert_in_range(resident(inst), first + 4096, first + BLOCK);
    unsigned char there[128];
    assert_int_equal(mincore(lucet_instance_heap(inst), 128 << 12, there), 0);
    unsigned pages = 0;
    for (unsigned k = 0; k < 128; k++)
        pages += there[k] & 1;
    assert_true(pages * 4096u <= resident(inst));
    /* The host reads everything, from whatever thread, and finds what belongs there. */
    const uint8_t *heap = lucet_instance_heap(inst);
    for (size_t k = 0; k < 8 * BLOCK; k++)
        if (k != 1026 && k != 400000 && heap[k] != expected(k))
            fail_msg("byte %zu is %u", k, heap[k]);
    assert_int_equal(resident(inst), 8 * BLOCK);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    for (size_t k = 0; k < 8 * BLOCK; k++)
        if (heap[k] != expected(k))
            fail_msg("byte %zu is %u after a reset", k, heap[k]);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* Beyond the memory is a fault as anywhere, also where it once was larger. */
static void out_of_bounds_stays_a_fault(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "grow", ARGS(I32(3))), 8);
    guest_call(inst, "store", ARGS(I32(11 * BLOCK - 1), I32(1)));
    for (int round = 0; round < 2; round++) {
        const uint32_t pages = round ? 8 : 11;
        assert_int_equal(guest_trap(inst, "load", ARGS(I32(pages * BLOCK))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(guest_trap(inst, "load", ARGS(I32(-1))),
                         lucet_trapcode_heap_out_of_bounds);
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    }
    assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(8 * BLOCK - 1))), 0);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

static void the_limit_of_what_is_touched_ends_the_run(void **state)
{
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 4 * BLOCK);
    for (int round = 0; round < 3; round++) {
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        assert_int_equal(resident(inst), 0);
        guest_call(inst, "fill", ARGS(I32(0), I32(3 * BLOCK)));
        assert_int_equal(lucet_instance_run(inst, "fill", ARGS(I32(0), I32(7 * BLOCK)), &r),
                         lucet_error_runtime_terminated);
        assert_int_equal(r.tag, lucet_result_tag_terminated);
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_heap_out_of_memory);
        assert_in_range(resident(inst), 4 * BLOCK, 5 * BLOCK);
        /* Nor through what the host does for it. */
        assert_false(lucet_instance_check_heap(inst, lucet_instance_heap(inst), 8 * BLOCK));
        assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
        assert_int_equal(resident(inst), 0);
        guest_call(inst, "fill", ARGS(I32(0), I32(3 * BLOCK)));
        lucet_instance_release(inst);
    }
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* The kernel does not wait for pages; whoever asked for a range gets it whole. */
static void system_calls_find_ranges_that_were_checked(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    uint8_t *heap = lucet_instance_heap(inst);
    const int fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(pwrite(fd, heap, 8 * BLOCK, 0), -1); /* that is the rule */
    assert_int_equal(errno, EFAULT);
    assert_true(lucet_instance_check_heap(inst, heap, 8 * BLOCK));
    assert_int_equal(pwrite(fd, heap, 8 * BLOCK, 0), 8 * BLOCK);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    assert_true(lucet_instance_check_heap(inst, heap + 5, 300000));
    assert_int_equal(pread(fd, heap + 5, 300000, 5), 300000);
    for (size_t k = 0; k < 8 * BLOCK; k++)
        if (heap[k] != expected(k))
            fail_msg("byte %zu is %u", k, heap[k]);
    close(fd);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

static void check_in_child(struct lucet_region *region, struct lucet_dl_module *m,
                           struct lucet_instance *inst)
{
    const uint8_t *heap = lucet_instance_heap(inst);

    for (size_t k = 0; k < 8 * BLOCK; k++)
        if (k != 150000 && heap[k] != expected(k))
            _exit(1);
    if ((uint32_t)guest_call(inst, "load", ARGS(I32(150000))) != 7)
        _exit(2);
    if (lucet_instance_reset(inst) || heap[150000] != expected(150000))
        _exit(3);
    lucet_instance_release(inst);
    inst = guest_instance(region, m, NULL, NULL);
    if ((uint32_t)guest_call(inst, "load", ARGS(I32(190000))) != expected(190000))
        _exit(4);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
    _exit(0);
}

/* What nobody had touched when the process forked is the image in both, not zero. */
static void a_child_has_pages_of_its_own(void **state)
{
    int status;

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(2, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    guest_call(inst, "store", ARGS(I32(150000), I32(7)));
    pid_t pid = fork();
    if (pid == 0)
        check_in_child(region, m, inst);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(150000))), 7);
    assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(100000))), expected(100000));
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

static void check_lost(struct lucet_region *region, struct lucet_dl_module *m,
                       struct lucet_instance *inst, int code)
{
    struct lucet_instance *other;
    struct lucet_result r;

    if (lucet_instance_run(inst, "load", ARGS(I32(150000)), &r) != lucet_error_runtime_fault)
        _exit(code);
    if (lucet_instance_reset(inst) != lucet_error_unsupported)
        _exit(code + 1);
    if (lucet_region_new_instance(region, m, &other) != lucet_error_unsupported)
        _exit(code + 2);
}

/* Nor do its children get what it has lost, though they could have a descriptor. */
static void be_lost(struct lucet_region *region, struct lucet_dl_module *m,
                    struct lucet_instance *inst)
{
    int status;

    no_descriptor = false;
    registrations = UINT_MAX;
    const pid_t pid = fork();
    if (pid != 0 && waitpid(pid, &status, 0) != pid)
        _exit(1);
    if (pid != 0 && status != 0)
        _exit(WEXITSTATUS(status));
    check_lost(region, m, inst, pid ? 2 : 5);
    lucet_instance_release(inst);
    lucet_region_release(region);
    _exit(0);
}

/* Without a descriptor in the child there is no memory, rather than another one; nor where it is of no use. */
static void a_child_that_gets_no_descriptor_has_no_memory(void **state)
{
    int status;

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(2, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    guest_call(inst, "store", ARGS(I32(150000), I32(7)));
    struct lucet_instance *second = guest_instance(region, m, NULL, NULL);
    lucet_instance_release(second); /* its slot is registered */
    for (int way = 0; way < 3; way++) {
        no_descriptor = way == 0;
        registrations = way == 0 ? UINT_MAX : (unsigned)way - 1;
        const pid_t pid = fork();
        if (pid == 0)
            be_lost(region, m, inst);
        no_descriptor = false;
        registrations = UINT_MAX;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

static void what_is_missing_is_said(void **state)
{
    const struct lucet_region_options o = {.heap_resident_limit = BLOCK};
    struct lucet_region *region;
    uint64_t bytes;

    (void)state;
    guest_begin();
    lucet_region_release(uffd_region(1, 0)); /* skips where there is none */
    forbidden = true;
    assert_int_equal(lucet_uffd_region_create(1, NULL, &region), lucet_error_unsupported);
    forbidden = false;
    assert_null(region);
    assert_non_null(strstr(lucet_error_detail(), "lucet_mmap_region_create"));
    no_descriptor = true;
    assert_int_equal(lucet_uffd_region_create(1, NULL, &region), lucet_error_no_memory);
    no_descriptor = false;
    assert_int_equal(lucet_mmap_region_create_with(1, NULL, &o, &region),
                     lucet_error_invalid_argument);
    struct lucet_dl_module *m = guest();
    region = uffd_region(1, 0);
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_invalid_argument);
    lucet_region_release(region);
    assert_int_equal(lucet_instance_heap_resident(NULL, &bytes), lucet_error_invalid_argument);
    lucet_dl_module_release(m);
}

static void nothing_is_left_behind(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    lucet_region_release(uffd_region(1, 0));
    const unsigned before = descriptors();
    for (int round = 0; round < 20; round++) {
        struct lucet_region *region = uffd_region(3, 0);
        struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
        assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(1000))), 'a');
        lucet_region_release(region);
        lucet_instance_release(inst);
    }
    assert_true(descriptors() <= before + 1); /* the image, if it was the first */
    assert_int_equal(lucet_remove_signal_handlers(), lucet_error_ok);
    lucet_dl_module_release(m);
}

static struct lucet_region *shared_region;
static struct lucet_dl_module *shared_module;

static void *serve(void *arg)
{
    for (unsigned round = 0; round < 300; round++) {
        struct lucet_instance *inst = guest_instance(shared_region, shared_module, NULL, NULL);
        for (unsigned k = 0; k < 20; k++) {
            const uint32_t at = (round * 7919 + k * 26001) % (8 * BLOCK);
            if ((uint32_t)guest_call(inst, "load", ARGS(I32(at))) != expected(at))
                return NULL;
            guest_call(inst, "store", ARGS(I32(at), I32(255)));
        }
        lucet_instance_release(inst);
    }
    return arg;
}

static void many_threads_fault_at_once(void **state)
{
    pthread_t threads[4];
    void *result;

    (void)state;
    guest_begin();
    shared_module = guest();
    shared_region = uffd_region(5, 0);
    for (int k = 0; k < 4; k++)
        assert_int_equal(pthread_create(&threads[k], NULL, serve, &shared_region), 0);
    for (int k = 0; k < 4; k++) {
        assert_int_equal(pthread_join(threads[k], &result), 0);
        assert_ptr_equal(result, &shared_region);
    }
    lucet_region_release(shared_region);
    lucet_dl_module_release(shared_module);
}

static uint8_t seen;

static enum lucet_signal_behavior look(struct lucet_instance *inst, const enum lucet_trapcode *trap,
                                       int signum, const lucet_siginfo *info, const void *context)
{
    (void)trap;
    (void)signum;
    (void)info;
    (void)context;
    seen = lucet_instance_heap(inst)[100000]; /* a page that was never touched */
    return lucet_signal_behavior_default;
}

static void a_fault_handler_may_read_the_memory(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal(lucet_instance_set_signal_handler(inst, look), lucet_error_ok);
    assert_int_equal(guest_trap(inst, "load", ARGS(I32(8 * BLOCK))),
                     lucet_trapcode_heap_out_of_bounds);
    assert_int_equal(seen, expected(100000));
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

static struct lucet_dl_module *small_guest(const char *memory)
{
    struct text t = {0};

    text_add(&t,
             "(module %s"
             " (func (export \"store\") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))"
             " (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
             " (func (export \"fill\") (param i32 i32)"
             "   (memory.fill (local.get 0) (i32.const 9) (local.get 1)))"
             " (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))",
             memory);
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    return m;
}

/* A page that a tenant left as zeros, beyond the memory of the next one, is there when a third comes that has an
 * image at that place. */
static void no_page_of_a_larger_tenant_hides_an_image(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *large = small_guest("(memory 1 200)"),
                           *middle = small_guest("(memory 8 200)"),
                           *last = small_guest("(memory 16 200) (data (i32.const 983041) \"x\")");
    struct lucet_region *region = uffd_region(1, 0);
    struct lucet_instance *inst = guest_instance(region, large, NULL, NULL);
    guest_call(inst, "grow", ARGS(I32(20)));
    guest_call(inst, "store", ARGS(I32(15 * BLOCK + 1), I32(1)));
    lucet_instance_release(inst);
    inst = guest_instance(region, middle, NULL, NULL);
    guest_call(inst, "fill", ARGS(I32(0), I32(8 * BLOCK))); /* more than is put back page by page */
    lucet_instance_release(inst);
    inst = guest_instance(region, last, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(15 * BLOCK + 1))), 'x');
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(large);
    lucet_dl_module_release(middle);
    lucet_dl_module_release(last);
}

/* It finds no pages to lock, but the mapping remembers that it should. Not by the C library's function, which does
 * nothing under sanitizers. */
static void lock(uint8_t *p, size_t size)
{
    struct rlimit limit;

    if (geteuid() != 0 && getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < 2 << 20) {
        printf("skipped: RLIMIT_MEMLOCK is too low\n");
        skip();
    }
    assert_true(syscall(SYS_mlock, p, size) == 0 || errno == ENOMEM || errno == EAGAIN);
}

/* In a process that locks its memory, the kernel fills new mappings with zeros, if it can. */
static void locked_memory_gets_the_image_as_well(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    lock(lucet_instance_heap(inst), BLOCK);
    if (mlockall(MCL_FUTURE) != 0) {
        printf("skipped: mlockall: %s\n", strerror(errno));
        skip();
    }
    guest_call(inst, "fill", ARGS(I32(0), I32(8 * BLOCK)));
    const enum lucet_error e = lucet_instance_reset(inst);
    const uint8_t *heap = lucet_instance_heap(inst);
    size_t wrong = 0;
    for (size_t k = 0; k < 8 * BLOCK && e == lucet_error_ok; k++)
        wrong += heap[k] != expected(k);
    munlockall();
    assert_int_equal(e, lucet_error_ok);
    assert_int_equal(wrong, 0);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* The kernel fills no more than one mapping at a time, and hosts divide them: by locking a part, for example. */
static void a_block_may_lie_in_two_mappings(void **state)
{
    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 0);
    struct lucet_instance *inst = guest_instance(region, m, NULL, NULL);
    uint8_t *heap = lucet_instance_heap(inst);
    lock(heap + 8192, 4096);
    lock(heap + 6 * BLOCK + 4096, 4096);
    for (uint32_t at = 1000; at < 16384; at += 4096)
        assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(at))), expected(at));
    for (uint32_t at = 6 * BLOCK; at < 7 * BLOCK; at += 4096)
        assert_int_equal(heap[at], 0);
    lucet_instance_release(inst);
    inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(9000))), expected(9000));
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* A heap that could not be registered is tried again, and is not used as it is. */
static void failed_registrations_are_made_up_for(void **state)
{
    struct lucet_instance *inst;

    (void)state;
    guest_begin();
    struct lucet_dl_module *m = guest();
    struct lucet_region *region = uffd_region(1, 0);
    registrations = 0;
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_no_memory);
    registrations = UINT_MAX;
    inst = guest_instance(region, m, NULL, NULL);
    assert_int_equal((uint32_t)guest_call(inst, "load", ARGS(I32(9000))), expected(9000));
    uint8_t *heap = lucet_instance_heap(inst);
    lock(heap, 8 * BLOCK);
    guest_call(inst, "fill", ARGS(I32(0), I32(8 * BLOCK)));
    registrations = 0; /* what is locked is mapped anew */
    assert_int_equal(lucet_instance_reset(inst), lucet_error_no_memory);
    registrations = UINT_MAX;
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    for (size_t k = 0; k < 8 * BLOCK; k++)
        if (heap[k] != expected(k))
            fail_msg("byte %zu is %u", k, heap[k]);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

/* What is put there as an instance begins counts as well: segments that are no image. */
static void the_limit_holds_for_data_segments(void **state)
{
    struct lucet_instance *inst;
    struct text t = {0};

    (void)state;
    guest_begin();
    text_add(&t, "(module (memory 100 200)");
    for (unsigned k = 0; k < 100; k++)
        text_add(&t, " (data (i32.const %u) \"x\")", k * BLOCK);
    text_add(&t, ")");
    struct lucet_dl_module *m = guest_module(t.s, &guest_default);
    text_free(&t);
    struct lucet_region *region = uffd_region(1, 4 * BLOCK);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_limits_exceeded);
    assert_non_null(strstr(lucet_error_detail(), "heap_resident_limit"));
    lucet_region_release(region);
    region = uffd_region(1, 100 * BLOCK);
    assert_int_equal(lucet_region_new_instance(region, m, &inst), lucet_error_ok);
    assert_int_equal(resident(inst), 100 * BLOCK);
    lucet_instance_release(inst);
    lucet_region_release(region);
    lucet_dl_module_release(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_touched_is_there),
        cmocka_unit_test(out_of_bounds_stays_a_fault),
        cmocka_unit_test(the_limit_of_what_is_touched_ends_the_run),
        cmocka_unit_test(system_calls_find_ranges_that_were_checked),
        cmocka_unit_test(a_child_has_pages_of_its_own),
        cmocka_unit_test(a_child_that_gets_no_descriptor_has_no_memory),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(many_threads_fault_at_once),
        cmocka_unit_test(a_fault_handler_may_read_the_memory),
        cmocka_unit_test(no_page_of_a_larger_tenant_hides_an_image),
        cmocka_unit_test(locked_memory_gets_the_image_as_well),
        cmocka_unit_test(a_block_may_lie_in_two_mappings),
        cmocka_unit_test(failed_registrations_are_made_up_for),
        cmocka_unit_test(the_limit_holds_for_data_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
