#!/bin/bash
# An artifact says that it needs AVX-512 when its code has such instructions, and only then, whatever the compiler
# might have used.
# shellcheck source=tests/run/lib/check.sh
. "$LUCET_SRC/tests/run/lib/check.sh"
requires wasm-tools objdump

# Instructions that begin with EVEX, or whose operands are mask registers.
in_code() { # FILE
    objdump -d -w "$1" | cut -f 2- |
        grep -E '^((26|2e|36|3e|6[4567]|f[023]) )*62 |%k[0-7]' >/dev/null && echo yes || echo no
}
in_header() { # FILE
    lucet-objdump --headers "$1" | grep '^ *cpu_features.*avx512' >/dev/null && echo yes || echo no
}

module() { # NAME NEEDED TEXT: compiled for a processor with AVX-512 the code has it or not, for others never
    echo "(module $3)" | wasm-tools parse - -o "$1.wasm"
    local cpu level
    for cpu in x86-64-v3 x86-64-v4 icelake-server; do
        for level in 0 1; do
            lucetc --target-cpu "$cpu" --opt-level "$level" --jobs 2 "$1.wasm" -o "$1.so"
            check "$1 for $cpu, level $level" "$(in_code "$1.so")" "$(in_header "$1.so")"
        done
        [ "$cpu" != x86-64-v3 ] || check "$1 for $cpu" no "$(in_header "$1.so")"
        [ "$cpu" != x86-64-v4 ] || check "$1 for $cpu" "$2" "$(in_header "$1.so")"
    done
}

module scalar no '(func (export "f") (param i32 f64) (result i32) (i32.add (local.get 0) (i32.trunc_sat_f64_s (local.get 1))))'
module convert yes '(func (export "f") (param i64) (result f64) (f64.convert_i64_u (local.get 0)))'
module multiply yes '(func (export "f") (param v128 v128) (result v128) (i64x2.mul (local.get 0) (local.get 1)))'
module memory no '(memory 1 2) (func (export "f") (param i32) (result i32) (i32.store (local.get 0) (i32.const 98)) (memory.grow (local.get 0)))'
# Only the last of several pieces.
{
    for i in $(seq 400); do
        echo "(func (param i32) (result i32) (i32.mul (i32.rotl (local.get 0) (i32.const 5)) (i32.const $i)))"
    done
    echo '(func (export "f") (param v128 v128) (result v128) (i64x2.mul (local.get 0) (local.get 1)))'
} >pieces.txt
module pieces yes "$(cat pieces.txt)"

tally
