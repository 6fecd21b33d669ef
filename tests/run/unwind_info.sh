#!/bin/bash
# Where frames are, as what is written in assembly says, is the same whichever assembler made it.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
clang=${WASM_CC:-clang}
requires gcc "$clang" readelf

# How far the frame is from rsp, and where the return address is, one line for each change.
frames() { # COMPILER FILE
    "$1" -c -I"$LUCET_SRC/src" -I"$LUCET_SRC/include" "$2" -o it.o
    readelf --debug-dump=frames-interp it.o 2>/dev/null |
        awk '/^[0-9a-f]+ +r/ {print $2, $NF}' | uniq
}

compared=0
for file in "$LUCET_SRC"/src/runtime/x86_64/*.S; do
    frames gcc "$file" >by_gnu
    frames "$clang" "$file" >by_clang
    if ! diff -u by_gnu by_clang; then
        echo "the assemblers differ about $file"
        exit 1
    fi
    compared=$((compared + $(wc -l <by_gnu)))
done
echo "$compared frames compared"
[ "$compared" -gt 50 ]
