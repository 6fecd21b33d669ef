#!/bin/bash
# convert.sh FILE.wast DIR: writes DIR/FILE/FILE.json and the modules of the script beside it. Does
# nothing when they are newer than the script.
set -euo pipefail
name=$(basename "$1" .wast)
dir=$2/$name
[ ! "$dir/$name.json" -nt "$1" ] || exit 0
rm -rf "$dir"
mkdir -p "$dir"
wasm-tools json-from-wast "$1" --wasm-dir "$dir" -o "$dir/$name.json.new"
mv "$dir/$name.json.new" "$dir/$name.json"
