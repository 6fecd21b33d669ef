#!/bin/bash
# run.sh [OPTION…]: fetches wasmtime's C library, compiles the guests and runs bench-runtime with the
# options (--json, --quick, --only ROW).
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
scripts/fetch-corpora.sh wasm-tools wasmtime >&2
tools=build/corpora/bin/wasm-tools
guests=$build/bench/guests
mkdir -p "$guests"
for text in bench/runtime/guests/*.wat; do
    name=$(basename "$text" .wat)
    "$tools" parse "$text" -o "$guests/$name.wasm"
done
# 4 MiB of data without a zero page, and a function that dirties pages all over it.
{
    echo '(module (memory (export "memory") 80 128) (data (i32.const 65536)'
    head -c $((4 << 20)) /dev/zero | tr '\0' 'x' | fold -w 65536 | sed 's/.*/"&"/'
    cat <<'WAT'
) (func (export "dirty") (param $n i32)
  (loop $again
    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
    (i32.store offset=65536 (i32.mul (local.get $n) (i32.const 262144)) (local.get $n))
    (br_if $again (local.get $n)))))
WAT
} | "$tools" parse - -o "$guests/image.wasm"
for module in "$guests"/*.wasm; do
    "$build/bin/lucetc" --allow-undefined "$module" -o "${module%.wasm}.so"
done
exec "$build/bench/bench-runtime" "$guests" --wasmtime build/corpora/wasmtime/libwasmtime.so "$@"
