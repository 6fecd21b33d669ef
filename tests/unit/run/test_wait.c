/* A stop request that comes when a guest has looked for one and is about to fall asleep, which no
 * other signal would end: the system call for it is made here, after the request. */
#include "guest.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct lucet_kill_switch *kill_switch;
static unsigned sleeps, refused;

/* The runtime calls these where ThreadSanitizer must not be called (tsan.h). */
#define UNWATCHED __attribute__((no_sanitize("thread")))

UNWATCHED static long real_syscall(long number, const long a[6])
{
    register long r10 __asm__("r10") = a[3];
    register long r8 __asm__("r8") = a[4];
    register long r9 __asm__("r9") = a[5];
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    if (result < 0 && result > -4096) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/* In front of the C library's. */
UNWATCHED long syscall(long number, ...)
{
    long a[6];
    va_list args;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (number != SYS_futex || (a[1] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET || !kill_switch)
        return real_syscall(number, a);
    sleeps++;
    if (sleeps == 1)
        assert_int_equal(lucet_kill_switch_terminate(kill_switch), lucet_kill_pending);
    const long result = real_syscall(number, a);
    refused += result != 0 && errno == EAGAIN;
    return result;
}

static void a_request_just_before_sleep_is_not_lost(void **state)
{
    static const char wat[] =
        "(module (memory 1 1 shared) (func (export \"wait\") (result i32)"
        " (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))";
    struct lucet_result r;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    struct lucet_dl_module *module = guest_module(wat, &guest_default);
    struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
    struct lucet_kill_switch *k;
    assert_int_equal(lucet_instance_kill_switch(inst, &k), lucet_error_ok);
    kill_switch = k;
    assert_int_equal(lucet_instance_run(inst, "wait", 0, NULL, &r), lucet_error_runtime_terminated);
    kill_switch = NULL;
    assert_int_equal(sleeps, 1);
    assert_int_equal(refused, 1); /* it did not sleep, until the signal came again */
    lucet_kill_switch_release(k);
    lucet_instance_release(inst);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_request_just_before_sleep_is_not_lost)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
