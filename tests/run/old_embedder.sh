#!/bin/bash
# A program written for the original's lucet.h compiles with a change of the include only, and does what it
# did, in both kinds of regions.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
[ "${LUCET_SANITIZE:-0}" != 1 ] || skip "programs of others are not linked with the sanitizers"
[ -e "$LUCET_BUILD/lib/liblucet.so" ] || skip "the runtime is not built"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
requires wasm-tools

cat >old.wat <<'WAT'
(module
  (import "env" "sum" (func $sum (param i32 i32) (result i32)))
  (import "env" "look" (func $look (param i32) (result i32)))
  (import "env" "ask" (func $ask (param i64) (result i64)))
  (memory 1) (data (i32.const 300) "hello") (global $g (mut i32) (i32.const 0)) (table 2 funcref) (elem (i32.const 1) $seven)
  (func $start (global.set $g (i32.const 7))) (start $start)
  (func $seven (result i32) (global.get $g))
  (func (export "add") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
  (func (export "sum") (param i32 i32) (result i32) (call $sum (local.get 0) (local.get 1)))
  (func (export "look") (param i32) (result i32) (call $look (local.get 0)))
  (func (export "twice") (param f64) (result f64) (f64.add (local.get 0) (local.get 0)))
  (func (export "half") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
  (func (export "ask") (param i64) (result i64) (i64.add (call $ask (local.get 0)) (i64.const 1)))
  (func (export "crash") (drop (i32.load (i32.const -4)))))
WAT
echo '{"env": {"sum": "hostcall_sum", "ask": "hostcall_ask", "look": "hostcall_look"}}' >bindings.json
wasm-tools parse old.wat -o old.wasm
"$LUCET_BIN/lucetc" --bindings bindings.json old.wasm -o old.so

passed=0
"${CC:-cc}" -std=gnu99 -Wall -Wextra -Werror -rdynamic -I"$LUCET_SRC/include" \
    "$LUCET_SRC/tests/guests/old_embedder.c" -o old -L"$LUCET_BUILD/lib" -llucet \
    -Wl,-rpath,"$LUCET_BUILD/lib"
cat >expected <<'OUTPUT'
add: 579
add: 579
heap: 131072 bytes, 1 pages before
look: 0
sum: 6
half: 2.5
half: 2.5
twice: 4.5
asked: 7
ask: 43
table: 7
lucet_error_runtime_terminated: terminated
lucet_error_runtime_fault: faulted: heap_out_of_bounds in crash
calls: 2
OUTPUT
skipped=0
for kind in mmap uffd; do
    status=0
    ./old old.so $kind >output || status=$?
    if [ $kind = uffd ] && [ $status = 77 ]; then
        echo "skipped: no userfaultfd here"
        skipped=1
        continue
    fi
    diff -u expected output
    [ $status = 0 ]
    passed=$((passed + 1))
done

echo "$passed passed, 0 failed, $skipped skipped"
