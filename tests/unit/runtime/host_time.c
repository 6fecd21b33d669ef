#include "host_time.h"

#include <stdatomic.h>

#include "runtime/activation.h"

static const char wat[] = "(module (import \"h\" \"f\" (func $f))"
                          " (func (export \"loop\") (loop (br 0)))"
                          " (func (export \"host\") (call $f))"
                          " (func (export \"host loop\") (call $f) (loop (br 0)))"
                          " (func (export \"host for ever\") (loop (call $f) (br 0)))"
                          " (func (export \"short\") (result i32) (i32.const 9))"
                          " (func (export \"fault\") (unreachable))"
                          " (tag $t) (func (export \"throw\") (throw $t)))";

static void (*in_host)(struct lucet_vmctx *ctx);

static void host(struct lucet_vmctx *ctx)
{
    in_host(ctx);
}

struct set host_time_begin(void (*f)(struct lucet_vmctx *ctx))
{
    const struct set_host hosts[] = {{"f", ":", host}, {0}};

    guest_begin();
    in_host = f;
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_host), lucet_error_ok);
    return set_begin(wat, &guest_default, hosts);
}

void host_time_end(struct set *s)
{
    assert_int_equal(atomic_load(&lucet__thread.deadline), 0);
    set_end(s);
    assert_int_equal(lucet_set_timeout_source(lucet_timeout_source_timers), lucet_error_ok);
}

enum lucet_error host_time_run(struct lucet_instance *i, const char *name)
{
    struct lucet_result r;
    const enum lucet_error e = lucet_instance_run(i, name, 0, NULL, &r);

    if (e == lucet_error_runtime_terminated)
        assert_int_equal(r.val.terminated.reason, lucet_terminated_reason_timeout);
    return e;
}
