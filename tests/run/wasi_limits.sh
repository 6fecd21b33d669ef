#!/bin/bash
# What lucet-wasi's options limit and grant: each of them is heard, alone and with threads.
# shellcheck disable=SC2154 # the library sets them
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guest limits
limits=$work/limits.wasm
mkdir "$work/d"
: >"$work/d/file"

says() { # NAME WANTED ARGUMENT…
    run "$lucet_wasi" "${@:3}"
    check "$1: exit code" 0 "$status"
    check "$1" "$2" "$out"
}
ends() { # NAME CODE REGEX ARGUMENT…
    run "$lucet_wasi" "${@:4}"
    check "$1: exit code" "$2" "$status"
    check_match "$1: message" "$3" "$err"
}

# Memory
on_demand=
run "$lucet_wasi" --max-heap-size 2MiB "$limits" memory
check "memory grows to its limit: exit code" 0 "$status"
check "memory grows to its limit" yes "$([ "$out" -gt 20 ] && [ "$out" -lt 32 ] && echo yes)"
ends "memory, ended instead of told" 134 'its memory is exhausted' --max-heap-size 2MiB --terminate-on-heap-oom "$limits" memory
says "touched, all of it" 1024 "$limits" touch
if run "$lucet_wasi" --region uffd "$limits" && [ "$status" = 0 ]; then
    on_demand=yes
    says "pages on demand" 1024 --region uffd "$limits" touch
    ends "resident memory" 134 'its memory is exhausted' --region uffd --max-resident-size 8MiB "$limits" touch
    says "resident memory, enough" 1024 --region uffd --max-resident-size 80MiB "$limits" touch
    says "the other kind, again" 1024 --region uffd --region mmap "$limits" touch
else
    check_match "pages on demand are not there: why" 'userfaultfd' "$err"
fi

# Descriptors: 0, 1, 2 and the directory are some of them.
says "descriptors" 12 --max-descriptors 16 --dir "$work/d::/d" "$limits" files
ends "more directories than descriptors" 1 'directory .*memory' --max-descriptors 8 --dir "$work/d::/a" --dir "$work/d::/b" \
    --dir "$work/d::/c" --dir "$work/d::/d" --dir "$work/d::/e" --dir "$work/d::/f" "$limits" files

# Time and instructions
ends "time in seconds" 124 'time limit of 1000 ms' --timeout 1s "$limits" spin
ends "time with a unit" 124 'time limit of 200 ms' --timeout 200ms "$limits" spin
ends "instructions" 124 'limit of 5000000 instructions' --max-instructions 5000000 "$limits" spin
says "enough instructions" limits.wasm --max-instructions 5000000 "$limits"
says "without counting, from the cache beside it" limits.wasm "$limits"
"$LUCET_BIN/lucetc" --wasi "$limits" -o "$work/plain.so"
ends "an artifact that does not count" 1 'count-instructions' --max-instructions 1000 "$work/plain.so"
"$LUCET_BIN/lucetc" --wasi --count-instructions "$limits" -o "$work/counts.so"
ends "an artifact that counts" 124 'limit of 100 instructions' --max-instructions 100 "$work/counts.so"

# Surroundings
export LIMITS_ONE=1 LIMITS_TWO=2
says "no variables" "none
none" "$limits" env LIMITS_ONE LIMITS_TWO
says "all variables" "1
2
none" --inherit-env "$limits" env LIMITS_ONE LIMITS_TWO LIMITS_NONE
says "all but one that is given" "1
other" --inherit-env --env LIMITS_TWO=other "$limits" env LIMITS_ONE LIMITS_TWO
says "its name" limits.wasm "$limits"
says "another name" "my name" --argv0 "my name" "$limits"

# Tables, exceptions, and what threads share.
if command -v wasm-tools >/dev/null; then
    cat >"$work/small.wat" <<'W'
(module (import "wasi" "thread-spawn" (func $spawn (param i32) (result i32)))
  (import "env" "memory" (memory 1 1 shared)) (memory $own 1 100)
  (table $t 10 100000 externref)
  (func (export "table") (result i32) (local $n i32)
    (loop $l (if (i32.ge_s (table.grow $t (ref.null extern) (i32.const 1)) (i32.const 0))
      (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $l))))
    (local.get $n))
  (func (export "wasi_thread_start") (param i32 i32)
    (i32.atomic.store (i32.const 0) (i32.const 1))
    (drop (memory.atomic.notify (i32.const 0) (i32.const -1)))
    (loop (br 0)))
  (func $start (export "threads") (result i32)
    (if (result i32) (i32.gt_s (call $spawn (i32.const 0)) (i32.const 0))
      (then (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))) (i32.const 1))
      (else (i32.const 0))))
  (func (export "with_thread") (result i32) (drop (call $start)) (memory.grow $own (i32.const 2))))
W
    cat >"$work/exceptions.wat" <<'W'
(module
  (global $last (mut exnref) (ref.null exn)) (tag $nest (param exnref))
  (func (export "exceptions") (param $n i32)
    (loop $l
      (global.set $last (block $h (result exnref)
        (try_table (catch_all_ref $h) (throw $nest (global.get $last))) unreachable))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
W
    wasm-tools parse "$work/exceptions.wat" -o "$work/exceptions.wasm"
    cat >"$work/other.wat" <<'W'
(module (import "env" "memory" (memory 1 100 shared)) (memory $own 1 100)
  (func (export "shared") (param i32) (result i32) (memory.grow 0 (local.get 0)))
  (func (export "other") (param i32) (result i32) (memory.grow $own (local.get 0))))
W
    wasm-tools parse "$work/other.wat" -o "$work/other.wasm"
    wasm-tools parse "$work/small.wat" -o "$work/small.wasm"
    says "table entries" 40 --max-table-entries 50 --invoke table "$work/small.wasm"
    says "exceptions, enough" "" --invoke exceptions "$work/exceptions.wasm" 10000
    says "exceptions, enough of them" "" --max-exceptions-size 4MiB --invoke exceptions "$work/exceptions.wasm" 50000
    ends "too many exceptions" 134 'exceptions_exhausted' --max-exceptions-size 64KiB --invoke exceptions "$work/exceptions.wasm" 10000
    says "a thread" 1 --invoke threads "$work/small.wasm"
    says "threads have memory of their own" 1 --max-heap-size 256KiB --invoke with_thread "$work/small.wasm"
    says "and no more than all may have" -1 --max-heap-size 192KiB --invoke with_thread "$work/small.wasm"
    if [ -n "$on_demand" ]; then
        says "other memories are not around it" 1 --region uffd --max-resident-size 128KiB --invoke other "$work/other.wasm" 1
        says "other memories end where it ends" -1 --region uffd --max-resident-size 128KiB --invoke other "$work/other.wasm" 2
        says "shared memories, too" -1 --region uffd --max-resident-size 128KiB --invoke shared "$work/other.wasm" 2
    fi
    says "tables of threads, too" 0 --max-table-entries 19 --invoke threads "$work/small.wasm"
    says "no threads where instructions are limited" 0 --max-instructions 1000000 --invoke threads "$work/small.wasm"
fi
finish
