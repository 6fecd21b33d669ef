#!/bin/bash
# docs/abi.md, C10: what tail calls become, and that the audit knows who may jump to whom.
# shellcheck disable=SC2016 # patterns are full of dollars
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
objdump=$LUCET_BIN/lucet-objdump
command -v python3 >/dev/null || skip "there is no python3"
wasm-tools parse "$LUCET_SRC/tests/guests/tail_calls.wat" -o tail.wasm

for level in 0 1 2; do
    for cpu in x86-64-v2 x86-64-v4; do
        for precise in "" --precise-traps; do
            v="$level $cpu $precise"
            # shellcheck disable=SC2086 # empty or one word
            "$lucetc" --allow-undefined --opt-level $level --target-cpu $cpu $precise --emit asm \
                -o tail.s tail.wasm
            check "$v: a tail call is a jump" in_body tail.s guest_func_2 '^jmp guest_func_3'
            check "$v: with nothing behind it" not_in_body tail.s guest_func_2 'call|ret'
            check "$v: the seventh integer is in scratch space" in_body tail.s guest_func_2 \
                '^movl (\$7|%[a-z0-9]+), [0-9]+\(%r1?[0-9a-z]+\)'
            check "$v: and read from there" in_body tail.s guest_func_3 \
                '^movl [0-9]+\(%r13\)'
            check "$v: registers are those of the C convention" in_body tail.s guest_func_2 \
                'movl \$6, %r9d'
            check "$v: an indirect one jumps to the gate" in_body tail.s guest_func_3 \
                '^jmp gate.1.0'
            check "$v: a gate of a type that fits jumps to the record's code" in_order tail.s \
                gate.1.0 '^movq .*\(%r[a-z0-9]+,%r[a-z0-9]+,8\), %r' '^jmpq \*'
            check "$v: without knowing whose it is" not_in_body tail.s gate.1.0 '[ ,]24\(%(r[a-d]x|r[ds]i|r[0-9])'
            check "$v: a gate of a wide type jumps to its own functions' bodies" in_order tail.s \
                gate.0.0 '24\(%r' '^j' '16\(%r'
            check "$v: and calls those of others" in_body tail.s gate.0.0 '^callq \*'
            check "$v: an import is jumped to by its gate, too" in_body tail.s guest_func_6 \
                '^jmp import.1'
            check "$v: by reference it jumps to a gate, the reference in r10" in_order tail.s \
                guest_func_8 '^movq [0-9]+\(%r13\), %r' '^jmp ref.1'
            check "$v: which looks for null and jumps" in_order tail.s ref.1 '^testq %r10, %r10|^cmpq \$0, %r10' \
                '^j' '^jmpq \*'
            check "$v: null is a trap" in_body tail.s ref.1 '^ud1l 3\(%eax\)'
            check "$v: and so is another type" in_order tail.s ref.1 '8\(%r1?[0-9a-z]+\), %r' \
                '^cmpq ' '^j'
            check "$v: with its trap" in_body tail.s ref.1 '^ud1l 4\(%eax\)'
            check "$v: a call is a call" in_body tail.s guest_func_7 '^callq guest_func_2'
            check "$v: even at the end" not_in_body tail.s guest_func_7 'jmp'
            # shellcheck disable=SC2086
            "$lucetc" --allow-undefined --opt-level $level --target-cpu $cpu $precise -o tail.so tail.wasm
            check "$v: the audit understands it" has '^result: clean' < <("$objdump" --audit tail.so)
        done
    done
done

# The functions of a module without tail calls are the C functions.
sed 's/return_call/return (call/' "$LUCET_SRC/tests/guests/abi.wat" >plain.wat
wasm-tools parse plain.wat -o plain.wasm
"$lucetc" --allow-undefined --emit asm -o plain.s plain.wasm
check "no jump between functions in a module without tail calls" lacks '^[[:space:]]jmp[[:space:]]+guest_func' <plain.s

"$lucetc" --allow-undefined --target-cpu x86-64-v2 -o good.so tail.wasm

# damage WHAT FINDING ARGUMENTS…: the audit exits with 3 and names the finding.
damage() {
    local what=$1 finding=$2 code=0
    python3 "$LUCET_SRC/tests/run/objdump_patch.py" "$objdump" good.so bad.so "${@:3}" &>"patch" || {
        check "$what: the test fits the code" false
        return
    }
    "$objdump" --audit=verbose bad.so >report || code=$?
    check "$what: exit code 3" test "$code" = 3
    check "$what: $finding" has ": $finding: " <report
}
damage "a tail jump to a thunk" target guest_func_2 '^jmp' call:thunk.1
damage "a tail jump to a host trampoline" target guest_func_2 '^jmp' call:host.0
damage "a tail jump into a function" target guest_func_2 '^jmp' call:+1
damage "a tail jump with a frame left" frame guest_func_5 '^pop' 90
damage "a tail jump with another context" context guest_func_6 '^movss' 4d31ed

# The flag says that bodies take part: without it, no guest function may jump to another.
python3 - good.so bad.so <<'PY'
import sys
image = bytearray(open(sys.argv[1], "rb").read())
flags = image.index(b"LUCETMOD") + 20
assert image[flags] & 8
image[flags] &= ~8
open(sys.argv[2], "wb").write(image)
PY
code=0
"$objdump" --audit=verbose bad.so >report || code=$?
check "tail calls in an artifact that says it has none: exit code 3" test "$code" = 3
check "tail calls in an artifact that says it has none: branch" has ': branch: .*tail|: branch: not for this class' <report
check "objdump names the flag" has 'tail-calls' < <("$objdump" --json good.so)
finish
