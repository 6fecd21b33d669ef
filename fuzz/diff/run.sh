#!/bin/bash
# run.sh [OPTION of diff.py…]: the differential test, with what it needs fetched. Ends with the line
# "N passed, N failed, N skipped".
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
export LUCET_BUILD=${LUCET_BUILD:-$root/build}
if ! "$root/scripts/fetch-corpora.sh" wasm-tools wasmtime; then
    echo "skipped: wasm-tools and wasmtime could not be fetched"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
[ -e "$LUCET_BUILD/corpora" ] || ln -s "$root/build/corpora" "$LUCET_BUILD/corpora"
PATH=$LUCET_BUILD/corpora/bin:$PATH exec python3 -B "$root/fuzz/diff/diff.py" "$@"
