#!/bin/bash
# lucetc and modules that are not as they should be: a clean error, an exit code, no output file, and
# nothing of the module reaches the terminal as it is.
# shellcheck disable=SC2016,SC2317 # text full of dollars; functions that are called by check
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
command -v python3 >/dev/null || skip "there is no python3"

# refused FILE [OPTION…]: exit code 1, no output, one line on standard error of printable ASCII.
# What it says is in `said`.
refused() {
    local status=0
    mkdir -p out
    "$lucetc" "${@:2}" "$1" -o out/module.so 2>said || status=$?
    [ $status = 1 ] || { echo "exit code $status" && cat said && return 1; }
    [ -z "$(ls -A out)" ] || { echo "left behind: $(ls -A out)" && rm -rf out && return 1; }
    [ "$(wc -l <said)" = 1 ] || { echo "not one line:" && cat -v said && return 1; }
    ! LC_ALL=C grep -q '[^ -~]' said || { echo "raw bytes:" && cat -v said && return 1; }
}
says() { # PATTERN
    grep -Eq -- "$1" said || { echo "it says: $(cat said)" && return 1; }
}

# ---- Bytes that are no module ----
wasm-tools parse "$LUCET_SRC/tests/guests/abi.wat" -o abi.wasm
size=$(stat -c %s abi.wasm)
good=0 total=0
for ((i = 0; i < size; i += 7)); do
    head -c "$i" abi.wasm >cut.wasm
    total=$((total + 1))
    # A module may end behind any section; without its code section, however, it is not this one.
    if refused cut.wasm --allow-undefined || "$lucetc" --allow-undefined cut.wasm -o /dev/null; then
        good=$((good + 1))
    fi
done
check "truncated modules are refused: $good of $total" test $good = $total
: >empty.wasm
check "an empty file" refused empty.wasm
check "is named" says '^empty.wasm: error: an empty file, not a WebAssembly module$'
check "a program" refused "$lucetc"
check "is named" says ': error: a program for x86-64, not a WebAssembly module$'
printf 'no module' >garbage.wasm
check "what nobody knows" refused garbage.wasm
check "the offset is told" says '^garbage.wasm:0x0: error: '
printf '\0asm\2\0\0\0' >version.wasm
check "another version" refused version.wasm
printf '\0asm\15\0\1\0' >component.wasm
check "a component" refused component.wasm

# ---- Text ----
printf '(module (func (export "f") (result i32) (i32.const 7)))' >text.wat
text_is_like_binary() {
    wasm-tools parse text.wat -o text.wasm && "$lucetc" text.wasm -o binary.so &&
        "$lucetc" text.wat && cmp text.so binary.so
}
check "text is compiled like the binary it stands for" text_is_like_binary
printf ';; a comment\n(module (func (export "f") (result i32) (i64.const 7)))' >invalid.wat
check "text is validated" refused invalid.wat
printf '(module (func (export "\x1b[31m" ' >unfinished.wat
check "text that is no module" refused unfinished.wat
check "is what the converter says it is" says '^unfinished.wat: error: wasm-tools: error: .* --> /dev/stdin:1:[0-9]*$'
converter() { # BODY: a converter of our own in place of those installed
    mkdir -p fake && printf '#!/bin/sh\n%s\n' "$1" >fake/wat2wasm && chmod +x fake/wat2wasm
}
refused_here() { PATH=$PWD/fake refused_by_absolute_paths "$@"; }
refused_by_absolute_paths() ( # the tools that `refused` uses are not where the converter is
    "$lucetc" "$1" -o fake.so 2>said && return 1
    [ ! -e fake.so ]
)
rm -rf fake && mkdir fake
check "text without a converter" refused_here text.wat
check "gets a hint" says 'WebAssembly text; install wasm-tools'
converter 'printf "\033[31mred\n" >&2; exit 1'
check "a converter's message" refused_here text.wat
check "is escaped" says '^text.wat: error: wat2wasm: .x1b.31mred$'
converter 'echo nonsense'
check "what a converter makes is decoded like any module" refused_here text.wat
converter 'kill -SEGV $$'
check "a converter that crashes" refused_here text.wat
check "is named" says 'ended by a signal'
head -c 3000 /dev/urandom >random.wasm
check "random bytes" refused random.wasm
truncate -s $((1024 * 1024 * 1024 + 1)) large.wasm
check "more than 1 GiB" refused large.wasm
check "is a limit" says 'larger than 1 GiB'
rm large.wasm
check "no file" refused nowhere.wasm
check "says why" says '^nowhere.wasm: error: No such file'

# ---- Names chosen by the guest ----
wat() { # NAME: from standard input, not validated
    wasm-tools parse - -o "$1"
}
wat name.wasm <<'WAT'
(module (func (@name "\1b[2J\1b]0;pwned\07\n/etc/passwd:0x0: error: %n%s%x\7f\c2\9b") (result i32) i32.add))
WAT
check "a function with a hostile name" refused name.wasm
check "is told by its number, and by its name if at all escaped" \
    says 'name.wasm:0x[0-9a-f]+: error: function 0( "[^"]*")?: '
wat import.wasm <<'WAT'
(module (import "a\1b[31m\00\0a" "b%n%s\0d\n\"'" (func)))
WAT
check "an import with a hostile name" refused import.wasm
check "is told with its name escaped" says 'x1b\[31m'
wat export.wasm <<'WAT'
(module (func) (export "\1b[2J" (func 0)) (export "\1b[2J" (func 0)))
WAT
check "two exports of one hostile name" refused export.wasm
{
    printf '(module (func (@name "'
    head -c 20000 /dev/zero | tr '\0' 'A'
    printf '") (result i32) i32.add))'
} | wat long.wasm
check "a name of 20,000 bytes" refused long.wasm
check "does not make a line of 20,000 bytes" test "$(wc -c <said)" -lt 1000

# ---- JSON ----
check "JSON" refused name.wasm --error-style json
check "is JSON" python3 - said <<'PY'
import json, sys
line = open(sys.argv[1]).read()
error = json.loads(line)
assert error["kind"] == "invalid" and error["severity"] == "error", error
assert error["function"] == 0 and error["offset"] > 8, error
assert error["file"] == "name.wasm" and "\x1b" not in line, error
PY
check "JSON of an import" refused import.wasm --error-style json
check "is of kind import" says '"kind":"import"'

# ---- Imports and bindings ----
wat host.wasm <<'WAT'
(module (import "host" "log" (func)) (import "host" "other" (func)))
WAT
check "imports without bindings" refused host.wasm
check "are named" says 'log'
echo '{ "host": { "log": "host_log" } }' >bindings.json
check "an import that no binding allows" refused host.wasm --bindings bindings.json
check "is named" says 'other'
echo '{ "host": { "other": "host_other" } }' >more.json
check "bindings from two files" "$lucetc" --bindings bindings.json --bindings more.json host.wasm \
    -o out/good.so
rm -f out/*
for bad in '{' '[]' '{"host": 1}' '{"host": {"log": 1}}' '{"host": {"log": ""}}' 'null' '{"a":{"b":"c"}} x'; do
    printf '%s' "$bad" >bad.json
    check "bindings like $bad" refused host.wasm --bindings bad.json
    check "are blamed, not the module: $bad" says '^bad.json: error:'
done
check "no bindings file" refused host.wasm --bindings nowhere.json
check "says why" says 'nowhere.json: error: No such file'

# ---- Outputs ----
echo precious >kept.so
"$lucetc" version.wasm -o kept.so 2>/dev/null || true
check "an earlier output stays when the module is refused" grep -qx precious kept.so
status=0
"$lucetc" abi.wasm --allow-undefined -o nowhere/module.so 2>said || status=$?
check "an output that cannot be written" test $status = 1
status=0
"$lucetc" abi.wasm --allow-undefined -o /dev/full 2>said || status=$?
check "a full device" test $status = 1
check "stays a device" test -c /dev/full
"$lucetc" abi.wasm --allow-undefined -o /dev/null
check "and so does /dev/null" test -c /dev/null
mkdir directory
status=0
"$lucetc" abi.wasm --allow-undefined -o directory 2>said || status=$?
check "a directory as output" test $status = 1 -a -d directory
(mkdir default && cd default && "$lucetc" --allow-undefined ../abi.wasm)
check "the default output" test -s default/abi.so
"$lucetc" --allow-undefined - -o - <abi.wasm >piped.so
check "standard input and output" cmp piped.so default/abi.so

# ---- The command line ----
usage() {
    local status=0
    "$lucetc" "$@" >/dev/null 2>said || status=$?
    [ "$status" = 2 ]
}
check "usage: nothing" usage
check "usage: unknown option" usage --frobnicate abi.wasm
check "usage: bad level" usage --opt-level 9 abi.wasm
check "usage: bad size" usage --guard-size 1Q abi.wasm
check "usage: two inputs" usage abi.wasm abi.wasm
check "usage: standard input without -o" usage -
for option in --witx=x --signature-keygen --signature-verify --veriwasm; do
    check "usage: $option" usage $option abi.wasm
    check "is said to be unsupported: $option" says 'not supported by this version'
done
finish
