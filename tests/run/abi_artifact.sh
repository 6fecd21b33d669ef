#!/bin/bash
# docs/abi.md, section 7: what an artifact is as an ELF file, and that the same input gives the same bytes.
# shellcheck disable=SC2016 # WebAssembly text is full of dollars
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
command -v readelf >/dev/null || skip "there is no readelf"
wasm-tools parse "$LUCET_SRC/tests/guests/abi.wat" -o abi.wasm

# Long enough for several partitions, with everything that is numbered or sorted somewhere.
{
    echo '(module (import "a" "b" (func $h (param i32) (result i32)))'
    echo '(memory 1) (table 2000 funcref) (global $g (mut i64) (i64.const 0))'
    for i in $(seq 1300); do
        echo "(func \$f$i (export \"f$i\") (param i32 i64) (result i32) (local i32)"
        echo "(loop (global.set \$g (i64.add (global.get \$g) (local.get 1)))"
        echo "(i32.store offset=$i (local.get 0) (call \$h (local.get 2)))"
        echo "(local.set 2 (i32.add (local.get 2) (i32.const $i)))"
        echo "(br_if 0 (i32.lt_u (local.get 2) (local.get 0)))) (f64.sqrt (f64.const 0.$i)) drop"
        echo "(call_indirect (param i32) (result i32) (local.get 2) (local.get 0)))"
    done
    echo ')'
} >many.wat
wasm-tools parse many.wat -o many.wasm

for module in abi many; do
    for level in 0 1 2; do
        [ $module = abi ] || [ $level = 1 ] || continue
        "$lucetc" --allow-undefined --opt-level $level $module.wasm -o a.so
        readelf -lW a.so >segments
        readelf -SW a.so >sections
        check "$module $level: no relocations" has 'There are no relocations' < <(readelf -rW a.so)
        check "$module $level: no undefined symbols" test -z "$(nm -D --undefined-only a.so 2>/dev/null)"
        check "$module $level: nothing to run when loaded, nothing needed" \
            lacks 'INIT|FINI|NEEDED|TEXTREL|PREINIT' < <(readelf -dW a.so)
        check "$module $level: two segments, R and R+E" test "$(
            awk '$1 == "LOAD" { print $7 $8 }' segments | tr '\n' ' ')" = "R0x1000 RE "
        check "$module $level: nothing writable" lacks '^ *\[ *[0-9]+\].*[[:space:]]WA' <sections
        check "$module $level: code in .text alone" test "$(
            awk '/ AX / { n++ } END { print n }' sections)" = 1
        check "$module $level: no writable or executable stack asked for" \
            has 'GNU_STACK.* RW ' <segments
        cp a.so first.so
        for jobs in 1 2; do
            mkdir -p other
            (cd other && "$lucetc" -j $jobs --allow-undefined --opt-level $level "../$module.wasm" \
                -o "name$jobs.so")
            check "$module $level: the same bytes with -j$jobs" cmp first.so "other/name$jobs.so"
        done
    done
done

"$lucetc" --allow-undefined --emit obj many.wasm -o many.o
check "an object has no undefined symbols" test -z "$(nm --undefined-only many.o)"
"$lucetc" --allow-undefined --emit obj -j1 many.wasm -o many1.o
check "objects are the same, too" cmp many.o many1.o
"$lucetc" --allow-undefined --emit asm -j1 many.wasm -o many1.s
"$lucetc" --allow-undefined --emit asm -j2 many.wasm -o many2.s
check "and assembly" cmp many1.s many2.s

# Guests choose these names; none may become a symbol.
cat >names.wat <<'WAT'
(module $main
  (func $malloc (export "memcpy") (result i32) (i32.const 1))
  (func $printf (export "_start") (result i32) (call $malloc))
  (func $llvm.memcpy (export ".L1") (result i32) (call $printf))
  (func (export "guest_func_0") (result i32) (call $llvm.memcpy)))
WAT
wasm-tools parse names.wat -o names.wasm
"$lucetc" names.wasm -o names.so
check "names of the guest are no symbols" lacks 'memcpy|malloc|printf|_start|\.L1|main$' \
    < <(nm names.so; nm -D names.so 2>/dev/null)
check "functions are called by number" has ' guest_func_3$' < <(nm names.so)
finish
