#!/bin/bash
# run.sh [--json] [--quick] [--only PART]: benchmarks of compiled guests (parts startup, kernels, compile).
# Fetches real programs and wasmtime (140 MB the first time). Without --only, those of the runtime follow.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
corpora=${LUCET_CORPORA:-build/corpora}
scripts/fetch-corpora.sh wasm-tools wasmtime ripgrep python yosys >&2
peer=$build/bench/wasmtime
if [ ! -d "$peer/wasmtime" ]; then
    mkdir -p "$peer"
    wheel=$(find "$corpora/downloads" -name 'wasmtime-*.whl' | sort | tail -n 1)
    python3 -m zipfile -e "$wheel" "$peer"
fi
python3 bench/guests.py "$@" "$build" "$corpora" "$peer"
[[ " $* " == *" --only "* || " $* " == *" --json "* ]] || bench/runtime/run.sh "$@"
