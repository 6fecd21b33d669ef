#!/bin/bash
# convert.sh SUITE OUT OUT/FOLDER/FILE/FILE.json…: writes these and the modules of the scripts beside them, from
# SUITE/FOLDER/FILE.wast. Those that are newer than their script are left alone.
set -euo pipefail
suite=$1 out=$2
shift 2
for json; do
    dir=${json%/*}
    script=$suite/${dir#"$out/"}.wast
    [ ! "$json" -nt "$script" ] || continue
    rm -rf "$dir"
    mkdir -p "$dir"
    wasm-tools json-from-wast "$script" --wasm-dir "$dir" -o "$json.new"
    mv "$json.new" "$json"
done
