#!/bin/bash
# docs/abi.md, section 2: what throwing, catching and calls become, and that nothing of it is in modules without
# exceptions.
# shellcheck disable=SC2016 # patterns are full of dollars
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
objdump=$LUCET_BIN/lucet-objdump

cat >thrower.wat <<'END'
(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (import "m" "t" (table 3 funcref))
  (import "m" "tag" (tag $imported (param i32 funcref)))
  (tag $own (export "own") (param i64))
  (global $n (mut i32) (i32.const 0))
  (type $t (func (param i32) (result i32)))
  (func $throw (export "throw") (param i64) (throw $own (local.get 0)))
  (func (export "call") (param i32) (result i32)
    (global.set $n (call $f (local.get 0))) (global.get $n))
  (func (export "indirect") (param i32) (result i32)
    (global.set $n (call_indirect (type $t) (local.get 0) (i32.const 1))) (global.get $n))
  (func (export "catch") (param i64) (result i64)
    (block $h (result i64)
      (try_table (catch $own $h) (call $throw (local.get 0))) (i64.const 5)))
  (func (export "keep") (param i64) (result i32)
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (call $throw (local.get 0))) (ref.null exn))
    (ref.is_null)))
END
# The same without any of it.
cat >plain.wat <<'END'
(module
  (import "m" "f" (func $f (param i32) (result i32)))
  (import "m" "t" (table 3 funcref))
  (global $n (mut i32) (i32.const 0))
  (type $t (func (param i32) (result i32)))
  (func $g (export "throw") (param i64))
  (func (export "call") (param i32) (result i32)
    (global.set $n (call $f (local.get 0))) (global.get $n))
  (func (export "indirect") (param i32) (result i32)
    (global.set $n (call_indirect (type $t) (local.get 0) (i32.const 1))) (global.get $n)))
END
wasm-tools parse thrower.wat -o thrower.wasm
wasm-tools parse plain.wat -o plain.wasm

for level in 0 1 2; do
    for precise in "" --precise-traps; do
        v="$level $precise"
        options=(--allow-undefined --opt-level "$level" --target-cpu x86-64-v3)
        [ -z "$precise" ] || options+=("$precise")
        "$lucetc" "${options[@]}" --emit asm -o thrower.s thrower.wasm
        "$lucetc" "${options[@]}" --emit asm -o plain.s plain.wasm
        "$lucetc" "${options[@]}" -o thrower.so thrower.wasm
        "$lucetc" "${options[@]}" -o plain.so plain.wasm
        "$objdump" --headers thrower.so >thrower.txt
        place=$(sed -n 's/^ *exception  *\([0-9]*\)$/\1/p' thrower.txt)
        check "$v: throwing is three stores and a return" in_order thrower.s guest_func_1 \
            "^movq %rdi, $((place + 16))\\(%r13\\)" "^movq \\\$0, $((place + 8))\\(%r13\\)" \
            "^movq %r[a-z0-9]*, $place\\(%r13\\)" '^ret'
        for function in 2 3; do
            check "$v: a call is followed by a look, $function" in_order thrower.s "guest_func_$function" \
                '^callq ' "^cmpq \\\$0, $place\\(%r1?[0-9a-z]*\\)|^movq $place\\(%r1?[0-9a-z]*\\), %r" '^j'
        done
        check "$v: what is caught is off its way" in_order thrower.s guest_func_4 \
            '^callq ' "$((place + 16))\\(%r1?[0-9a-z]*\\)" "^movq \\\$0, $place\\(%r1?[0-9a-z]*\\)"
        check "$v: what is kept is made an object" in_body thrower.s guest_func_5 \
            '^callq builtin.exn_catch'
        check "$v: bodies call nothing else of the runtime" not_in_body thrower.s guest_func_4 \
            '^callq builtin'
        check "$v: an import of an instance that does not look goes through a catcher" in_order \
            thrower.s import.0 '24\(%r1?[0-9a-z]+\), %r' '288\(%r[a-z0-9]+\)' 'catcher.[0-9]'
        check "$v: and so does a gate" in_order thrower.s gate.0.0 \
            '24\(%r[a-z0-9]+\), %r' '288\(%r[a-z0-9]+\)' 'catcher.[0-9]'
        check "$v: thunks look, too" in_body thrower.s thunk.0 '^callq builtin.exn_leave'
        check "$v: the audit understands it" has '^result: clean' < <("$objdump" --audit thrower.so)

        check "$v: a plain module has no catchers" lacks 'catcher|exn_' <plain.s
        for function in 2 3; do
            check "$v: nor looks, $function" not_in_body plain.s "guest_func_$function" '^cmp|^test|^j[^m]'
        done
        check "$v: nor a place for an exception" has '^ *exception_size  *0$' \
            < <("$objdump" --headers plain.so)
    done
done

# Bodies may not reach what thunks are there for.
check "tags are shown" has '^ *0 .*tag \(i32, funcref\) .*yes' < <("$objdump" --entities thrower.so)
check "imported and exported ones, too" has 'own .*tag \(i64\)' < <("$objdump" --exports thrower.so)
finish
