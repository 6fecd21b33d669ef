/* The system calls that the runtime makes are those in the table of docs/embedding.md. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest.h"
#include "system_calls.h"

enum { PLAIN, QUIET, SEVERAL, LARGE, GUESTS };

static struct {
    struct {
        uint8_t *bytes;
        size_t size;
    } artifacts[GUESTS];
    char path[32]; /* of the plain one */
    bool few;      /* slots */
    struct lucet_region *region;
    struct lucet_dl_module *module;
    struct lucet_linker *linker;
    struct lucet_instance *inst;
} it;

static const char plain_wat[] =
    "(module (import \"h\" \"yield\" (func $yield)) (tag $e) (memory 1 1000)"
    " (table $t 4 1000 funcref) (global $g (mut i32) (i32.const 0)) (data (i32.const 5000) \"x\")"
    " (func (export \"store\") (i32.store (i32.const 8) (i32.const 1)))"
    " (func (export \"grow\") (drop (memory.grow (i32.const 20))))"
    " (func (export \"fill\") (memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000)))"
    " (func (export \"grow_table\") (drop (table.grow $t (ref.null func) (i32.const 100))))"
    " (func (export \"trap\") (unreachable))"
    " (func (export \"outside\") (drop (i32.load (i32.const 0x7ffffff0))))"
    " (func $deep (export \"overflow\") (call $deep) (global.set $g (i32.const 1)))"
    " (func (export \"throw\") (throw $e)) (func (export \"yield\") (call $yield))"
    " (func $work (local $k i32) (local $x i32) (loop (local.set $x (i32.add (local.get $k)"
    "     (i32.mul (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 7))) (i32.const "
    "77))))"
    "   (br_if 0 (i32.ne (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const "
    "5000000))))"
    "   (i32.store (i32.const 8) (i32.or (i32.const 1) (local.get $x))))"
    " (func (export \"spin\") (call $work))"
    " (func (export \"forever\") (loop (call $work) (br 0))))";
static const char quiet_wat[] = "(module (memory 1) (func (export \"store\")))";
static const char several_wat[] =
    "(module (memory 1) (memory 1) (memory $s 1 1 shared) (func (export \"store\"))"
    " (func (export \"wait\") (drop (memory.atomic.wait32 $s (i32.const 0) (i32.const 0)"
    "   (i64.const 1000000)))))";
static const char large_wat[] =
    "(module (memory 2) (data (i32.const 0) \"%0*d\") (func (export \"store\")))";

/* ---- What comes about, in the child ---- */

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            _exit(100);                                                                            \
    } while (0)
#define GOOD(x) MUST((x) == lucet_error_ok)

static void yield(const struct lucet_vmctx *vmctx)
{
    lucet_vmctx_yield(vmctx, NULL);
}

static enum lucet_result_tag call(const char *name)
{
    struct lucet_result r;

    lucet_instance_run(it.inst, name, 0, NULL, &r);
    return r.tag;
}

static void returns(const char *name)
{
    MUST(call(name) == lucet_result_tag_returned);
}

static void remove_handlers(int g)
{
    (void)g;
    GOOD(lucet_remove_signal_handlers());
}

static void nothing(int g)
{
    (void)g;
}

static void begin(int g)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    (void)g;
    limits.heap_memory_size = 64 << 20;
    GOOD(lucet_mmap_region_create(it.few ? 1 : 8, &limits, &it.region));
}

static void begin_on_demand(int g)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();

    (void)g;
    limits.heap_memory_size = 64 << 20;
    GOOD(lucet_uffd_region_create(8, &limits, &it.region));
}

static void load_file(int g)
{
    (void)g;
    GOOD(lucet_dl_module_load(it.path, &it.module));
}

static void load(int g)
{
    GOOD(lucet_dl_module_load_bytes(it.artifacts[g].bytes, it.artifacts[g].size, &it.module));
}

static void attach(int g)
{
    (void)g;
    GOOD(lucet_thread_attach(0));
}

static void prepare_here(int g)
{
    load(g);
    attach(g);
    GOOD(lucet_linker_new(&it.linker));
    GOOD(lucet_linker_func(it.linker, "h", "yield", ":", (void (*)(void))yield));
}

static void prepare(int g)
{
    begin(g);
    prepare_here(g);
}

static void make(int g)
{
    const struct lucet_instance_options o = {.linker = it.linker};

    (void)g;
    GOOD(lucet_region_new_instance_with(it.region, it.module, &o, &it.inst));
    returns("store");
}

static void end_instance(int g)
{
    (void)g;
    lucet_instance_release(it.inst);
}

/* A slot has held the module. */
static void warm(int g)
{
    prepare(g);
    make(g);
    end_instance(g);
}

static void live(int g)
{
    for (int k = 0; k < 3; k++) {
        make(g);
        end_instance(g);
    }
}

static void instance(int g)
{
    warm(g);
    make(g);
}

static void run(int g)
{
    struct lucet_result r;

    (void)g;
    returns("store");
    returns("grow_table");
    MUST(call("throw") == lucet_result_tag_threw);
    MUST(call("yield") == lucet_result_tag_yielded);
    GOOD(lucet_instance_resume(it.inst, NULL, &r));
}

static void grow(int g)
{
    (void)g;
    returns("grow");
    returns("fill");
}

static void grown(int g)
{
    instance(g);
    grow(g);
}

static void fault(int g)
{
    static const char *const names[] = {"trap", "outside", "overflow"};

    (void)g;
    for (int k = 0; k < 3; k++) {
        MUST(call(names[k]) == lucet_result_tag_faulted);
        GOOD(lucet_instance_reset(it.inst));
    }
}

static void set_limit(int g)
{
    instance(g);
    GOOD(lucet_instance_set_timeout(it.inst, 2));
}

static void set_long_limit(int g)
{
    instance(g);
    GOOD(lucet_instance_set_timeout(it.inst, 60000));
}

static void set_long_limit_of_the_hosts(int g)
{
    set_long_limit(g);
    GOOD(lucet_set_timeout_source(lucet_timeout_source_host));
}

static void exceed_limit(int g)
{
    (void)g;
    MUST(call("forever") == lucet_result_tag_terminated);
}

static void keep_limit(int g)
{
    (void)g;
    returns("store");
}

static void in_slices(int g)
{
    struct lucet_result r;
    unsigned slices = 0;

    (void)g;
    lucet_instance_run(it.inst, "spin", 0, NULL, &r);
    for (; r.tag == lucet_result_tag_yielded; slices++)
        lucet_instance_resume(it.inst, NULL, &r);
    MUST(r.tag == lucet_result_tag_returned && slices > 3);
}

static void set_slices(int g)
{
    instance(g);
    GOOD(lucet_instance_set_slice(it.inst, 100000));
}

static void had_slices(int g)
{
    set_slices(g);
    in_slices(g);
}

static void wait_in_guest(int g)
{
    (void)g;
    returns("wait");
}

static void on_demand(int g)
{
    begin_on_demand(g);
    prepare_here(g);
    make(g);
    returns("grow");
}

static void touch(int g)
{
    (void)g;
    returns("fill");
}

static void end(int g)
{
    end_instance(g);
    lucet_linker_release(it.linker);
    lucet_dl_module_release(it.module);
    lucet_region_release(it.region);
}

static void install(int g)
{
    (void)g;
    GOOD(lucet_remove_signal_handlers());
    GOOD(lucet_install_signal_handlers());
}

static void fork_it(int g)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0) {
        live(g);
        _exit(0);
    }
    MUST(waitpid(child, &status, 0) == child);
    _exit(WEXITSTATUS(status));
}

static void touch_and_fork(int g)
{
    on_demand(g);
    touch(g);
}

/* The host's fault, and what its handler says of it. */

static uint8_t good;

static void go_elsewhere(int sig, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    (void)sig, (void)info;
    u->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)&good;
}

static void have_handler(int g)
{
    const struct sigaction sa = {.sa_sigaction = go_elsewhere, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    GOOD(lucet_remove_signal_handlers());
    MUST(sigaction(SIGSEGV, &sa, NULL) == 0);
    instance(g);
}

static void fault_in_host(int g)
{
    uint8_t *at = NULL;

    (void)g;
    __asm__ volatile("movb $1, (%0)" : "+D"(at)::"memory");
    MUST(good == 1);
}

static enum lucet_signal_behavior judge(struct lucet_instance *inst,
                                        const enum lucet_trapcode *trap, int sig,
                                        const siginfo_t *info, const void *context)
{
    (void)inst, (void)trap, (void)sig, (void)info, (void)context;
    return lucet_signal_behavior_terminate;
}

static void have_judge(int g)
{
    instance(g);
    GOOD(lucet_instance_set_signal_handler(it.inst, judge));
}

static void fault_judged(int g)
{
    (void)g;
    MUST(call("trap") == lucet_result_tag_terminated);
}

static void detach(int g)
{
    (void)g;
    GOOD(lucet_thread_detach());
}

/* Another thread, which nobody waits for with a system call. */

static struct lucet_kill_switch *kill_switch;
static atomic_bool is_over;

static void *run_forever(void *p)
{
    GOOD(lucet_thread_attach(0));
    MUST(call("forever") == lucet_result_tag_terminated);
    atomic_store(&is_over, true);
    for (;;) /* its end is another situation */
        ;
    return p;
}

static void start_thread(int g)
{
    pthread_t thread;

    instance(g);
    GOOD(lucet_instance_kill_switch(it.inst, &kill_switch));
    volatile uint8_t *worked = lucet_instance_heap(it.inst) + 8;
    *worked = 0;
    MUST(pthread_create(&thread, NULL, run_forever, NULL) == 0);
    while (*worked == 0)
        ;
}

static void kill_it(int g)
{
    (void)g;
    MUST(lucet_kill_switch_terminate(kill_switch) == lucet_kill_signalled);
    while (!atomic_load(&is_over))
        ;
}

static atomic_bool is_attached, may_go_on;

static void *attach_and_live(void *p)
{
    GOOD(lucet_thread_attach(0));
    atomic_store(&is_attached, true);
    while (!atomic_load(&may_go_on))
        ;
    live(PLAIN);
    atomic_store(&is_over, true);
    for (;;)
        ;
    return p;
}

static void attach_thread(int g)
{
    pthread_t thread;

    it.few = true; /* it takes the one that is warm */
    warm(g);
    MUST(pthread_create(&thread, NULL, attach_and_live, NULL) == 0);
    while (!atomic_load(&is_attached))
        ;
}

static void live_there(int g)
{
    (void)g;
    atomic_store(&may_go_on, true);
    while (!atomic_load(&is_over))
        ;
}

static const struct situation situations[] = {
    {"first region", PLAIN, remove_handlers, begin},
    {"another region", PLAIN, begin, begin},
    {"module, from a file", PLAIN, nothing, load_file},
    {"module, from bytes", PLAIN, nothing, load},
    {"thread: attaching, or its first run", PLAIN, begin, attach},
    {"instance in a slot that is new", PLAIN, prepare, make},
    {"first instance of a module with 64 KiB of data or more", LARGE, prepare, make},
    {"instance, runs, release", PLAIN, warm, live},
    {"instance, runs, release", PLAIN, attach_thread, live_there},
    {"the same, nothing stored", QUIET, warm, live},
    {"the same, several memories", SEVERAL, warm, live},
    {"run, host call, yield, resume, throw", PLAIN, instance, run},
    {"`memory.grow`", PLAIN, instance, grow},
    {"fault, reset", PLAIN, instance, fault},
    {"release of what has written much", PLAIN, grown, end_instance},
    {"run with a time limit", PLAIN, set_long_limit, keep_limit},
    {"time limit that is exceeded", PLAIN, set_limit, exceed_limit},
    {"run with a time limit, kept by the host", PLAIN, set_long_limit_of_the_hosts, keep_limit},
    {"first time slice of a thread", PLAIN, set_slices, in_slices},
    {"time slices", PLAIN, had_slices, in_slices},
    {"`memory.atomic.wait`, `notify`", SEVERAL, instance, wait_in_guest},
    {"kill switch, both threads", PLAIN, start_thread, kill_it},
    {"fault, `lucet_instance_set_signal_handler`", PLAIN, have_judge, fault_judged},
    {"fault of the host, passed on to an earlier handler", PLAIN, have_handler, fault_in_host},
    {"signal handlers, removed and installed", PLAIN, begin, install},
    {"`fork`, and an instance in the child", PLAIN, warm, fork_it},
    {"thread: detaching, or its end", PLAIN, instance, detach},
    {"release of everything", PLAIN, instance, end},
};
static const struct situation on_demand_situations[] = {
    {"first region with pages on demand", PLAIN, remove_handlers, begin_on_demand},
    {"first touch of pages on demand", PLAIN, on_demand, touch},
    {"`fork`, pages on demand", PLAIN, touch_and_fork, fork_it},
    {"release of everything, pages on demand", PLAIN, on_demand, end},
};

static void write_file(void)
{
    strcpy(it.path, "/tmp/lucet-test-XXXXXX");
    const int fd = mkstemp(it.path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, it.artifacts[PLAIN].bytes, it.artifacts[PLAIN].size),
                     it.artifacts[PLAIN].size);
    close(fd);
}

static void compile_all(void)
{
    struct text large = {0};

    text_add(&large, large_wat, 70000, 0);
    const char *const texts[] = {plain_wat, quiet_wat, several_wat, large.s};
    for (int k = 0; k < GUESTS; k++)
        it.artifacts[k].bytes = guest_artifact(texts[k], &guest_default, &it.artifacts[k].size);
    text_free(&large);
    write_file();
}

static void free_all(void)
{
    unlink(it.path);
    for (int k = 0; k < GUESTS; k++)
        free(it.artifacts[k].bytes);
}

static void begin_test(void)
{
#if defined(LUCET_SANITIZE) || defined(LUCET_TSAN)
    print_message("skipped: the sanitizer makes system calls of its own\n");
    skip();
#endif
    guest_begin();
}

static void no_other_system_call_is_made(void **state)
{
    (void)state;
    begin_test();
    compile_all();
    system_calls_expect(situations, sizeof situations / sizeof *situations);
    free_all();
}

static bool demand_is_possible(void)
{
    int status = -1;
    const pid_t child = fork();

    if (child == 0) {
        begin_on_demand(PLAIN);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

static void nor_with_pages_on_demand(void **state)
{
    (void)state;
    begin_test();
    if (!demand_is_possible()) {
        print_message("no userfaultfd here\n");
        skip();
    }
    compile_all();
    system_calls_expect(on_demand_situations,
                        sizeof on_demand_situations / sizeof *on_demand_situations);
    free_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_other_system_call_is_made),
        cmocka_unit_test(nor_with_pages_on_demand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
