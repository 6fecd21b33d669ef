#!/bin/bash
# The command line of lucet-wasi: usage errors, modules that cannot run, --invoke.
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guest basic
basic=$work/basic.wasm

usage() { # NAME ARGUMENT…
    local name=$1
    shift
    run "$lucet_wasi" "$@"
    check "$name: exit code" 2 "$status"
    check_match "$name: message" '^lucet-wasi: .*' "$err"
    check "$name: nothing on standard output" "" "$out"
}
usage "no program"
usage "unknown option" --nonsense "$basic"
usage "unknown short option" -q "$basic"
usage "option without argument" --env
usage "bad size" --max-heap-size 12parsecs "$basic"
usage "size 0" --stack-size 0 "$basic"
usage "bad timeout" --timeout soon "$basic"
usage "timeout 0" --timeout 0 "$basic"
usage "timeout with an unknown unit" --timeout 5weeks "$basic"
usage "timeout that is too long" --timeout 2000h "$basic"
usage "no such kind of region" --region none "$basic"
usage "a resident size of the other kind of region" --max-resident-size 1MiB "$basic"
usage "0 instructions" --max-instructions 0 "$basic"
usage "too few descriptors" --max-descriptors 7 "$basic"
usage "0 table entries" --max-table-entries 0 "$basic"
usage "too many threads" --max-threads 4097 "$basic"
usage "bad size of exceptions" --max-exceptions-size much "$basic"
usage "bad level" --opt-level 9 "$basic"
usage "bad directory" --dir ::/x "$basic"
usage "bad directory (no guest name)" --dir /tmp:: "$basic"
usage "bad variable" --env =x "$basic"
usage "signatures are not there yet" --signature-verify "$basic"

run "$lucet_wasi" --help
check "--help" 0 "$status"
check_match "--help tells about --dir" '--dir HOST' "$out"
run "$lucet_wasi" --version
check_match "--version" '^lucet-wasi [0-9.]+$' "$out"

refused() { # NAME REGEX ARGUMENT…
    local name=$1 regex=$2
    shift 2
    run "$lucet_wasi" "$@"
    check "$name: exit code" 1 "$status"
    check_match "$name: message" "$regex" "$err"
}
refused "no such file" 'none.wasm: No such file' "$work/none.wasm"
refused "a directory" 'directory' "$work"
echo hello >"$work/text"
refused "not WebAssembly" 'text: neither a WebAssembly module nor an artifact' "$work/text"
: >"$work/empty"
refused "an empty file" 'empty: an empty file' "$work/empty"
echo '(module)' >"$work/text.wat"
refused "WebAssembly text" 'text' "$work/text.wat"
head -c 2000 "$basic" >"$work/cut.wasm"
refused "half a module" 'cut.wasm:0x[0-9a-f]+: error:' "$work/cut.wasm"
printf '\177ELFgarbage' >"$work/garbage.so"
refused "not an artifact" 'garbage.so: the first 11 bytes of an ELF file' "$work/garbage.so"
refused "a program" 'lucet-wasi: a program for x86-64, not an artifact' "$lucet_wasi"
ar rc "$work/lib.a" "$work/text"
refused "a static library" 'lib.a: a static library, not an artifact' "$work/lib.a"
refused "a limit below what it begins with" 'memory 0 begins with [0-9]+ bytes, the limit is 4096 bytes' --max-heap-size 1KiB "$basic"
refused "a limit between two pages" 'the limit is 69632 bytes' --max-heap-size 68KiB "$basic"
refused "no such entrypoint" 'exports no function "nowhere"' --entrypoint nowhere "$basic"
refused "no such directory" 'directory /none: No such file' --dir /none "$basic"
printf '\0asm\1\0\0\0' >"$work/nothing.wasm"
refused "a module without _start" 'exports no function "_start"; --invoke' "$work/nothing.wasm"
printf '\0asm\1\0\0\0\1\4\1\140\0\0\2\17\1\3env\7exploit\0\0' >"$work/import.wasm"
refused "an import that is not WASI" 'exploit' "$work/import.wasm"
mv "$work/import.wasm" "$work/a"$'\033'"[31m.wasm"
run "$lucet_wasi" "$work/a"$'\033'"[31m.wasm"
case $err in
*$'\033'*) fail "file names are escaped" ;;
*) pass "file names are escaped" ;;
esac
check "no leftovers" "" "$(find "$LUCET_CACHE_DIR" -name '.tmp*')"

# An empty entry of a run path means the current directory, which may be hostile.
for program in "$LUCET_BIN"/*; do
    path=$(readelf -d "$program" | sed -n 's/.*R\(UN\)\?PATH.*\[\(.*\)\]/:\2:/p')
    case $path in
    *::* | *:[!/]*) fail "run path of ${program##*/}: $path" ;;
    esac
done

# Standard input as the program: read to its end from where it stands, kept in the cache like any other.
status=0
out=$("$lucet_wasi" - args x < <(cat "$basic")) || status=$?
check "a module from a pipe" "0 [-][args][x]" "$status $out"
{
    echo "a line that somebody has read"
    cat "$basic"
} >"$work/line-and-module"
out=$({
    read -r _
    "$lucet_wasi" - args
} <"$work/line-and-module")
check "a module from the middle of a file" "[-][args]" "$out"
"$LUCET_BIN/lucetc" --wasi "$basic" -o "$work/basic.so"
check "an artifact from a pipe" "[-][args]" "$("$lucet_wasi" - args < <(cat "$work/basic.so"))"
status=0
err=$("$lucet_wasi" - 2>&1 </dev/null) || status=$?
check "nothing on standard input" "1 lucet-wasi: -: an empty file" "$status $err"
status=0
err=$(timeout 1000 "$lucet_wasi" /dev/zero 2>&1) || status=$?
check "a program without end" "1 lucet-wasi: /dev/zero: File too large" "$status $err"
status=0
err=$("$lucet_wasi" - 2>&1 <&-) || status=$?
check "standard input that is closed" "1 lucet-wasi: -: Bad file descriptor" "$status $err"

cat >"$work/functions.c" <<'C'
#include <stdio.h>
static int ready;
__attribute__((constructor)) static void init(void) { ready = 40; }
__attribute__((export_name("add"))) int add(int a, int b) { return a + b + ready - 40; }
__attribute__((export_name("mix"))) double mix(long long a, float b, double c) { return a + b * c; }
__attribute__((export_name("hi"))) void hi(void) { puts("hi"); }
__attribute__((export_name("ready"))) int is_ready(void) { return ready; }
__attribute__((export_name("divide"))) int divide(int a, int b) { return a / b; }
C
"$WASM_CC" --target=wasm32-wasi --sysroot=/usr -Wno-deprecated -O2 -mexec-model=reactor \
    "$work/functions.c" -o "$work/functions.wasm"
functions=$work/functions.wasm
invoke() { run "$lucet_wasi" --invoke "$1" "$functions" "${@:2}"; }
invoke add 2 3
check "--invoke" "5 0" "$out $status"
invoke add -1 0xffffffff
check "--invoke with -1 and 0xffffffff" "-2" "$out"
invoke mix 1 0.5 4
check "--invoke with floats" "3" "$out"
invoke ready
check "--invoke runs constructors first" 40 "$out"
invoke hi
check "--invoke without results" "" "${out#hi}"
invoke add 1
check "--invoke with too few arguments" 2 "$status"
invoke add 1 2 3
check "--invoke with too many arguments" 2 "$status"
invoke add 1 x
check "--invoke with a bad argument" 2 "$status"
invoke add 1 99999999999
check "--invoke with a number that does not fit" 2 "$status"
invoke nothing
check "--invoke of what is not there" 1 "$status"
invoke divide 1 0
check "--invoke of what traps" 134 "$status"
finish
