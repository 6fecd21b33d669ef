/* poll_oneoff. */
#include "fake.h"
#include "run/patience.h"

#include <time.h>
#include <unistd.h>

enum { SUBS = DATA, EVENTS = DATA + 0x10000 };

static void subscribe_clock(uint32_t i, uint32_t id, uint64_t timeout, uint16_t flags)
{
    struct wasi_subscription s = {.userdata = 100 + i, .tag = WASI_EVENT_CLOCK};
    s.u.clock.id = id;
    s.u.clock.timeout = timeout;
    s.u.clock.flags = flags;
    memcpy(guest->memory + SUBS + i * sizeof(s), &s, sizeof(s));
}

static void subscribe_fd(uint32_t i, uint8_t tag, uint32_t fd)
{
    struct wasi_subscription s = {.userdata = 100 + i, .tag = tag};
    s.u.fd = fd;
    memcpy(guest->memory + SUBS + i * sizeof(s), &s, sizeof(s));
}

static struct wasi_event event(uint32_t i)
{
    struct wasi_event e;
    memcpy(&e, guest->memory + EVENTS + i * sizeof(e), sizeof(e));
    return e;
}

static uint32_t wait_for(uint32_t count)
{
    return lucet_wasi_poll_oneoff(guest, SUBS, EVENTS, count, OUT);
}

static uint64_t now(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void counts_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(wait_for(0), WASI_EINVAL);
    assert_int_equal(wait_for(UINT32_MAX), WASI_EFAULT);
    /* 48 * count and 32 * count wrap around 32 bits to something small */
    assert_int_equal(wait_for(0x08000001), WASI_EFAULT);
    assert_int_equal(wait_for(0x10000000), WASI_EFAULT);
    assert_int_equal(wait_for(MEMORY_SIZE / 32), WASI_EFAULT);
    assert_int_equal(lucet_wasi_poll_oneoff(guest, 0, 0, 4097, OUT), WASI_EINVAL);
    memset(guest->memory, 0, MEMORY_SIZE); /* 4096 clocks that are due */
    assert_int_equal(lucet_wasi_poll_oneoff(guest, 0, 0, 4096, OUT), WASI_OK);
    assert_int_equal(wait_for(1), WASI_OK);
}

static void a_relative_clock(void **state)
{
    (void)state;
    subscribe_clock(0, WASI_CLOCK_MONOTONIC, 30000000, 0);
    subscribe_clock(1, WASI_CLOCK_REALTIME, UINT64_MAX, 0);
    const uint64_t before = now(CLOCK_MONOTONIC);
    assert_int_equal(wait_for(2), WASI_OK);
    assert_in_range(now(CLOCK_MONOTONIC) - before, 30000000, PATIENCE * UINT64_C(1000000000));
    assert_int_equal(out32(), 1);
    assert_int_equal(event(0).userdata, 100);
    assert_int_equal(event(0).error, 0);
    assert_int_equal(event(0).type, WASI_EVENT_CLOCK);
}

static void an_absolute_clock(void **state)
{
    (void)state;
    const uint64_t before = now(CLOCK_REALTIME);
    subscribe_clock(0, WASI_CLOCK_REALTIME, before + 20000000, WASI_SUBCLOCK_ABSTIME);
    subscribe_clock(1, WASI_CLOCK_MONOTONIC, UINT64_MAX, WASI_SUBCLOCK_ABSTIME);
    assert_int_equal(wait_for(2), WASI_OK);
    assert_in_range(now(CLOCK_REALTIME) - before, 20000000, PATIENCE * UINT64_C(1000000000));
    assert_int_equal(out32(), 1);
    subscribe_clock(0, WASI_CLOCK_REALTIME, 1, WASI_SUBCLOCK_ABSTIME); /* long past */
    assert_int_equal(wait_for(2), WASI_OK);
}

static void bad_clocks(void **state)
{
    (void)state;
    subscribe_clock(0, WASI_CLOCK_PROCESS_CPUTIME, 1, 0);
    subscribe_clock(1, 77, 1, 0);
    subscribe_clock(2, WASI_CLOCK_MONOTONIC, 1, 2);
    assert_int_equal(wait_for(3), WASI_OK);
    assert_int_equal(out32(), 3);
    assert_int_equal(event(0).error, WASI_ENOTSUP);
    assert_int_equal(event(1).error, WASI_EINVAL);
    assert_int_equal(event(2).error, WASI_EINVAL);
    subscribe_fd(0, 3, 0);
    assert_int_equal(wait_for(1), WASI_EINVAL);
}

static void descriptors(void **state)
{
    int in[2], out[2];
    (void)state;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    lucet_wasi_ctx_stdio(guest->ctx, 0, in[0], true);
    lucet_wasi_ctx_stdio(guest->ctx, 1, out[1], true);
    uint32_t file;
    assert_int_equal(open_at(PREOPEN, "file", 0, WASI_RIGHTS_FILE, &file), WASI_OK);

    subscribe_fd(0, WASI_EVENT_FD_READ, 0);
    subscribe_clock(1, WASI_CLOCK_MONOTONIC, 1000000, 0);
    assert_int_equal(wait_for(2), WASI_OK);
    assert_int_equal(out32(), 1);
    assert_int_equal(event(0).userdata, 101);

    assert_int_equal(write(in[1], "abc", 3), 3);
    subscribe_clock(1, WASI_CLOCK_MONOTONIC, 60000000000u, 0);
    subscribe_fd(2, WASI_EVENT_FD_READ, 0); /* twice the same */
    assert_int_equal(wait_for(3), WASI_OK);
    assert_int_equal(out32(), 2);
    assert_int_equal(event(0).userdata, 100);
    assert_int_equal(event(0).nbytes, 3);
    assert_int_equal(event(1).userdata, 102);

    subscribe_fd(0, WASI_EVENT_FD_WRITE, 1);
    subscribe_fd(1, WASI_EVENT_FD_READ, file);
    subscribe_fd(2, WASI_EVENT_FD_WRITE, 0); /* not to be written */
    subscribe_fd(3, WASI_EVENT_FD_READ, 99);
    subscribe_fd(4, WASI_EVENT_FD_READ, PREOPEN);
    assert_int_equal(wait_for(5), WASI_OK);
    assert_int_equal(out32(), 5);
    assert_int_equal(event(0).error, 0);
    assert_int_equal(event(1).nbytes, 5);
    assert_int_equal(event(2).error, WASI_ENOTCAPABLE);
    assert_int_equal(event(3).error, WASI_EBADF);
    assert_int_equal(event(4).error, WASI_ENOTCAPABLE);

    close(in[1]);
    assert_int_equal(read_text(0, (char[8]){0}, 3), WASI_OK);
    subscribe_fd(0, WASI_EVENT_FD_READ, 0);
    assert_int_equal(wait_for(1), WASI_OK);
    assert_int_equal(event(0).flags, WASI_EVENT_HANGUP);
    close(out[0]);
}

/* Events may be written over the subscriptions. */
static void events_over_subscriptions(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        subscribe_clock(i, WASI_CLOCK_MONOTONIC, 0, 0);
    }
    assert_int_equal(lucet_wasi_poll_oneoff(guest, SUBS, SUBS + 8, 10, OUT), WASI_OK);
    assert_int_equal(out32(), 10);
    for (uint32_t i = 0; i < 10; i++) {
        struct wasi_event e;
        memcpy(&e, guest->memory + SUBS + 8 + i * sizeof(e), sizeof(e));
        assert_int_equal(e.userdata, 100 + i);
    }
}

static uint32_t wait_for_one(void)
{
    return wait_for(1);
}

static void sleeping_can_be_stopped(void **state)
{
    (void)state;
    subscribe_clock(0, WASI_CLOCK_MONOTONIC, UINT64_MAX, 0);
    assert_int_equal(stopped_while(wait_for_one), WASI_EINTR);
    guest->stop_after = 0;
    assert_int_equal(wait_for(1), WASI_EINTR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_are_bounded),
        TEST(a_relative_clock),
        TEST(an_absolute_clock),
        TEST(bad_clocks),
        TEST(descriptors),
        TEST(events_over_subscriptions),
        TEST(sleeping_can_be_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
