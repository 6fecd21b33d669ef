#!/bin/bash
# Each language feature can be switched off, and who needs it is told which it is and how to get it.
# shellcheck source=tests/run/lib/check.sh
. "$LUCET_SRC/tests/run/lib/check.sh"
requires wasm-tools
says() { # COMMAND…: its exit code and the first line that it says on standard error
    local status=0
    "$@" 2>said || status=$?
    echo "$status $(sed -n 1p said)"
}

names=$(lucetc --help | sed -n '/--features LIST/,/^$/p' | tail -n +3 | tr -d ',')
check "features are listed" yes "$([ "$(wc -w <<<"$names")" -ge 18 ] && echo yes)"

# One module for each; some stand on other features.
tested=
needs() { # FEATURE STANDS_ON TEXT
    wasm-tools parse -o "$1.wasm" <(echo "(module $3)")
    check "$1 off" yes "$(says lucetc --features "-$1" "$1.wasm" -o "$1.so" |
        grep -q "^1 .*the feature $1 is not enabled (--features +$1)" && echo yes)"
    check "$1 off leaves no file" no "$([ -e "$1.so" ] && echo yes || echo no)"
    says lucetc --features "1.0$2,+$1" "$1.wasm" -o "$1.so" >on
    check "$1 on" no "$(grep -q "not enabled" on && echo yes || echo no)"
    tested+=" $1"
}
needs sign-extension '' '(func (drop (i32.extend8_s (i32.const 0))))'
needs saturating-float-to-int '' '(func (drop (i32.trunc_sat_f32_s (f32.const 0))))'
needs multi-value '' '(func (result i32 i32) i32.const 0 i32.const 0)'
needs reference-types '' '(table 1 externref)'
needs bulk-memory '' '(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))'
needs simd '' '(func (param v128))'
needs mutable-globals '' '(global (export "g") (mut i32) (i32.const 0))'
needs extended-const '' '(global i32 (i32.add (i32.const 1) (i32.const 2)))'
needs tail-call '' '(func (return_call 0))'
needs function-references ',+reference-types' '(type (func)) (func (param (ref 0)))'
needs multi-memory '' '(memory 1) (memory 1)'
needs memory64 '' '(memory i64 1)'
needs exceptions '' '(tag)'
needs relaxed-simd ',+simd' '(func (param v128) (drop (f32x4.relaxed_min (local.get 0) (local.get 0))))'
needs legacy-exceptions ',+exceptions' '(func try catch_all end)'
needs threads '' '(memory 1 1 shared)'
needs wide-arithmetic ',+multi-value' '(func (result i64 i64) (i64.mul_wide_s (i64.const 1) (i64.const 2)))'
needs custom-page-sizes '' '(memory 1 (pagesize 1))'
check "all are tested" "$(xargs -n1 <<<"$names" | sort | xargs)" "$(xargs -n1 <<<"$tested" | sort | xargs)"

# An edition is a set.
check "simd is none of 1.0" yes "$(says lucetc --features 1.0 simd.wasm -o x.so | grep -q '^1 .*+simd' && echo yes)"
check "simd is of 2.0" "0 " "$(says lucetc --features 2.0 simd.wasm -o x.so)"
check "the last word counts" "0 " "$(says lucetc --features 1.0,-simd,+simd simd.wasm -o x.so)"

check "no such feature" '2 lucetc: --features: "+sims" is neither an edition (1.0, 2.0, 3.0, all) nor a feature with + or -' "$(says lucetc --features +sims simd.wasm)"
check "no sign" '2 lucetc: --features: "simd" is neither an edition (1.0, 2.0, 3.0, all) nor a feature with + or -' "$(says lucetc --features simd simd.wasm)"
check "empty" '2 lucetc: --features: "" is neither an edition (1.0, 2.0, 3.0, all) nor a feature with + or -' "$(says lucetc --features '' simd.wasm)"
check "garbage collection" '2 lucetc: --features: garbage collection (gc) is not supported' \
    "$(says lucetc --features +gc simd.wasm)"
wasm-tools parse -o gc.wasm <(echo '(module (type (struct)))')
check "a module that needs it" yes "$(says lucetc gc.wasm -o x.so |
    grep -q '^1 .*a struct type: garbage collection (gc) is not supported$' && echo yes)"

# lucet-wasi passes the list on, and what one list lets through does not come out of the cache for another.
wasm-tools parse -o prog.wasm <(echo '(module (memory (export "memory") 1) (func (export "_start") (drop (i32.extend8_s (i32.const 0)))))')
check "lucet-wasi" "0 " "$(says lucet-wasi --cache-dir cache prog.wasm)"
check "lucet-wasi, feature off" yes "$(says lucet-wasi --cache-dir cache --features -sign-extension prog.wasm |
    grep -q '+sign-extension' && echo yes)"

tally
