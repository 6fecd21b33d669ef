#!/bin/bash
# docs/abi.md, section 1: gates, import gates, thunks, trampolines, entries.
# shellcheck disable=SC2016 # patterns are full of dollars
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
compile_all
type=1  # (func (param i32 i32) (result i32))
gate=gate.$type.0

for v in "${variants[@]}"; do
    s=abi-$v.s
    check "$v C4: call_indirect is a direct call of the gate" in_order "$s" guest_func_3 \
        '^movl %edi, %r10d|^movl .*, %r10d|^movq .*, %r10' "^callq $gate"
    check "$v C4: the gate checks the bounds first, then null, then the type" in_order "$s" "$gate" \
        '^cmpq .*\(%r1?[0-9a-z]+\)|^cmpq %r' '^j(be|ae|b|a) ' '^testq %r|^cmpq \$0' '^(je|jne) ' \
        '^cmpq ' '^(je|jne) ' '^jmpq \*'
    check "$v C4: with a trap for each" test "$(body "$s" "$gate" | grep -oE '^ud1l [0-9]+' |
        sort | tr '\n' ' ')" = "ud1l 3 ud1l 4 ud1l 9 "
    check "$v C4: the record's code is jumped to, in r10 the record" in_order "$s" "$gate" \
        '^movq .*\(%r[a-z0-9]+,%r[a-z0-9]+,8\), %r' '^jmpq \*'
    check "$v C4: the gate has no frame left when it jumps" not_in_body "$s" "$gate" 'callq'
    check "$v C6: an import is called through its gate" in_body "$s" guest_func_11 '^callq import.0'
    check "$v C6: which jumps to the record's code" in_order "$s" import.0 \
        '^movq [0-9]+\(%r1?[0-9a-z]+\), %r10' '^jmpq \*'
    check "$v C8: the reservation is checked, with a trap, before the call" in_order "$s" host.3 \
        '^cmpq ' '^j' 'callq \*'
    check "$v C8: too little stack is stack_overflow" in_body "$s" host.3 '^ud1l 1\(%eax\)'
    check "$v C8: the state is \"in host\" before, \"in guest\" after" in_order "$s" host.3 \
        '^mov.*, \(%r' '^callq \*' '^movq \$0, \(%r'
    check "$v C8: and the stop request is looked at after that" in_order "$s" host.3 \
        '^callq \*' '^movq \$0, \(%r' '(cmpl \$0, 24\(%r)|(movl 24\(%r)'
    check "$v C8: gs is looked at before" in_order "$s" host.3 '^callq \*' 'q %gs:-4104' \
        '^movq \$0, \(%r'
    check "$v C9: an entry calls the function in r10" in_body "$s" entry.3 '^callq \*%r'
done

# A module with everything of its own has no thunks: nobody else can call it.
cat >private.wat <<'WAT'
(module (table 2 funcref) (elem (i32.const 0) $f) (func $f (result i32) (i32.const 1))
  (func (param i32) (result i32) (call_indirect (result i32) (local.get 0))))
WAT
wasm-tools parse private.wat -o private.wasm
"$lucetc" --emit asm -o private.s private.wasm
check "C5: no thunks in a private module" lacks '^thunk\.' <private.s

cat >public.wat <<'WAT'
(module (table (export "t") 2 funcref) (elem (i32.const 0) $f)
  (func $f (param i32) (result i32) (local.get 0)) (memory 1))
WAT
wasm-tools parse public.wat -o public.wasm
for cpu in native x86-64-v2; do
    "$lucetc" --target-cpu $cpu --emit asm -o public.s public.wasm
    check "$cpu C7: the own context is told from others, and jumps" in_order public.s thunk.0 \
        '^cmpq %r' '^j' '^jmpq \*'
    # activation->ctx is at 16, context->activation at 8.
    check "$cpu C7: the instance is switched before the call and back after it" in_order public.s \
        thunk.0 '^movq %r[a-z0-9]+, 16\(%r' '^callq \*%r' '^movq %r[a-z0-9]+, 16\(%r'
    if [ $cpu = native ] && grep -qw fsgsbase /proc/cpuinfo; then
        check "$cpu C7: and gs with it" in_order public.s thunk.0 wrgsbase '^callq \*%r' wrgsbase
    else
        check "$cpu C7: and gs with it" in_order public.s thunk.0 '^callq \*1[0-9]+\(' \
            '^callq \*%r' '^callq \*1[0-9]+\('
    fi
done
finish
