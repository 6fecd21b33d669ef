#!/bin/bash
# Every vector operator becomes the machine instruction that vector_code.txt names, in no more instructions than
# it says; and the audit of machine code understands all of them.
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
command -v python3 >/dev/null || skip "there is no python3"
here=$LUCET_SRC/tests/run
status=0
python3 "$here/vector_code.py" "$lucetc" "$LUCET_SRC/src/wasm/ops.def" "$here/vector_code.txt" || status=1

for cpu in x86-64-v2 x86-64-v3 x86-64-v4 sapphirerapids; do
    "$lucetc" --target-cpu $cpu -o vectors.so vectors.wasm
    "$LUCET_BIN/lucet-objdump" --audit=verbose vectors.so >report || {
        echo "FAILED: $cpu: the audit finds fault with vector code"
        grep '^  guest' report | head
        status=1
    }
done

# Where the CPU has an instruction for four products and their sum, or for counting bits of bytes, it is used.
"$lucetc" --target-cpu icelake-server --emit asm -o vnni.s vectors.wasm
for instruction in vpdpbusd vpopcntb; do
    grep -q $instruction vnni.s || {
        echo "FAILED: no $instruction for a CPU that has it"
        status=1
    }
done
exit $status
