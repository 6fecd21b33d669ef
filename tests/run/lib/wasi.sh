# shellcheck shell=bash
# For tests of lucet-wasi: source this first. Gives $work (a directory of the test's own, removed at
# the end), $lucet_wasi, guest() and check(). Ends the test as skipped where it cannot run.
set -euo pipefail
: "${LUCET_BIN:?}" "${LUCET_SRC:?}" "${LUCET_BUILD:?}"
WASM_CC=${WASM_CC:-clang-22}
lucet_wasi=$LUCET_BIN/lucet-wasi
failures=0

skip() {
    echo "skipped: $*"
    exit 77
}
[ -x "$lucet_wasi" ] || skip "there is no $lucet_wasi"
[ -x "$LUCET_BIN/lucetc" ] || skip "there is no $LUCET_BIN/lucetc"
command -v "$WASM_CC" >/dev/null || skip "there is no $WASM_CC"
[ -e /usr/lib/wasm32-wasi/libc.a ] || skip "there is no wasi-libc"

work=$(mktemp -d "${TMPDIR:-/tmp}/lucet-run-XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ "${LUCET_TEST_REGION:-}" = uffd ]; then # whoever does not choose a kind of region gets this one
    printf '#!/bin/sh\nexec "%s" --region uffd "$@"\n' "$lucet_wasi" >"$work/lucet-wasi"
    chmod +x "$work/lucet-wasi"
    lucet_wasi=$work/lucet-wasi
fi
export LUCET_CACHE_DIR=$work/cache
unset LUCET_CACHE_SIZE

# No wasm-opt, which clang runs where it is installed and which drops the names of functions.
guest() { # NAME [flag…]: compiles tests/guests/wasi/NAME.c or .cpp to $work/NAME.wasm
    local name=$1 source=$LUCET_SRC/tests/guests/wasi/$1.c cc=$WASM_CC
    shift
    if [ ! -e "$source" ]; then
        source=${source}pp
        cc=${WASM_CC/clang/clang++}
        command -v "$cc" >/dev/null || skip "there is no $cc"
    fi
    "$cc" --target=wasm32-wasi --sysroot=/usr --no-wasm-opt -O2 -Wall -Wno-deprecated "$source" \
        -o "$work/$name.wasm" "$@"
}

pass() { echo "ok: $1"; }
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# shellcheck disable=SC2034 # for those who source this
# run COMMAND…: sets $status, $out and $err (without their last newlines).
run() {
    status=0
    "$@" >"$work/out" 2>"$work/err" || status=$?
    out=$(tr -d '\0' <"$work/out")
    err=$(tr -d '\0' <"$work/err" | sanitizers_remarks)
}

# AddressSanitizer remarks that a guest's stack is none it knows.
sanitizers_remarks() {
    if [ "${LUCET_SANITIZE:-0}" = 1 ]; then
        grep -v -e '__asan_handle_no_return' -e '^False positive error' -e 'sanitizers/issues/189' || true
    else
        cat
    fi
}

expect() { # NAME COMMAND…
    if "${@:2}"; then
        pass "$1"
    else
        fail "$1"
    fi
}

check() { # NAME WANT HAVE
    if [ "$2" = "$3" ]; then
        pass "$1"
    else
        fail "$1: wanted '$2', have '$3'"
    fi
}

check_match() { # NAME REGEX HAVE
    if [[ $3 =~ $2 ]]; then
        pass "$1"
    else
        fail "$1: wanted something like '$2', have '$3'"
    fi
}

finish() {
    [ "$failures" = 0 ] || echo "$failures failures"
    exit $((failures > 0))
}
