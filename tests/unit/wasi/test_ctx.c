/* Arguments, environment, clocks, exit, and the table of functions. */
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static uint32_t word(uint32_t at)
{
    uint32_t value;
    memcpy(&value, guest->memory + at, sizeof(value));
    return value;
}

static void arguments(void **state)
{
    (void)state;
    assert_int_equal(lucet_wasi_args_sizes_get(guest, OUT, OUT2), WASI_OK);
    assert_int_equal(word(OUT), 0);
    assert_int_equal(word(OUT2), 0);
    assert_int_equal(lucet_wasi_args_get(guest, OUT, OUT2), WASI_OK);
    lucet_wasi_ctx_arg(guest->ctx, "prog");
    lucet_wasi_ctx_arg(guest->ctx, "");
    lucet_wasi_ctx_arg(guest->ctx, "two words");
    assert_int_equal(lucet_wasi_args_sizes_get(guest, OUT, OUT2), WASI_OK);
    assert_int_equal(word(OUT), 3);
    assert_int_equal(word(OUT2), 16);
    assert_int_equal(lucet_wasi_args_get(guest, OUT, DATA), WASI_OK);
    assert_int_equal(word(OUT), DATA);
    assert_int_equal(word(OUT + 4), DATA + 5);
    assert_int_equal(word(OUT + 8), DATA + 6);
    assert_memory_equal(guest->memory + DATA, "prog\0\0two words", 16);
}

static void environment(void **state)
{
    (void)state;
    assert_int_equal(lucet_wasi_ctx_env(guest->ctx, "NO_VALUE"), lucet_error_invalid_argument);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(lucet_wasi_ctx_env(guest->ctx, "K=V"), lucet_error_ok);
    }
    assert_int_equal(lucet_wasi_environ_sizes_get(guest, OUT, OUT2), WASI_OK);
    assert_int_equal(word(OUT), 100);
    assert_int_equal(word(OUT2), 400);
    assert_int_equal(lucet_wasi_environ_get(guest, IOVS, DATA), WASI_OK);
    assert_int_equal(word(IOVS + 99 * 4), DATA + 99 * 4);
    assert_memory_equal(guest->memory + DATA + 396, "K=V", 4);
}

static uint64_t clock_value(uint32_t id)
{
    assert_int_equal(lucet_wasi_clock_time_get(guest, id, 1, OUT), WASI_OK);
    return out64();
}

static void clocks(void **state)
{
    (void)state;
    assert_true(clock_value(WASI_CLOCK_REALTIME) > 1600000000000000000u);
    const uint64_t first = clock_value(WASI_CLOCK_MONOTONIC);
    usleep(1000);
    assert_true(clock_value(WASI_CLOCK_MONOTONIC) >= first + 1000000);
    for (uint32_t id = 0; id < 4; id++) {
        assert_int_equal(lucet_wasi_clock_res_get(guest, id, OUT), WASI_OK);
        assert_in_range(out64(), 1, 1000000000);
    }
    assert_int_equal(lucet_wasi_clock_res_get(guest, 4, OUT), WASI_EINVAL);
    assert_int_equal(lucet_wasi_clock_time_get(guest, 4, 0, OUT), WASI_EINVAL);
    assert_int_equal(lucet_wasi_clock_time_get(guest, UINT32_MAX, 0, OUT), WASI_EINVAL);
}

/* What the thread did before is not the guest's to know. */
static void processor_time_begins_with_the_guest(void **state)
{
    (void)state;
    assert_int_equal(clock_value(WASI_CLOCK_PROCESS_CPUTIME), 0);
    for (volatile int i = 0; i < 1000000; i++) {
    }
    const uint64_t used = clock_value(WASI_CLOCK_PROCESS_CPUTIME);
    assert_in_range(used, 1, 10000000000u);
    assert_true(clock_value(WASI_CLOCK_THREAD_CPUTIME) >= used);
}

static void exiting(void **state)
{
    uint32_t code = 99;
    (void)state;
    assert_false(lucet_wasi_ctx_exit_code(guest->ctx, &code));
    assert_int_equal(code, 99);
    if (setjmp(guest->on_terminate) == 0) {
        lucet_wasi_proc_exit(guest, 7);
        fail();
    }
    assert_true(lucet_wasi_ctx_exit_code(guest->ctx, &code));
    assert_int_equal(code, 7);
}

static void random_bytes(void **state)
{
    static const uint8_t zero[64];
    (void)state;
    assert_int_equal(lucet_wasi_random_get(guest, DATA, 100000), WASI_OK);
    assert_memory_not_equal(guest->memory + DATA, zero, 64);
    assert_memory_not_equal(guest->memory + DATA + 100000 - 64, zero, 64);
    assert_memory_equal(guest->memory + DATA + 100000, zero, 64);
}

static void what_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(lucet_wasi_sock_accept(guest, 0, 0, OUT), WASI_ENOSYS);
    assert_int_equal(lucet_wasi_sock_recv(guest, 0, 0, 0, 0, OUT, OUT), WASI_ENOSYS);
    assert_int_equal(lucet_wasi_sock_send(guest, 0, 0, 0, 0, OUT), WASI_ENOSYS);
    assert_int_equal(lucet_wasi_sock_shutdown(guest, 0, 0), WASI_ENOSYS);
    assert_int_equal(lucet_wasi_proc_raise(guest, 9), WASI_ENOSYS);
    assert_int_equal(lucet_wasi_sched_yield(guest), WASI_OK);
}

/* The signature letters say what the C function takes. */
static void signatures_match_prototypes(void **state)
{
    (void)state;
#define WASI(name, signature, names, ...)                                                          \
    do {                                                                                           \
        const char *text = #__VA_ARGS__;                                                           \
        size_t letter = 0;                                                                         \
        for (const char *p = text; (p = strstr(p, "uint")) != NULL; p++) {                         \
            assert_int_equal(signature[letter++], strncmp(p, "uint64", 6) == 0 ? 'I' : 'i');       \
        }                                                                                          \
        assert_int_equal(signature[letter], ':');                                                  \
    } while (0);
#include "wasi/table.def"
}

static void bindings_name_every_function(void **state)
{
    json_error_t error;
    (void)state;
    json_t *json = json_loads(lucet_wasi_bindings_json(), JSON_REJECT_DUPLICATES, &error);
    assert_non_null(json);
    const json_t *functions = json_object_get(json, "wasi_snapshot_preview1");
    assert_int_equal(json_object_size(functions), 46);
    assert_string_equal(json_string_value(json_object_get(functions, "fd_write")),
                        "lucet_wasi_fd_write");
    const json_t *unstable = json_object_get(json, "wasi_unstable");
    assert_int_equal(json_object_size(unstable), 46);
    assert_string_equal(json_string_value(json_object_get(unstable, "fd_write")),
                        "lucet_wasi_fd_write");
    assert_string_equal(json_string_value(json_object_get(unstable, "fd_seek")),
                        "lucet_wasi_unstable_fd_seek");
    json_decref(json);
}

static void bad_gifts(void **state)
{
    (void)state;
    struct lucet_wasi_ctx *c = guest->ctx;
    assert_int_equal(lucet_wasi_ctx_preopen(c, "/nowhere", "/", false), lucet_error_io);
    assert_int_equal(lucet_wasi_ctx_preopen(c, "/etc/passwd", "/", false), lucet_error_io);
    assert_int_equal(lucet_wasi_ctx_preopen(c, "/", "", false), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_preopen(c, NULL, "/", false), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_preopen(c, "/", NULL, false), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_preopen(NULL, "/", "/", false), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_arg(c, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_arg(NULL, "a"), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_env(c, NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_env(NULL, "a=b"), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_inherit_stdio(NULL), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_stdio(NULL, 0, 0, false), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_max_descriptors(NULL, 100), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_stdio(c, 3, 0, false), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_stdio(c, -1, 0, false), lucet_error_invalid_argument);
    assert_int_equal(lucet_wasi_ctx_stdio(c, 1, -1, false), lucet_error_io);
    assert_int_equal(lucet_wasi_ctx_stdio(c, 1, 9999, false), lucet_error_io);
    assert_int_equal(lucet_wasi_ctx_max_descriptors(c, 0), lucet_error_invalid_argument);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_bare, teardown)

static void says(enum lucet_error e, enum lucet_error expected, const char *detail)
{
    assert_int_equal(e, expected);
    assert_string_equal(lucet_error_detail(), detail);
}

/* And success takes it away. */
static void what_the_embedder_did_wrong_is_said(void **state)
{
    struct lucet_wasi_ctx *ctx = guest->ctx;
    const enum lucet_error invalid = lucet_error_invalid_argument;
    char text[200];

    (void)state;
    says(lucet_wasi_ctx_new(NULL), invalid, "lucet_wasi_ctx_new: NULL");
    says(lucet_wasi_ctx_arg(ctx, NULL), invalid, "lucet_wasi_ctx_arg: NULL");
    says(lucet_wasi_ctx_arg(ctx, "a"), lucet_error_ok, "");
    says(lucet_wasi_ctx_env(NULL, "A=1"), invalid, "lucet_wasi_ctx_env: NULL");
    says(lucet_wasi_ctx_env(ctx, "%s%n"), invalid, "\"%s%n\" is no NAME=VALUE");
    says(lucet_wasi_ctx_inherit_stdio(NULL), invalid, "lucet_wasi_ctx_inherit_stdio: NULL");
    says(lucet_wasi_ctx_stdio(ctx, 3, 0, false), invalid,
         "lucet_wasi_ctx_stdio: NULL, or none of 0, 1 and 2");
    says(lucet_wasi_ctx_stdio(ctx, 0, -1, false), lucet_error_io, "descriptor -1 is not open");
    const int directory = open(top, O_RDONLY | O_DIRECTORY);
    snprintf(text, sizeof(text), "descriptor %d is a directory", directory);
    says(lucet_wasi_ctx_stdio(ctx, 0, directory, false), lucet_error_io, text);
    close(directory);
    says(lucet_wasi_ctx_preopen(ctx, top, "", false), invalid,
         "lucet_wasi_ctx_preopen: NULL, or no name for the guest");
    says(lucet_wasi_ctx_preopen(ctx, "/no%s", "x", false), lucet_error_io,
         "cannot open the directory \"/no%s\": No such file or directory");
    assert_int_equal(errno, ENOENT); /* as promised */
    says(lucet_wasi_ctx_max_descriptors(NULL, 8), invalid, "lucet_wasi_ctx_max_descriptors: NULL");
    says(lucet_wasi_ctx_threads(ctx, NULL, NULL, NULL, 1), invalid,
         "lucet_wasi_ctx_threads: NULL, a limit of none, or for the second time");
    assert_int_equal(lucet_wasi_ctx_max_descriptors(ctx, 7), invalid);
    assert_non_null(strstr(lucet_error_detail(), "7 descriptors: at least 8, "));
    says(lucet_wasi_ctx_max_descriptors(ctx, 100), lucet_error_ok, "");
    says(lucet_set_error(lucet_error_io, "%d", 5), lucet_error_io, "5");
    says(lucet_wasi_ctx_stdio(ctx, 0, 0, false), lucet_error_ok, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_embedder_did_wrong_is_said, setup, teardown),
        TEST(arguments),
        TEST(environment),
        TEST(clocks),
        TEST(processor_time_begins_with_the_guest),
        TEST(exiting),
        TEST(random_bytes),
        TEST(what_is_not_there),
        TEST(signatures_match_prototypes),
        TEST(bindings_name_every_function),
        TEST(bad_gifts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
