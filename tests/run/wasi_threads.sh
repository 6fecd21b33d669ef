#!/bin/bash
# Programs with threads: they share a memory, and end together whoever ends them.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0

if ! command -v wasm-tools >/dev/null; then
    echo "skipped: wasm-tools is not there (scripts/fetch-corpora.sh wasm-tools)"
    exit 77
fi

check() { # WHAT CONDITION…
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $1"
        failed=$((failed + 1))
    fi
}

wasm-tools parse "$LUCET_SRC/tests/guests/threads.wat" -o "$tmp/threads.wasm"

# run EXPECTED ENTRYPOINT OPTION…: it ends by itself, with that exit code
run() {
    local expected=$1 entry=$2 code=0
    shift 2
    timeout -k 1 600 "$LUCET_BIN/lucet-wasi" --entrypoint "$entry" "$@" "$tmp/threads.so" \
        >"$tmp/out" 2>"$tmp/err" <"${INPUT:-/dev/null}" || code=$?
    check "$entry $*: exit code $code, not $expected: $(head -n 2 "$tmp/err")" [ "$code" = "$expected" ]
}

mkfifo "$tmp/fifo"
exec 9<>"$tmp/fifo" # a reader finds nothing, and no end
for options in "--opt-level 0" "--opt-level 1" "--opt-level 2 --precise-traps"; do
    # shellcheck disable=SC2086 # several words
    "$LUCET_BIN/lucetc" --wasi $options "$tmp/threads.wasm" -o "$tmp/threads.so"
    run 42 _start
    run 0 lines
    check "lines: all of them" [ "$(wc -l <"$tmp/out")" = 800 ]
    check "lines: none torn" [ "$(sort -u "$tmp/out")" = 0123456789abcdef ]
    run 134 "one traps"
    check "one traps: it says how" grep -q "guest trapped: unreachable" "$tmp/err"
    check "one traps: it says where" grep -q "wasm function" "$tmp/err"
    run 7 "one exits"
    run 0 "first returns"
    run 134 "first traps"
    run 124 hang --timeout 200
    check "hang: it says why" grep -q "time limit of 200 ms" "$tmp/err"
    INPUT=$tmp/fifo run 7 read
    # What is looked up before a wait is looked up again: 8 is EBADF.
    rm -f "$tmp/late"
    mkfifo "$tmp/late"
    exec 8<>"$tmp/late"
    rm -f "$tmp/over"
    : >"$tmp/out"
    # The thread says when it has closed the descriptor, unless it was too late to.
    (until [ -s "$tmp/out" ] || [ -e "$tmp/over" ]; do sleep 0.05; done; echo late >&8) &
    INPUT=$tmp/late run 8 closed
    : >"$tmp/over"
    wait
    exec 8<&-
    run 6 many --max-threads 6
    run 64 many
    run 9 sequence --max-threads 2
done
run 1 _start --max-heap-size 64KiB
check "memory: the limit is named" grep -q "of 65536 allowed" "$tmp/err"
# Without a number of threads there are none.
run 0 many --max-threads 0
"$LUCET_BIN/lucet-objdump" --audit "$tmp/threads.so" >"$tmp/audit" || true
check "the audit has a reason for everything" grep -q "result: clean" "$tmp/audit"

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
