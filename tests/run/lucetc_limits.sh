#!/bin/bash
# lucetc bounds what a hostile module can cost: time, files left behind, threads that disagree.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

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

# Modules that are small and cost LLVM much: slow.wasm by number, each function being just light enough to be
# optimised; the others have one function each that is too heavy for that (src/lucetc/weight.h).
python3 - "$work" <<'PY'
import sys
def leb(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])
def section(kind, body):
    return bytes([kind]) + leb(len(body)) + body
def module(name, *bodies):
    code = leb(len(bodies)) + b''.join(leb(len(b) + 2) + b'\0' + b + b'\x0b' for b in bodies)
    open(f'{sys.argv[1]}/{name}.wasm', 'wb').write(b'\0asm\1\0\0\0' +
        section(1, b'\1\x60\1\x7f\1\x7f') + section(3, leb(len(bodies)) + bytes(len(bodies))) +
        section(5, b'\1\0\1') + section(7, b'\1\1f\0\0') + section(10, code))
get = b'\x20\0'
def divisions(n):
    return get + b'\x20\0\x6d' * n
def accesses(n):
    return b''.join(get + get + b'\x28\2' + leb(i * 7919 % 65521) + b'\x36\2' + leb(i * 104729 % 65521)
                    for i in range(n)) + get
def loops(n):
    return b'\3\x40' * n + (get + b'\x41\1\x6b\x22\0\x0d\0\x0b') * n + get
def targets(n):
    return (b'\2\x40' * n + get + b'\x0e' + leb(n - 1) + b''.join(leb(i) for i in range(n)) +
            b''.join(b'\x0b' + get + b'\x41' + bytes([i & 63]) + b'\x6a\x21\0' for i in range(n)) + get)
def additions(size):
    return get + b'\x41\1\x6a' * ((size - 5) // 3)
module('slow', *[divisions(250)] * 3000)
module('divisions', divisions(5000))
module('accesses', accesses(20000))
module('loops', loops(1200))
module('targets', targets(20000))
module('below', additions(500 << 10))
module('above', additions(530 << 10))
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
    for _ in $(seq 2000); do
        [ -z "$(find "$work" -name 'slow.so.*' -print -quit)" ] || break
        sleep 0.05
    done
    kill -TERM "$lucetc"
    ! wait "$lucetc" && nothing_is_left
}

# CPU time in seconds, or what six times as much is as an ordinary module takes here.
little_time() {
    local TIMEFORMAT=%U seconds
    seconds=$({ time "$LUCET_BIN/lucetc" "$work/below.wasm" -o "$work/below.so" >/dev/null 2>&1; } 2>&1)
    awk -v s="$seconds" 'BEGIN {print (s * 6 > 5 ? int(s * 6) + 1 : 5)}'
}
heavy_functions_take_little_time() {
    local name limit
    limit=$(little_time)
    for name in divisions accesses loops targets; do
        "$LUCET_BIN/lucetc" --time-limit "$limit" "$work/$name.wasm" -o "$work/heavy.so" || return 1
    done
}
# What optimisation folds into one addition is left as it was.
huge_functions_are_not_optimised() {
    "$LUCET_BIN/lucetc" "$work/below.wasm" -o "$work/below.so" &&
        "$LUCET_BIN/lucetc" "$work/above.wasm" -o "$work/above.so" &&
        [ "$(stat -c %s "$work/below.so")" -lt 50000 ] &&
        [ "$(stat -c %s "$work/above.so")" -gt 100000 ]
}
# LLVM dies where it cannot get memory; what it says of that must not spoil the one object a line.
too_large_is_an_error() {
    local limit status
    for limit in 1MiB 10MiB 20MiB; do
        status=0
        "$LUCET_BIN/lucetc" -j 1 --error-style json --memory-limit $limit "$work/slow.wasm" \
            -o "$work/slow.so" 2>"$work/said" || status=$?
        [ "$status" = 1 ] && [ "$(wc -l <"$work/said")" = 1 ] &&
            grep -q '"kind":"limit","message":"compiling took more than [0-9]* bytes of memory' "$work/said" ||
            return 1
    done
}
enough_memory_is_enough() {
    "$LUCET_BIN/lucetc" -j 1 --memory-limit 256MiB "$work/accesses.wasm" -o "$work/heavy.so" &&
        "$LUCET_BIN/lucetc" -j 1 --memory-limit 0 "$work/accesses.wasm" -o "$work/heavy.so"
}

# When it is the linker that gets none, the message is about the linker.
no_memory_for_the_linker_is_an_error() {
    local status=0
    cat >"$work/spawn.c" <<'C'
#include <errno.h>
int posix_spawnp(void) { return ENOMEM; }
C
    cc -shared -fPIC -o "$work/spawn.so" "$work/spawn.c" || return 1
    LD_PRELOAD=$work/spawn.so "$LUCET_BIN/lucetc" "$work/names.wasm" -o "$work/slow.so" 2>"$work/said" ||
        status=$?
    [ "$status" = 1 ] && [ "$(wc -l <"$work/said")" = 1 ] &&
        grep -q 'the linker (.*) could not be started: Cannot allocate memory; a process may have [0-9]* bytes of data; raise --memory-limit$' "$work/said"
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
check "functions that are too heavy to be optimised take little time" heavy_functions_take_little_time
check "huge functions are not optimised" huge_functions_are_not_optimised
if [ "${LUCET_SANITIZE:-0}" = 1 ]; then
    echo "skipped: a build with sanitizers has no limit of memory"
    skipped=3
else
    check "no memory for the linker is an error" no_memory_for_the_linker_is_an_error
    check "a module that takes too much memory is an error" too_large_is_an_error
    check "it leaves no files either" nothing_is_left
fi
check "a module that takes less is compiled" enough_memory_is_enough
check "a signal ends lucetc and leaves no files" ends_on_signal_without_files
check "the output does not depend on the number of threads" same_for_any_number_of_threads
check "--precious keeps the objects" precious_keeps_objects
check "an unknown processor is refused" unknown_cpu_is_refused
check "a processor below x86-64-v2 is refused" old_cpu_is_refused
check "a binding to something that is no symbol is refused" bad_bindings_are_refused

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
