#!/bin/bash
# docs/abi.md, sections 4 and 5: addressing, guards, traps, probes.
# shellcheck disable=SC2016 # patterns are full of dollars
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
compile_all

for v in "${variants[@]}"; do
    s=abi-$v.s
    check "$v M1: a load is relative to gs, its index zero-extended, its offset a constant" in_order \
        "$s" guest_func_5 '^movl .*, %e[a-z]+$' '%gs:1000\(%r[a-z]+\)'
    check "$v M1: not one instruction more is needed" test "$(body "$s" guest_func_5 | grep -c '%gs')" = 1
    check "$v M2: what the guards contain has no check" not_in_body "$s" guest_func_5 '^ud1'
    check "$v M2: what they do not contain is checked" in_order "$s" guest_func_6 '^cmpq ' '^ja|^jb' \
        '%gs:'
    check "$v M2: and traps" in_body "$s" guest_func_6 '^ud1l 2\(%eax\)'
    check "$v T5: a load that nobody uses is there" in_body "$s" guest_func_7 '%gs:\(%r'
    check "$v M5: nothing calls a library" lacks 'callq?[[:space:]]+(mem|str|__|bcmp|ceil|floor|sqrt)' <"$s"
    check "$v M5: a loop of stores is no memset" not_in_body "$s" guest_func_14 '^(callq|jmp) mem|rep'
    check "$v T1: unreachable" in_body "$s" guest_func_8 '^ud1l 10\(%eax\), %eax'
    check "$v T1: division by zero and overflow have traps of their own" test "$(
        body "$s" guest_func_9 | grep -oE '^ud1l [0-9]+' | sort -u | tr '\n' ' ')" = "ud1l 5 ud1l 6 "
    case $v in
    *precise*) check "$v T5: both of two stores are there" test "$(body "$s" guest_func_10 | grep -c '%gs:')" = 2 ;;
    [12]*) check "$v T5: of two stores one remains" test "$(body "$s" guest_func_10 | grep -c '%gs:')" = 1 ;;
    esac
done

"$lucetc" --allow-undefined abi.wasm -o abi.so
objdump -d abi.so >abi.dis
check "T1: the bytes of a trap" has '67 0f b9 40 0a' <abi.dis
check "T1: there is no other way to trap" lacks '[[:space:]](ud2|hlt|syscall|sysenter|int )' <abi.dis

# Guards of other sizes.
"$lucetc" --allow-undefined --guard-size 64KiB --emit asm -o small.s abi.wasm
check "M2: with a guard of 64 KiB, offset 1000 needs no check" not_in_body small.s guest_func_5 '^ud1'
cat >offsets.wat <<'WAT'
(module (memory 1)
  (func (param i32) (result i32) (i32.load offset=65532 (local.get 0)))
  (func (param i32) (result i32) (i32.load offset=65533 (local.get 0))))
WAT
wasm-tools parse offsets.wat -o offsets.wasm
"$lucetc" --guard-size 64KiB --emit asm -o offsets.s offsets.wasm
# index 2^32 - 1, offset 65532 and 4 bytes end at 4 GiB + 65535: the guard's last byte but one.
check "M2: the last offset that the guard contains" not_in_body offsets.s guest_func_0 '^ud1'
"$lucetc" --guard-size 60KiB --emit asm -o offsets.s offsets.wasm
check "M2: and with a smaller one it is checked" in_body offsets.s guest_func_0 '^ud1l 2'

# T4: a frame of many pages: values that depend on each other, so that all must be kept.
n=2000
{
    echo '(module (memory 1) (func $f (param $x i64) (result i64) (local $v0 i64)'
    for i in $(seq $n); do echo "(local \$v$i i64)"; done
    echo '(local.set $v0 (local.get $x))'
    for i in $(seq $n); do
        echo "(local.set \$v$i (i64.add (i64.rotl (local.get \$v$((i - 1))) (i64.const 5))"
        echo "(i64.load (i32.const $((i * 8))))))"
    done
    echo '(drop (call $f (local.get $x))) (local.get $x)'
    for i in $(seq $n); do echo "(i64.rotl (i64.const 7)) (i64.add (local.get \$v$i))"; done
    echo '))'
} >large.wat
wasm-tools parse large.wat -o large.wasm
for level in 0 1; do
    "$lucetc" --opt-level $level --emit asm -o large.s large.wasm
    check "level $level T4: every page of a large frame is touched" in_order large.s guest_func_0 \
        'subq \$4096, %rsp' 'movq \$0, \(%rsp\)'
    check "level $level T4: none is skipped" test -z "$(body large.s guest_func_0 |
        awk '/^subq \$[0-9]+, %rsp/ { n = substr($2, 2) + 0; if (n > 4096) print }')"
done
finish
