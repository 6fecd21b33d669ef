/* Instances that are linked with each other, for tests of what goes from one to another: a region
 * and a linker, and modules that throw, pass on and catch. */
#ifndef LUCET_TEST_LINKED_H
#define LUCET_TEST_LINKED_H

#include "guest.h"

struct linked {
    struct lucet_region *region;
    struct lucet_linker *linker;
    const struct guest_mode *mode;
};

/* An instance, registered under `name` unless that is NULL. */
struct lucet_instance *linked_add(struct linked *s, const char *name, const char *wat);
/* A function of the module "host". */
void linked_host(struct linked *s, const char *name, const char *signature, void *f);

/* In every mode, with a region and a linker of its own; all slots are free again afterwards. */
struct linked linked_first(void);
struct linked linked_next(struct linked *s);
#define EACH_MODE(s) for (struct linked s = linked_first(); s.mode; s = linked_next(&s))

/* Throws $a, its own tag, or nothing. Has memory, so that a wrong gs would show. */
extern const char linked_thrower[];

/* No tags and nothing of exceptions: its frames are passed. Its callee-saved registers are in
 * use. */
#define LINKED_MIDDLE                                                                              \
    "(module"                                                                                      \
    " (import \"t\" \"throw\" (func $throw (param i64) (result i64)))"                             \
    " (import \"t\" \"many\" (func $many (param i64) (result i64 i64 i64 f64)))"                   \
    " (memory 1) (data (i32.const 0) \"M\")"                                                       \
    " (global $g (mut i64) (i64.const 0))"                                                         \
    " (func (export \"g\") (result i64) (global.get $g))"                                          \
    " (func $deep (export \"throw\") (param $x i64) (result i64) (local $a i64) (local $b i64)"    \
    "   (local.set $a (i64.mul (local.get $x) (i64.const 3)))"                                     \
    "   (local.set $b (i64.xor (local.get $x) (i64.const 99)))"                                    \
    "   (global.set $g (i64.add (global.get $g) (i64.const 1)))"                                   \
    "   (if (result i64) (i64.gt_s (local.get $x) (i64.const 10))"                                 \
    "     (then (call $deep (i64.sub (local.get $x) (i64.const 10))))"                             \
    "     (else (call $throw (local.get $x))))"                                                    \
    "   (global.set $g (i64.add (global.get $g) (i64.const 1000000)))"                             \
    "   (i64.add (i64.mul (local.get $a) (local.get $b)))"                                         \
    "   (i64.sub (i64.mul (local.get $a) (local.get $b))))"                                        \
    " (func (export \"many\") (param i64) (result i64 i64 i64 f64)"                                \
    "   (call $many (local.get 0))))"

/* Catches what `lib` throws, in registers that are in use before and after. */
#define LINKED_CATCHER(lib)                                                                        \
    "(module"                                                                                      \
    " (import \"" lib "\" \"throw\" (func $throw (param i64) (result i64)))"                       \
    " (import \"" lib "\" \"many\" (func $many (param i64) (result i64 i64 i64 f64)))"             \
    " (import \"t\" \"a\" (tag $a (param i64)))"                                                   \
    " (memory 1) (data (i32.const 0) \"C\")"                                                       \
    " (func $sum (param i64 i64 i64 i64 i64 i64 i64) (result i64)"                                 \
    "   (i64.add (local.get 0) (i64.add (local.get 1) (i64.add (local.get 2)"                      \
    "     (i64.add (local.get 3) (i64.add (local.get 4) (i64.add (local.get 5)"                    \
    "       (local.get 6))))))))"                                                                  \
    " (func (export \"f\") (param $x i64) (result i64)"                                            \
    "   (local $b i64) (local $c i64) (local $d i64) (local $e i64) (local $f i64) (local $r i64)" \
    "   (local.set $b (i64.mul (local.get $x) (i64.const 2)))"                                     \
    "   (local.set $c (i64.mul (local.get $x) (i64.const 3)))"                                     \
    "   (local.set $d (i64.mul (local.get $x) (i64.const 4)))"                                     \
    "   (local.set $e (i64.mul (local.get $x) (i64.const 5)))"                                     \
    "   (local.set $f (i64.mul (local.get $x) (i64.const 6)))"                                     \
    "   (block $all (block $h (result i64)"                                                        \
    "     (try_table (catch $a $h) (catch_all $all)"                                               \
    "       (local.set $r (i64.add (i64.const 1000) (call $throw (local.get $x)))))"               \
    "     (i64.const 0))"                                                                          \
    "     (local.set $r (i64.add (local.get $r)))"                                                 \
    "     (return (i64.add (i64.extend_i32_u (i32.load8_u (i32.const 0)))"                         \
    "       (call $sum (local.get $x) (local.get $b) (local.get $c) (local.get $d)"                \
    "         (local.get $e) (local.get $f) (local.get $r)))))"                                    \
    "   (i64.add (i64.extend_i32_u (i32.load8_u (i32.const 0))) (i64.const 500)))"                 \
    " (func (export \"many\") (param i64) (result i64)"                                            \
    "   (block $h (result i64) (try_table (catch $a $h)"                                           \
    "     (call $many (local.get 0)) (drop) (i64.add) (i64.add) (return)) unreachable)))"

/* A tag of the host's, and a host function that throws it with (n, 2.5), or returns what is above
 * 100. */
extern struct lucet_tag *linked_tag;
int64_t linked_throw(struct lucet_vmctx *ctx, int64_t n);
/* Makes the tag, and registers it as "tag" of "host". Released by the test. */
void linked_add_tag(struct linked *s);

/* Catches it from "f" of "host". */
#define LINKED_CATCH_HOST                                                                          \
    "(module (import \"host\" \"f\" (func $f (param i64) (result i64)))"                           \
    " (import \"host\" \"tag\" (tag $t (param i64 f64)))"                                          \
    " (func (export \"f\") (param i64) (result i64)"                                               \
    "   (block $h (result i64 f64)"                                                                \
    "     (try_table (catch $t $h) (return (call $f (local.get 0)))) unreachable)"                 \
    "   (i64.trunc_f64_s (f64.mul (f64.const 2))) (i64.add) (i64.add (i64.const 1000)))"           \
    " (func (export \"trap\") (param i64) (result i64)"                                            \
    "   (block $h (result i64 f64)"                                                                \
    "     (try_table (catch $t $h) (return (call $f (local.get 0)))) unreachable)"                 \
    "   unreachable))"

#endif
