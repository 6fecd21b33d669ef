/* When linking fails, the diagnostic says what happened to the linker and what it said. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lucet/lucetc.h"

static const uint8_t wasm[] = {0, 'a', 's', 'm', 1, 0, 0, 0};

static int spawn_error; /* what starting a program ends with; 0: it is started */

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    return spawn_error ? spawn_error : posix_spawn(pid, file, actions, attributes, argv, env);
}

static char dir[] = "/tmp/lucet-test-XXXXXX", linker[64], output[64];

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(linker, sizeof linker, "%s/linker", dir);
    snprintf(output, sizeof output, "%s/out.so", dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(linker);
    return rmdir(dir); /* nothing was left behind */
}

static void expect(const struct lucetc_diagnostic *d, const char *part)
{
    if (!strstr(d->message, part))
        fail_msg("\"%s\" is not in \"%s\"", part, d->message);
}

static enum lucet_error compile(const char *with, struct lucetc_diagnostic *d)
{
    struct lucetc_options options = lucetc_options_default();

    options.linker = with;
    options.allow_undefined = true;
    return lucetc_compile(wasm, sizeof wasm, &options, output, d);
}

/* A linker that is a shell script. */
static void script(const char *text)
{
    const int fd = open(linker, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

    assert_true(fd >= 0 && dprintf(fd, "#!/bin/sh\n%s\n", text) > 0);
    close(fd);
}

#define MANY "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; "

static void what_the_linker_does_is_told(void **state)
{
    static const struct {
        const char *script, *expected;
        enum lucet_error error;
        const char *kind;
    } cases[] = {
        {"echo 'LLVM ERROR: out of memory' >&2; kill -ABRT $$",
         "the linker ran out of memory (signal 6, Aborted", lucet_error_no_memory, "limit"},
        {"echo 'ld.lld: error: cannot open 0.o: Cannot allocate memory'; exit 1",
         ": ld.lld: error: cannot open 0.o: Cannot allocate memory", lucet_error_no_memory,
         "limit"},
        {"echo \"what():  std::bad_alloc\"; exit 134", "ran out of memory (exit code 134",
         lucet_error_no_memory, "limit"},
        {"echo libLLVM.so: failed to map segment from shared object; exit 127",
         "ran out of memory (exit code 127", lucet_error_no_memory, "limit"},
        {"kill -KILL $$", "was killed, as the kernel does when memory is short (signal 9, Killed",
         lucet_error_internal, "internal"},
        {"kill -SEGV $$", "the linker crashed (signal 11, Segmentation fault", lucet_error_internal,
         "internal"},
        {"kill -XCPU $$", "took more processor time than it may (signal 24", lucet_error_internal,
         "internal"},
        {"kill -XFSZ $$", "wrote more than a file may have (signal 25", lucet_error_internal,
         "internal"},
        {"kill -TERM $$", "was stopped (signal 15", lucet_error_internal, "internal"},
        {"exit 3", "the linker failed (exit code 3)", lucet_error_internal, "internal"},
        {MANY "exit 1", "failed (exit code 1): line 0 line 1 ", lucet_error_internal, "internal"},
        {MANY "exit 1", " ... ", lucet_error_internal, "internal"},
        {MANY "exit 1", " line 198 line 199", lucet_error_internal, "internal"},
        {"printf 'a\\033b\\001'; exit 1", ": a b", lucet_error_internal, "internal"},
        {"echo reason; echo PLEASE submit a bug report; " MANY "exit 1", "(exit code 1): reason",
         lucet_error_internal, "internal"},
    };
    struct lucetc_diagnostic d;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        script(cases[i].script);
        assert_int_equal(compile(linker, &d), cases[i].error);
        assert_string_equal(d.kind, cases[i].kind);
        expect(&d, cases[i].expected);
        for (const char *p = d.message; *p; p++)
            assert_true(*p >= 0x20 && *p != 0x7f);
    }
    expect(&d, "reason"); /* and nothing of what a crash writes behind it */
    assert_null(strstr(d.message, "PLEASE"));
    assert_null(strstr(d.message, "line"));
}

static void a_linker_that_does_not_start(void **state)
{
    struct lucetc_diagnostic d;

    (void)state;
    assert_int_equal(compile("/nowhere/ld.lld", &d), lucet_error_internal);
    expect(&d, "the linker (/nowhere/ld.lld) could not be started: No such file or directory; lld "
               "must be installed");
    script("exit 0");
    spawn_error = ENOMEM; /* of fork */
    assert_int_equal(compile(linker, &d), lucet_error_no_memory);
    assert_string_equal(d.kind, "limit");
    expect(&d, "could not be started: Cannot allocate memory");
    spawn_error = EAGAIN; /* processes */
    assert_int_equal(compile(linker, &d), lucet_error_no_memory);
    expect(&d, "could not be started: Resource temporarily unavailable");
    spawn_error = 0;
}

/* The real one, in a process that may have little memory. */
static void limits_are_told(void **state)
{
    struct lucetc_diagnostic d;
    char text[200];

    (void)state;
#ifdef LUCET_SANITIZE
    skip(); /* a sanitizer maps terabytes */
#endif
    const struct rlimit most = {UINT64_C(1) << 40, RLIM_INFINITY};
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
    assert_int_equal(setrlimit(RLIMIT_DATA, &most), 0);
    snprintf(text, sizeof text, "ulimit -c 0; ulimit -d 3000; exec %s \"$@\"", LUCET_LLD_PATH);
    script(text);
    assert_int_equal(compile(linker, &d), lucet_error_no_memory);
    setrlimit(RLIMIT_DATA, &old);
    expect(&d,
           "the linker ran out of memory (exit code 127; a process may have 1099511627776 bytes "
           "of data): ");
    expect(&d,
           "error while loading shared libraries"); /* which words follow depends on the release */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_linker_does_is_told),
        cmocka_unit_test(a_linker_that_does_not_start),
        cmocka_unit_test(limits_are_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
