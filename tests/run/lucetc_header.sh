#!/bin/bash
# lucetc --emit header: the stubs compile without warnings in C and C++, whatever exports and imports are called;
# calls through them do what calls by name do; host functions registered through them have the imports' types.
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

# --- What the module imports ---

cat >importer.wat <<'WAT'
(module
  (import "env" "add" (func $add (param i32 i64) (result i64)))
  (import "env" "add" (func $again (param i32 i64) (result i64)))
  (import "other" "sum" (func $sum (param i32 i64) (result i64)))
  (import "env" "mixed" (func $mixed (param f32 f64 externref) (result f64 i32 f32)))
  (import "env" "wide" (func $wide (param v128) (result v128)))
  (import "env" "int" (func $int))
  (import "" "" (func)) (import "a b" "c" (func $abc)) (import "a" "b_c" (func))
  (import "*/ \"" "\1b[31m%n" (func))
  (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
  (func (export "imports") (result i64)
    (i64.add (call $add (i32.const 1) (i64.const 2))
      (i64.mul (i64.const 100) (call $sum (i32.const 3) (i64.const 4)))))
  (func (export "imports_link") (result f64 i32 f32)
    (call $mixed (f32.const 1.5) (f64.const 2.5) (ref.null extern)))
  (func (export "wide") (param v128) (result v128) (call $wide (local.get 0)))
  (func (export "int") (call $int) (call $abc)))
WAT
"$tools" parse importer.wat -o importer.wasm
echo '{"env": {"add": "env_sum"}, "other": {"sum": "env_sum"}}' >importer.json
options=(--wasi --bindings importer.json --allow-undefined)
"$LUCET_BIN/lucetc" "${options[@]}" importer.wasm -o importer.so
"$LUCET_BIN/lucetc" "${options[@]}" --emit header --header-prefix im importer.wasm -o importer.h
if "$LUCET_BIN/lucetc" --wasi --emit header importer.wasm -o refused.h 2>said || [ -e refused.h ]; then
    echo "a module that may not import has a header"
    exit 1
fi
grep -q 'no binding for imported function' said
cat >left.wat <<'WAT'
(module (import "env" "nul\00nul" (func)) (import "env" "thrown" (func (param exnref))))
WAT
"$tools" parse left.wat -o left.wasm
"$LUCET_BIN/lucetc" --allow-undefined --emit header left.wasm
grep -q 'Left out: 2 imported' left.h || { echo "what is left out is not said"; exit 1; }
! grep -q 'lucet_wasi' importer.h || { echo "WASI's functions are in the header"; exit 1; }
if LC_ALL=C grep -q '[^ -~]' importer.h; then
    echo "importer.h has bytes that are not printable"
    exit 1
fi
cat >imports.c <<'C'
#include "importer.h"
#include <lucet/wasi.h>
#include <stdio.h>
#define CHECK(x) do { if (!(x)) { printf("line %d: %s\n", __LINE__, #x); return 1; } } while (0)
static int called;
static uint64_t sum(struct lucet_vmctx *vmctx, uint32_t a, uint64_t b) { (void)vmctx; return a + b; }
static double mixed(struct lucet_vmctx *vmctx, float a, double b, uint64_t ref, uint32_t *r1, float *r2)
{
    (void)vmctx;
    *r1 = ref == 0;
    *r2 = a;
    return b;
}
static __m128i wide(struct lucet_vmctx *vmctx, __m128i v) { (void)vmctx; return _mm_add_epi32(v, v); }
static void one(struct lucet_vmctx *vmctx) { (void)vmctx; called += 1; }
static void ten(struct lucet_vmctx *vmctx) { (void)vmctx; called += 10; }
int main(void)
{
    struct lucet_dl_module *m;
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_instance *i;
    struct lucet_instance_options options = {0};
    struct im_funcs f;
    struct im_imports imports = {0};
    uint64_t total = 0;
    double d = 0;
    uint32_t u = 0;
    float s = 0;
    union lucet_raw v = {0};
    CHECK(lucet_dl_module_load("importer.so", &m) == lucet_error_ok);
    CHECK(lucet_mmap_region_create(1, NULL, &region) == lucet_error_ok);
    CHECK(lucet_linker_new(&linker) == lucet_error_ok && lucet_wasi_link(linker) == lucet_error_ok);
    CHECK(im_funcs_init(&f, m) == lucet_error_ok);
    imports.f_env_sum = sum;
    imports.f_env_mixed = mixed;
    imports.f_env_wide = wide;
    imports.f_env_int = one;
    CHECK(im_imports_link(&imports, linker) == lucet_error_ok);
    options.linker = linker;
    CHECK(lucet_region_new_instance_with(region, m, &options, &i) == lucet_error_module);
    imports.f__ = imports.f________31m_n__2 = imports.f_a_b_c__3 = one;
    imports.f_a_b_c__4 = ten;
    CHECK(im_imports_link(&imports, linker) == lucet_error_ok);
    CHECK(lucet_region_new_instance_with(region, m, &options, &i) == lucet_error_ok);
    CHECK(im_imports__0(&f, i, &total, NULL) == lucet_error_ok && total == 703);
    CHECK(im_imports_link__1(&f, i, &d, &u, &s, NULL) == lucet_error_ok);
    CHECK(d == 2.5 && u == 1 && s == 1.5f);
    v.u32 = 21;
    CHECK(im_wide(&f, i, v, &v, NULL) == lucet_error_ok && v.u32 == 42);
    CHECK(im_int(&f, i, NULL) == lucet_error_ok && called == 11);
    lucet_instance_release(i);
    lucet_linker_release(linker);
    lucet_dl_module_release(m);
    lucet_region_release(region);
    puts("good");
    return 0;
}
C
libraries=("$LUCET_BUILD/lib/liblucet-wasi.a" "$LUCET_BUILD/lib/liblucet.a" -lpthread)
gcc -std=c11 -O2 "${flags[@]}" imports.c "${libraries[@]}" -o imports
[ "$(./imports)" = good ] || { ./imports; exit 1; }
# A host function of another type is an error of the compiler's.
sed 's/uint32_t a, uint64_t b) { (void)vmctx; return a + b; }/uint32_t a, uint32_t b) { (void)vmctx; return a + b; }/' imports.c >wrong.c
if cmp -s imports.c wrong.c || gcc -std=c11 "${flags[@]}" -fsyntax-only wrong.c 2>said; then
    echo "a host function of another type compiles"
    exit 1
fi
if command -v g++ >/dev/null; then
    sed 's/= {0};/{};/' imports.c >imports.cc
    g++ -std=c++17 -O2 "${flags[@]}" imports.cc "${libraries[@]}" -o imports_cc
    [ "$(./imports_cc)" = good ] || { ./imports_cc; exit 1; }
fi
echo "typed stubs work"
