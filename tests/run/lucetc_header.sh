#!/bin/bash
# lucetc --emit header: the stubs compile without warnings in C and C++, whatever the exports are called,
# and calls through them do what calls by name do.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
tools=$(command -v wasm-tools) || skip "there is no wasm-tools"
[ -e "$LUCET_BUILD/lib/liblucet.a" ] || skip "liblucet is not built"
[ "${LUCET_SANITIZE:-0}" != 1 ] || skip "programs of others are not linked with the sanitizers"

cat >guest.wat <<'WAT'
(module
  (memory (export "memory") 1)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "mixed") (param i64 f32 f64) (result f64 i64)
    (f64.add (local.get 2) (f64.promote_f32 (local.get 1))) (local.get 0))
  (func (export "wide") (param v128 i32) (result v128) (i32x4.add (local.get 0) (i32x4.splat (local.get 1))))
  (func (export "many") (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    (i32.sub (local.get 0) (local.get 8)))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "trap") unreachable)
  (func (export "int")) (func (export "")) (func (export "1"))
  (func (export "funcs")) (func (export "funcs_init"))
  (func (export "a b") (result i32) (i32.const 1)) (func (export "a_b") (result i32) (i32.const 2))
  (func (export "a__b") (result i32) (i32.const 3)) (func (export "a-b") (result i32) (i32.const 4))
  (func (export "a_b__11"))
  (func (export "*/ \"; } #error ??/ \\ %n \n \1b[31m"))
  (func (export "nul\00nul")))
WAT
"$tools" parse guest.wat -o guest.wasm
"$LUCET_BIN/lucetc" guest.wasm -o guest.so
"$LUCET_BIN/lucetc" --emit header guest.wasm
"$LUCET_BIN/lucetc" --emit header --header-prefix 3d.viewer guest.wasm -o - >other.h
grep -q 'Left out: 1 ' guest.h || { echo "the name with a NUL is not said to be left out"; exit 1; }
if LC_ALL=C grep -q '[^ -~]' guest.h; then
    echo "guest.h has bytes that are not printable"
    exit 1
fi

cat >program.c <<'C'
#include "guest.h"
#include "other.h"
#include <stdio.h>
#include <string.h>
#define CHECK(x) do { if (!(x)) { printf("line %d: %s\n", __LINE__, #x); return 1; } } while (0)
int main(void)
{
    struct lucet_dl_module *m;
    struct lucet_region *region;
    struct lucet_instance *i;
    struct lucet_result r;
    struct guest_funcs f, none;
    struct _3d_viewer_funcs g;
    uint32_t sum = 0;
    uint64_t same = 0;
    double d = 0;
    void *ref = NULL;
    union lucet_raw v, w;
    int round;
    memset(&none, 0, sizeof none);
    CHECK(lucet_dl_module_load("guest.so", &m) == lucet_error_ok);
    CHECK(lucet_mmap_region_create(1, NULL, &region) == lucet_error_ok);
    CHECK(lucet_region_new_instance(region, m, &i) == lucet_error_ok);
    CHECK(guest_funcs_init(&f, m) == lucet_error_ok && _3d_viewer_funcs_init(&g, m) == lucet_error_ok);
    for (round = 0; round < 3; round++) {
        CHECK(guest_add(&f, i, 40, 2, &sum, NULL) == lucet_error_ok && sum == 42);
        CHECK(_3d_viewer_add(&g, i, 40, 3, &sum, &r) == lucet_error_ok && sum == 43);
        CHECK(r.tag == lucet_result_tag_returned);
        CHECK(guest_mixed(&f, i, 5, 1.5f, 2.25, &d, &same, NULL) == lucet_error_ok);
        CHECK(d == 3.75 && same == 5);
        memset(&v, 1, sizeof v);
        CHECK(guest_wide(&f, i, v, 1, &w, NULL) == lucet_error_ok && w.u32 == 0x01010102);
        CHECK(guest_many(&f, i, 9, 0, 0, 0, 0, 0, 0, 0, 2, &sum, NULL) == lucet_error_ok && sum == 7);
        CHECK(guest_same(&f, i, &f, &ref, NULL) == lucet_error_ok && ref == &f);
        CHECK(guest_add(&none, i, 1, 2, &sum, NULL) == lucet_error_invalid_argument);
        CHECK(guest_int(&f, i, NULL) == lucet_error_ok && guest_1(&f, i, NULL) == lucet_error_ok);
        CHECK(guest_a__b__13(&f, i, &sum, NULL) == lucet_error_ok && sum == 3);
        CHECK(guest_trap(&f, i, &r) == lucet_error_runtime_fault);
        CHECK(r.val.faulted.trapcode == lucet_trapcode_unreachable);
        sum = 5;
        CHECK(guest_add(&f, i, 40, 2, &sum, NULL) == lucet_error_instance_not_returned && sum == 5);
        CHECK(guest_add(&none, i, 1, 2, &sum, NULL) == lucet_error_invalid_argument);
        CHECK(lucet_instance_reset(i) == lucet_error_ok);
    }
    lucet_instance_release(i);
    lucet_dl_module_release(m);
    lucet_region_release(region);
    puts("good");
    return 0;
}
C
flags=(-Wall -Wextra -Werror -pedantic -Wno-unused-function -I "$LUCET_SRC/include")
gcc -std=c11 -O2 "${flags[@]}" program.c "$LUCET_BUILD/lib/liblucet.a" -lpthread -o program
[ "$(./program)" = good ] || { ./program; exit 1; }
if command -v g++ >/dev/null; then
    cp program.c program.cc
    g++ -std=c++17 -O2 "${flags[@]}" program.cc "$LUCET_BUILD/lib/liblucet.a" -lpthread -o program_cc
    [ "$(./program_cc)" = good ] || { ./program_cc; exit 1; }
fi
echo "typed stubs work"
