#!/bin/bash
# Programs get what they are given, their output and exit code come back.
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guest basic
basic=$work/basic.wasm

run "$lucet_wasi" "$basic" exit 0
check "exit code 0" 0 "$status"
for code in 1 2 42 124 134 255; do
    run "$lucet_wasi" "$basic" exit $code
    check "exit code $code" "$code" "$status"
    check "exit code $code says nothing" "" "$err"
done
run "$lucet_wasi" "$basic" exit 256
check "exit code 256 is no success" 1 "$status"

run "$lucet_wasi" "$basic" args one 'two words' '' --env x
check "arguments" "[basic.wasm][args][one][two words][][--env][x]" "$out"
run "$lucet_wasi" "$basic" -- args -- --help
check "arguments after --" "[basic.wasm][args][--][--help]" "$out"
run "$lucet_wasi" -- "$basic" args
check "-- before the program" "[basic.wasm][args]" "$out"

run env PASSED=on HIDDEN=yes "$lucet_wasi" --env A=1 --env PASSED --env NOT_SET --env B= "$basic" env
check "environment" $'A=1\nPASSED=on\nB=' "$out"
run "$lucet_wasi" "$basic" env
check "no environment by default" "" "$out"

head -c 300000 /dev/urandom | base64 >"$work/data"
"$lucet_wasi" "$basic" cat <"$work/data" >"$work/copy"
expect "standard input from a file" cmp "$work/data" "$work/copy"
# shellcheck disable=SC2002 # a pipe is what is wanted
cat "$work/data" | "$lucet_wasi" "$basic" cat | cat >"$work/copy"
expect "pipes on both sides" cmp "$work/data" "$work/copy"
run "$lucet_wasi" "$basic" cat </dev/null
check "empty standard input" "" "$out$err"
run "$lucet_wasi" "$basic" stderr
check "standard error" "to stderr" "$err"
run bash -c '"$0" "$1" cat <&- >&- 2>&-' "$lucet_wasi" "$basic"
check_match "closed standard input and output" '^[01]$' "$status"
run bash -c '"$0" "$1" cat </dev/zero | head -c 1 | wc -c; echo ${PIPESTATUS[0]}' "$lucet_wasi" "$basic"
check_match "a reader that goes away does not kill lucet-wasi by a signal" '^1.5$' "$out"

mkdir "$work/dir"
echo content >"$work/dir/file"
run "$lucet_wasi" --dir "$work/dir::/d" "$basic" read /d/file
check "--dir HOST::GUEST" content "$out"
run "$lucet_wasi" --dir "$work/dir:/d" "$basic" read /d/file
check "--dir HOST:GUEST" content "$out"
run "$lucet_wasi" --dir "$work/dir" "$basic" read "$work/dir/file"
check "--dir HOST" content "$out"
(cd "$work" && "$lucet_wasi" --dir . "$basic" read dir/file) >"$work/out"
check "--dir ." content "$(cat "$work/out")"
run "$lucet_wasi" --dir "$work/dir::/d" "$basic" write /d/new text
check "writing" text "$(cat "$work/dir/new")"
run "$lucet_wasi" --dir-ro "$work/dir::/d" "$basic" read /d/file
check "--dir-ro reads" content "$out"
run "$lucet_wasi" --dir-ro "$work/dir::/d" "$basic" write /d/file spoilt
check "--dir-ro does not write" "1 content" "$status $(cat "$work/dir/file")"
run "$lucet_wasi" "$basic" read "$work/dir/file"
check "nothing without --dir" 1 "$status"

"$LUCET_BIN/lucetc" --wasi "$basic" -o "$work/compiled.bin"
run "$lucet_wasi" "$work/compiled.bin" args x
check "an artifact, told by its bytes and not its name" "[compiled.bin][args][x]" "$out"
run bash -c '"$0" <(cat "$1") args' "$lucet_wasi" "$basic"
check_match "a program from a pipe" '^\[[0-9]+\]\[args\]$' "$out"

# The version before preview 1, and both ways to link: by the bindings' symbols, and by name.
cat >"$work/old.c" <<'C'
#define IMPORT(name) __attribute__((import_module("wasi_unstable"), import_name(name)))
IMPORT("fd_write") int fd_write(int, const void *, int, int *);
IMPORT("fd_seek") int fd_seek(int, long long, int, long long *);
IMPORT("proc_exit") _Noreturn void proc_exit(int);
void _start(void)
{
    static const struct { const char *p; int n; } iov = {"old\n", 4};
    int n;
    long long at;
    fd_write(1, &iov, 1, &n);
    fd_seek(1, 0, 0 /* from here */, &at);
    proc_exit((int)at + n);
}
C
"$WASM_CC" --target=wasm32 -O2 -nostdlib "$work/old.c" -o "$work/old.wasm"
run "$lucet_wasi" "$work/old.wasm"
check "wasi_unstable" "old 8" "$out $status"
"$LUCET_BIN/lucetc" --allow-undefined "$work/old.wasm" -o "$work/old.so"
run "$lucet_wasi" "$work/old.so"
check "linked by name" "old 8" "$out $status"
finish
