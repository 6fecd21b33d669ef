/* A kill switch is fired by a second thread in every state that a run has. Each time there is one
 * winner, both sides agree who, and nothing comes late. LUCET_KILLS = how often per state (default
 * 150). */
#include "guest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char wat[] =
    "(module (import \"h\" \"f\" (func $f (param i32) (result i32))) (memory 1)"
    " (func (export \"short\") (param i32) (result i32) (local $i i32)"
    "   (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))"
    "                                (local.get 0)))) (local.get $i))"
    " (func (export \"spin\") (param i32) (result i32) (drop (call $f (local.get 0)))"
    "   (loop (br 0)) (i32.const 0))"
    " (func (export \"host\") (param i32) (result i32) (call $f (local.get 0)))"
    " (func (export \"ending\") (param i32) (result i32) (call $f (local.get 0))"
    "   (drop) (i32.const 3))"
    " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0))))";

enum { TELL = 1, WAIT = 2, YIELD = 3 };

static struct {
    struct lucet_kill_switch *kill_switch;
    atomic_uint go, answered; /* rounds */
    atomic_uint delay;
    atomic_bool over;
    enum lucet_kill_result result;
} killer;

/* Awake for as long as a round takes, then asleep: other processes may want this core. */
static void relax(unsigned *spins)
{
    if (++*spins < 3000)
        __asm__ volatile("pause");
    else
        usleep(10);
}

static void pause_for(unsigned n)
{
    for (; n > 0; n--)
        __asm__ volatile("pause");
}

static void *be_killer(void *unused)
{
    unsigned round = 0;

    (void)unused;
    for (;;) {
        for (unsigned spins = 0; atomic_load(&killer.go) == round; relax(&spins))
            if (atomic_load(&killer.over))
                return NULL;
        round++;
        pause_for(atomic_load(&killer.delay));
        killer.result = lucet_kill_switch_terminate(killer.kill_switch);
        atomic_store(&killer.answered, round);
    }
}

static void fire(void)
{
    atomic_fetch_add(&killer.go, 1);
}

static unsigned patience; /* how long the victim waits once the killer is on its way */
static void dawdle(void)
{
    pause_for(patience);
}

/* How much later the killer is to be than the victim, in pauses, for either to be first as often as
 * not: that is where they meet. A third of the rounds are anywhere. */
#define FARTHEST 20000
static int aim;
static bool patiently; /* the victim waits until the killer has fired, where it may */
static void choose_delays(unsigned i)
{
    int late = i % 3 ? aim + (int)(i * 7919u % 100) - 50 : (int)(i * 104729u % 6000) - 1000;

    atomic_store(&killer.delay, late > 0 ? (unsigned)late : 0);
    patience = late < 0 ? (unsigned)-late : 0;
    patiently = i % 6 == 0;
}

static void correct_aim(unsigned i, bool killed)
{
    const int step = i < 200 ? 50 : 5;

    if (i % 3)
        aim += killed ? step : -step;
    aim = aim > FARTHEST ? FARTHEST : aim < -FARTHEST ? -FARTHEST : aim;
}

static void wait_for_answer(void)
{
    for (unsigned spins = 0; atomic_load(&killer.answered) != atomic_load(&killer.go);)
        relax(&spins);
}

static int32_t host(struct lucet_vmctx *ctx, int32_t what)
{
    if (what == YIELD)
        lucet_vmctx_yield(ctx, NULL);
    else
        fire();
    if (what == WAIT)
        wait_for_answer();
    else
        dawdle();
    return what;
}

/* In the signal handler. */
static enum lucet_signal_behavior on_fault(struct lucet_instance *inst,
                                           const enum lucet_trapcode *trap, int signum,
                                           const siginfo_t *info, const void *context)
{
    (void)inst, (void)trap, (void)signum, (void)info, (void)context;
    fire();
    if (patiently)
        wait_for_answer();
    return lucet_signal_behavior_default;
}

static struct lucet_instance *inst;
static struct lucet_result result;

static struct lucet_dl_module *module;
static bool by_handle; /* which begins and ends by other ways */

static enum lucet_error run(const char *name, int32_t n)
{
    struct lucet_val v = LUCET_VAL_I32(n);
    union lucet_raw raw = {.i32 = n};
    struct lucet_func f;

    if (!by_handle)
        return lucet_instance_run(inst, name, 1, &v, &result);
    assert_int_equal(lucet_dl_module_func(module, name, "i:i", &f), lucet_error_ok);
    const enum lucet_error e = lucet_func_call(&f, inst, &raw, &result);
    if (e == lucet_error_ok && result.tag == lucet_result_tag_returned)
        memcpy(result.val.returned.gp, &raw, sizeof(result.val.returned.gp));
    return e;
}

/* ---- The states ---- */

static enum lucet_error before_entry(void)
{
    fire();
    dawdle();
    return run("short", 50);
}

static enum lucet_error in_guest(void)
{
    return run("spin", TELL);
}

static enum lucet_error in_host_call(void)
{
    return run("host", WAIT);
}

static enum lucet_error in_fault_handler(void)
{
    lucet_instance_set_signal_handler(inst, on_fault);
    enum lucet_error e = run("load", -4);
    lucet_instance_set_signal_handler(inst, NULL);
    return e;
}

static enum lucet_error yielded(void)
{
    enum lucet_error e = run("host", YIELD);
    assert_int_equal(e, lucet_error_ok);
    assert_int_equal(result.tag, lucet_result_tag_yielded);
    fire();
    if (patiently)
        wait_for_answer();
    return lucet_instance_resume(inst, NULL, &result);
}

static enum lucet_error preempted(void)
{
    lucet_instance_set_slice(inst, 20000);
    enum lucet_error e = run("spin", TELL);
    while (e == lucet_error_ok && result.tag == lucet_result_tag_yielded)
        e = lucet_instance_resume(inst, NULL, &result);
    return e;
}

static enum lucet_error finishing(void)
{
    return run("ending", TELL);
}

static enum lucet_error finished(void)
{
    enum lucet_error e = run("short", 1);
    fire();
    wait_for_answer();
    return e;
}

/* ---- */

static bool is_killed(enum lucet_error e)
{
    return e == lucet_error_runtime_terminated &&
           result.val.terminated.reason == lucet_terminated_reason_remote;
}

static void check_round(const char *state, enum lucet_error e)
{
    const bool killed = is_killed(e);

    wait_for_answer();
    if (killer.result == lucet_kill_not_terminable && killed)
        fail_msg("%s: killed by nobody", state);
    if ((killer.result == lucet_kill_signalled || killer.result == lucet_kill_pending) && !killed)
        fail_msg("%s: told that it was killed, but %s", state, lucet_error_name(e));
    if (killer.result == lucet_kill_cancelled && !killed) {
        /* Not this one: the next. */
        if (e == lucet_error_ok && !is_killed(run("short", 1)))
            fail_msg("%s: cancelled, but the next run began", state);
    }
    assert_int_equal(lucet_kill_switch_terminate(killer.kill_switch) == lucet_kill_cancelled,
                     lucet_instance_status(inst) == lucet_instance_status_ready);
    lucet_instance_set_slice(inst, 0);
    assert_int_equal(lucet_instance_reset(inst), lucet_error_ok);
    /* A late signal would end this one. */
    assert_int_equal(run("short", 2000), lucet_error_ok);
    assert_int_equal(lucet_retval_gp(&result.val.returned), 2000);
}

static void one_winner_in_every_state(void **state)
{
    static const struct {
        const char *name;
        enum lucet_error (*act)(void);
        bool always; /* killed */
    } states[] = {{"before entry", before_entry, false},
                  {"in the guest", in_guest, true},
                  {"in a host call", in_host_call, true},
                  {"in the fault handler", in_fault_handler, false},
                  {"yielded", yielded, false},
                  {"preempted", preempted, true},
                  {"finishing", finishing, false},
                  {"finished", finished, false}};
    const char *wanted = getenv("LUCET_KILLS");
    const unsigned rounds = wanted ? (unsigned)strtoul(wanted, NULL, 10) : 150;
    struct lucet_linker *linker;
    pthread_t thread;

    (void)state;
    guest_begin();
    struct lucet_region *region = guest_region(1);
    module = guest_module(wat, &guest_default);
    assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
    lucet_linker_func(linker, "h", "f", "i:i", (void (*)(void))host);
    inst = guest_instance(region, module, linker, NULL);
    assert_int_equal(lucet_instance_kill_switch(inst, &killer.kill_switch), lucet_error_ok);
    assert_int_equal(pthread_create(&thread, NULL, be_killer, NULL), 0);
    for (size_t s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
        unsigned results[4] = {0}, killed = 0;
        aim = 0;
        for (unsigned i = 0; i < rounds; i++) {
            choose_delays(i);
            by_handle = i % 4 < 2;
            enum lucet_error e = states[s].act();
            killed += is_killed(e);
            if (!states[s].always)
                correct_aim(i, is_killed(e));
            if (states[s].always && !is_killed(e))
                fail_msg("%s: %s", states[s].name, lucet_error_name(e));
            check_round(states[s].name, e);
            results[killer.result]++;
        }
        printf("%-20s killed %u of %u; signalled %u, pending %u, cancelled %u, not terminable %u\n",
               states[s].name, killed, rounds, results[lucet_kill_signalled],
               results[lucet_kill_pending], results[lucet_kill_cancelled],
               results[lucet_kill_not_terminable]);
    }
    atomic_store(&killer.over, true);
    pthread_join(thread, NULL);
    lucet_kill_switch_release(killer.kill_switch);
    lucet_instance_release(inst);
    lucet_linker_release(linker);
    lucet_dl_module_release(module);
    lucet_region_release(region);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_winner_in_every_state)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
