#!/bin/bash
# Traps, and programs that do not end.
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guest stuck
guest traps

trap_is() { # KIND REGEX
    run "$lucet_wasi" "${@:3}" "$work/traps.wasm" "$1"
    check "trap $1: exit code" 134 "$status"
    check "trap $1: output before it" before "$out"
    check_match "trap $1: message" "^lucet-wasi: guest trapped: $2" "$err"
}
trap_is bounds 'out of bounds memory access \(heap_out_of_bounds\) at address 0xfffffff0'
check_match "backtrace" '0: out_of_bounds \(wasm function [0-9]+\) \+ 0x' "$err"
check_match "backtrace of callers" '[1-9]: .*deeper \(wasm' "$err"
trap_is divide 'integer divide by zero \(integer_div_by_zero\)'
trap_is null '.*\((indirect_call_to_null|table_out_of_bounds)\)'
trap_is signature '.*\((bad_signature|unreachable)\)'
trap_is unreachable 'unreachable \(unreachable\)'
trap_is stack 'stack overflow \(stack_overflow\)'
check_match "a long backtrace is cut" 'more' "$err"
trap_is stack 'stack overflow' --stack-size 64KiB
trap_is bounds 'out of bounds' --precise-traps
trap_is bounds 'out of bounds' --opt-level 0
trap_is bounds 'out of bounds' --opt-level 2

# Each of them sits elsewhere when its time is up: in guest code, in a system call that waits for the
# other end of a pipe, between pieces of a long host call.
mkfifo "$work/fifo"
sleep 1000 <>"$work/fifo" &
sleeper=$!
trap 'kill $sleeper; rm -rf "$work"' EXIT
stops() { # HOW: long before anybody would have ended it otherwise
    local begin=$SECONDS
    # (reading from, and writing to, a pipe whose other end does nothing)
    status=0
    timeout 600 "$lucet_wasi" --timeout 300 "$work/stuck.wasm" "$1" <"$work/fifo" \
        > >(echo "$BASHPID" >"$work/reader"; head -n 1 >"$work/first"; exec sleep 600 >&2) 2>"$work/err" || status=$?
    kill "$(cat "$work/reader")"
    check "$1: exit code" 124 "$status"
    check_match "$1: message" 'time limit of 300 ms' "$(cat "$work/err")"
    expect "$1: ends in time" [ $((SECONDS - begin)) -le 300 ]
}
"$lucet_wasi" "$work/stuck.wasm" nothing >/dev/null # compiled once
for how in spin read poll sleep write random memory yield; do
    stops $how
done
run "$lucet_wasi" --timeout 60000 "$work/stuck.wasm" nothing
check "a time limit that is not reached" 0 "$status"

# Memory: a guest that asks for too much gets no more, and lives.
cat >"$work/eat.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
int main(void) { int n = 0; while (malloc(1 << 20)) n++; printf("%d\n", n); return 0; }
C
"$WASM_CC" --target=wasm32-wasi --sysroot=/usr -Wno-deprecated -O1 -fno-builtin "$work/eat.c" -o "$work/eat.wasm"
run "$lucet_wasi" --max-heap-size 64MiB "$work/eat.wasm"
check_match "--max-heap-size" '^(5[0-9]|6[0-3])$' "$out"
run "$lucet_wasi" "$work/eat.wasm"
check_match "4 GiB by default" '^40[0-9][0-9]$' "$out"
run "$lucet_wasi" --max-heap-size 64KiB "$work/eat.wasm"
check "a program whose memory does not fit" 1 "$status"
check_match "a program whose memory does not fit: message" 'heap_memory_size|limit' "$err"
run "$lucet_wasi" --heap-address-space 1MiB "$work/eat.wasm"
check "a reservation smaller than the code assumes" 1 "$status"
finish
