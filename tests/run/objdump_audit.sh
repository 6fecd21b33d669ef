#!/bin/bash
# The audit finds nothing in what lucetc emits, and finds every protection that is taken out of it.
set -euo pipefail

skip() {
    echo "skipped: $*"
    exit 77
}
objdump=$LUCET_BIN/lucet-objdump
[ -x "$objdump" ] || skip "lucet-objdump is not built"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
command -v wasm-tools >/dev/null || skip "there is no wasm-tools"
command -v python3 >/dev/null || skip "there is no python3"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >module.wat <<'WAT'
(module
  (import "env" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 0) $load $set)
  (global $g (mut i32) (i32.const 1))
  (func $load (export "load") (param i32) (result i32)
    (i32.load offset=4 (local.get 0)))
  (func $set (export "set") (param i32) (result i32)
    (global.set $g (local.get 0))
    (local.get 0))
  (func $keep (export "keep") (param i32 i32) (result i32)
    (i32.add (call $f (local.get 0)) (call $f (local.get 1))))
  (func $switch (export "switch") (param i32) (result i32)
    (block (block (block (block (block (block
      (br_table 0 1 2 3 4 5 (local.get 0)))
      (return (call $f (i32.const 11))))
      (return (call $set (i32.const 22))))
      (return (call $load (i32.const 33))))
      (return (memory.grow (i32.const 1))))
      (return (call $keep (i32.const 1) (i32.const 2))))
    (i32.const 5))
  (func $indirect (export "indirect") (param i32 i32) (result i32)
    (call_indirect (param i32) (result i32) (local.get 0) (local.get 1)))
  (func $lookup (export "lookup") (param i32) (result f64)
    (f64.load offset=65536 (i32.and (local.get 0) (i32.const 0xfff8))))
  (func $sum (export "sum") (param i32 i32) (result i32) (local i32)
    (loop
      (local.set 2 (i32.add (local.get 2) (i32.load (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 4)))
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (local.get 2)))
WAT
wasm-tools parse module.wat -o module.wasm

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

for cpu in x86-64-v2 x86-64-v3 x86-64-v4; do
    for level in 0 1 2; do
        "$LUCET_BIN/lucetc" --allow-undefined --target-cpu $cpu --opt-level $level module.wasm \
            -o clean.so
        "$objdump" --audit=verbose clean.so >report || {
            cat report
            fail "$cpu, level $level: the audit finds fault with what lucetc emits"
        }
    done
done
"$LUCET_BIN/lucetc" --allow-undefined --target-cpu x86-64-v2 module.wasm -o good.so

# damage WHAT FINDING FUNCTION REGEX NEWBYTES: the audit must exit with 3 and name the finding.
damage() {
    local what=$1 finding=$2 code=0
    python3 "$LUCET_SRC/tests/run/objdump_patch.py" "$objdump" good.so bad.so "${@:3}" &>"patch" || {
        cat patch
        fail "$what: the test does not fit the code any more"
        return
    }
    "$objdump" --audit=verbose bad.so >report || code=$?
    if [ "$code" -ne 3 ] || ! grep -q ": $finding: " report; then
        cat patch
        grep '^  [a-z_]*[0-9.a-z]*+' report || true
        fail "$what: exit code $code, no finding \"$finding\""
    fi
}

damage "access without gs"            memory      load    'gs:\[rax'     '^65/3e'
damage "access through fs"            instruction load    'gs:\[rax'     '^65/64'
damage "index not zero-extended"      memory      load    '^mov eax, edi' 90
damage "displacement before the guard" memory     lookup  'gs:\['        65f20f1087000000f0
damage "system call"                  instruction load    '^mov eax, edi' 0f05
damage "software interrupt"           instruction load    '^mov eax, edi' cd80
damage "port"                         instruction load    '^mov eax, edi' ec
damage "no instruction"               instruction load    '^mov eax, edi' 06
damage "string instruction"           instruction load    '^mov eax, edi' a4
damage "segment register"             instruction load    '^mov eax, edi' 8ee8
damage "indirect call"                branch      load    '^mov eax, edi' ffd7
damage "indirect jump"                branch      load    '^mov eax, edi' ffe7
damage "missing return"               target      load    '^ret'         90
damage "return that pops"             instruction set     'r13'          c20800
damage "store to the host's part"     memory      set     '\[r13\+'      '41897d10'
damage "store behind the context"     memory      set     '\[r13\+'      '4189bd00007f00'
damage "store behind what is cleared" memory     set     '\[r13\+'      '4189bdf01f0000'
damage "the mark read by a guest"     memory      lookup  'gs:\['        65488b0425f8fffeff
damage "gs base written"              instruction set     '\[r13\+'      'f3480faed8'
damage "context overwritten"          context     keep    '^add rsp'     4d31ed
damage "stack pointer not restored"   frame       keep    '^add rsp'     90
damage "saved register not restored"  frame       keep    '^pop rbx'     59
damage "saved register not saved"     frame       keep    '^push rbx'    51
damage "call into an instruction"     target      keep    '^call'        call:+1
damage "call of a host trampoline"    target      keep    '^call'        call:host.0
damage "call of an entry"             target      keep    '^call'        call:entry.0
damage "switch without bounds check"  branch      switch  '^jnbe|^ja|^jnb' 90
damage "jump table index not checked" branch      switch  '^cmp'         90
damage "code between functions"       padding     load    ''             gap

# A reservation that an index may pass: accesses are compared with memory.size before.
"$LUCET_BIN/lucetc" --allow-undefined --target-cpu x86-64-v2 --reserved-size 16MiB \
    --guard-size 64KiB module.wasm -o good.so
"$objdump" --audit good.so >report || {
    cat report
    fail "small reservation: the audit finds fault with what lucetc emits"
}
damage "explicit check taken out"     memory      load    '^jnbe|^ja'     90

[ "$failures" -eq 0 ]
