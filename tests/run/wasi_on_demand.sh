#!/bin/bash
# WASI in a region with pages on demand: system calls find what guests hand them, though nobody has touched it.
# shellcheck disable=SC2154 # the library sets them
source "$LUCET_SRC/tests/run/lib/wasi.sh"
[ "${LUCET_SANITIZE:-0}" != 1 ] || skip "programs of others are not linked with the sanitizers"
[ -e "$LUCET_BUILD/lib/liblucet-wasi.so" ] || skip "liblucet-wasi is not built"
cd "$work" || exit 1

"${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror -I"$LUCET_SRC/include" "$LUCET_SRC/tests/guests/on_demand_host.c" \
    -o host -L"$LUCET_BUILD/lib" -llucet-wasi -llucet -Wl,-rpath,"$LUCET_BUILD/lib"
"$WASM_CC" --target=wasm32-wasi --sysroot=/usr -Wno-deprecated -O2 -o on_demand.wasm \
    "$LUCET_SRC/tests/guests/on_demand.c"
"$LUCET_BIN/lucetc" --wasi on_demand.wasm -o on_demand.so
mkdir data
python3 -c 'import sys; sys.stdout.buffer.write(bytes(k * 7 % 251 for k in range(3 << 20)))' >data/in

run ./host on_demand.so data
[ "$status" != 77 ] || skip "$err"
check "exit code" 0 "$status"
check "three tenants read and wrote" "all of it
all of it
all of it" "$out"
{ cat data/in; head -c $((3 << 20)) /dev/zero; } >expected
check "what was written" same "$(cmp -s expected data/out && echo same || echo different)"
finish
