#!/bin/bash
# lucetc bounds what a hostile module can cost: time, files left behind, threads that disagree.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME COMMAND…
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $name"
        failed=$((failed + 1))
    fi
}

# A chain of divisions of one value by itself: quadratic for LLVM's analyses, harmless to decode.
python3 - "$work/slow.wasm" <<'PY'
import sys
def leb(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])
def section(kind, body):
    return bytes([kind]) + leb(len(body)) + body
code = b'\0' + b'\x20\0' + b'\x20\0\x6d' * 60000 + b'\x0b'
open(sys.argv[1], 'wb').write(b'\0asm\1\0\0\0' + section(1, b'\1\x60\1\x7f\1\x7f') +
    section(3, b'\1\0') + section(10, b'\1' + leb(len(code)) + code))
PY

too_slow_is_an_error() {
    local status=0
    "$LUCET_BIN/lucetc" --time-limit 1 "$work/slow.wasm" -o "$work/slow.so" 2>"$work/said" || status=$?
    [ "$status" = 1 ] && grep -q 'more than 1 seconds of CPU time' "$work/said"
}
nothing_is_left() { [ "$(find "$work" -name 'slow.so*' | wc -l)" = 0 ]; }
ends_on_signal_without_files() {
    "$LUCET_BIN/lucetc" "$work/slow.wasm" -o "$work/slow.so" &
    local lucetc=$!
    for _ in $(seq 100); do
        [ -z "$(find "$work" -name 'slow.so.*' -print -quit)" ] || break
        sleep 0.05
    done
    kill -TERM "$lucetc"
    ! wait "$lucetc" && nothing_is_left
}

cat >"$work/names.wat" <<'WAT'
(module
  (memory 1)
  (func (export "a") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "b") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func (export "c") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1))))
WAT
wasm-tools parse "$work/names.wat" -o "$work/names.wasm"
same_for_any_number_of_threads() {
    "$LUCET_BIN/lucetc" -j 1 "$work/names.wasm" -o "$work/one.so" &&
        "$LUCET_BIN/lucetc" -j 7 "$work/names.wasm" -o "$work/seven.so" &&
        cmp "$work/one.so" "$work/seven.so"
}
precious_keeps_objects() {
    "$LUCET_BIN/lucetc" --precious "$work/kept" "$work/names.wasm" -o "$work/kept.so" &&
        [ -s "$work/kept/0.o" ] && [ -s "$work/kept.so" ]
}
unknown_cpu_is_refused() {
    ! "$LUCET_BIN/lucetc" --target-cpu mystery "$work/names.wasm" -o "$work/cpu.so" 2>"$work/said" &&
        grep -q "target CPU 'mystery' is not known" "$work/said" && [ ! -e "$work/cpu.so" ]
}
old_cpu_is_refused() {
    ! "$LUCET_BIN/lucetc" --target-feature -sse4.1 "$work/names.wasm" -o "$work/cpu.so" 2>"$work/said" &&
        grep -q 'at least x86-64-v2' "$work/said"
}
bad_bindings_are_refused() {
    echo '{"env": {"f": "not a symbol"}}' >"$work/bad.json"
    ! "$LUCET_BIN/lucetc" --bindings "$work/bad.json" "$work/names.wasm" -o "$work/b.so" 2>"$work/said" &&
        grep -q 'not a symbol name: env.f' "$work/said"
}

check "a module that takes too long is an error" too_slow_is_an_error
check "it leaves no files" nothing_is_left
check "a signal ends lucetc and leaves no files" ends_on_signal_without_files
check "the output does not depend on the number of threads" same_for_any_number_of_threads
check "--precious keeps the objects" precious_keeps_objects
check "an unknown processor is refused" unknown_cpu_is_refused
check "a processor below x86-64-v2 is refused" old_cpu_is_refused
check "a binding to something that is no symbol is refused" bad_bindings_are_refused

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
