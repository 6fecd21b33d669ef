#!/bin/bash
# run-example.sh: the short tour behind `make run`. C program → WebAssembly → native code → run.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
out=$build/examples
mkdir -p "$out"

bold='' plain=''
[ ! -t 1 ] || { bold=$'\033[1m' plain=$'\033[0m'; }
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() {
    printf '  $ %s\n' "$*"
    "$@" | sed 's/^/    /'
}
size() { printf '    %s: %s bytes\n' "$1" "$(stat -c %s "$1")"; }

for program in lucetc lucet-wasi; do
    [ -x "$build/bin/$program" ] || {
        echo "run-example: $build/bin/$program is not built" >&2
        exit 1
    }
done

say '1. A guest is written in C and compiled to WebAssembly. This part is not trusted.'
show clang-22 --target=wasm32-wasi --sysroot=/usr -Wno-deprecated -O2 \
    -o "$out/hello.wasm" examples/hello/hello.c
size "$out/hello.wasm"

say '2. lucetc checks it and compiles it to native code, ahead of time; it may import WASI only.'
show "$build/bin/lucetc" --wasi "$out/hello.wasm" -o "$out/hello.so"
size "$out/hello.so"

say '3. lucet-wasi runs it in a sandbox: it can print, and nothing else unless it is allowed to.'
show "$build/bin/lucet-wasi" "$out/hello.so" -- reader 60

say 'That was all. The files are in '"$out"'; lucet-objdump shows what an artifact holds.'
