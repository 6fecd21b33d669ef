#!/bin/bash
# run.sh: what time slices cost; fails when the bars are missed.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
guests=$build/bench/guests
mkdir -p "$guests"
clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o "$guests/work.wasm" bench/slices/work.c
"$build/bin/lucetc" "$guests/work.wasm" -o "$guests/work.so"
exec "$build/bench/bench-slices" "$guests/work.so"
