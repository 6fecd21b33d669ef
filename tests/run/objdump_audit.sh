#!/bin/bash
# The audit finds nothing in what lucetc emits, and finds every protection that is taken out of it.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
objdump=$LUCET_BIN/lucet-objdump
[ -x "$objdump" ] || skip "lucet-objdump is not built"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
requires wasm-tools python3

cat >module.wat <<'WAT'
(module
  (import "env" "f" (func $f (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 4 funcref)
  (elem (i32.const 0) $load $set)
  (global $g (mut i32) (i32.const 1)) (global $h (mut i32) (i32.const 2))
  (func $load (export "load") (param i32) (result i32)
    (i32.load offset=4 (local.get 0)))
  (func $set (export "set") (param i32) (result i32)
    (global.set $g (local.get 0))
    (local.get 0))
  (func (export "choose") (param i32)
    (local.set 0 (i32.and (local.get 0) (i32.const 1)))
    (i32.store8 (local.get 0) (i32.const 7))
    (global.set $g (i32.const 0x12345678)))
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
  (func $back (export "back") (param i32 i32 i32)
    (loop
      (i32.store8 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.load8_u (local.get 1)))
      (local.set 1 (i32.sub (local.get 1) (i32.const 1)))
      (br_if 0 (i32.lt_u (local.get 2) (local.get 0)))))
  (func $sum (export "sum") (param i32 i32) (result i32) (local i32)
    (loop
      (local.set 2 (i32.add (local.get 2) (i32.load (local.get 0))))
      (local.set 0 (i32.add (local.get 0) (i32.const 4)))
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (local.get 2)))
WAT
wasm-tools parse module.wat -o module.wasm

# Jump tables are behind a comparison, though LLVM knows that the index has no other values: of what an unrolled loop
# leaves, that is shown nowhere.
cat >tables.wat <<'WAT'
(module (memory 1)
 (func $f (export "f") (param $p i32) (param $n i32) (result i32) (local $h i32) (local $k i32)
  (local.set $h (local.get $n))
  (block $done (loop $l
    (br_if $done (i32.lt_u (local.get $n) (i32.const 4)))
    (local.set $k (i32.mul (i32.load (local.get $p)) (i32.const 0x5bd1e995)))
    (local.set $h (i32.xor (i32.mul (local.get $h) (i32.const 0x5bd1e995)) (i32.mul (i32.xor (local.get $k) (i32.shr_u (local.get $k) (i32.const 24))) (i32.const 0x5bd1e995))))
    (local.set $p (i32.add (local.get $p) (i32.const 4)))
    (local.set $n (i32.sub (local.get $n) (i32.const 4)))
    (br $l)))
  (block $d (block $a (block $b (block $c
    (br_table $d $a $b $c $d (local.get $n)))
    (local.set $h (i32.xor (local.get $h) (i32.shl (i32.load8_u offset=2 (local.get $p)) (i32.const 16)))))
    (local.set $h (i32.xor (local.get $h) (i32.shl (i32.load8_u offset=1 (local.get $p)) (i32.const 8)))))
    (local.set $h (i32.mul (i32.xor (local.get $h) (i32.load8_u (local.get $p))) (i32.const 0x5bd1e995))))
  (local.get $h))
 (func (export "g") (param $x i32) (result i32)
  (block $e (block $d (block $c (block $b (block $a
    (br_table $a $b $c $d $e (i32.and (local.get $x) (i32.const 3))))
    (return (i32.load (i32.const 100))))  (return (i32.load (i32.const 200)))) (return (i32.mul (local.get $x) (i32.load (i32.const 300)))))
    (return (i32.sub (local.get $x) (i32.load (i32.const 300)))))
  (i32.const 77)))
WAT
wasm-tools parse tables.wat -o tables.wasm

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

for cpu in x86-64-v2 x86-64-v3 x86-64-v4; do
    for level in 0 1 2; do
        for wasm in module.wasm tables.wasm; do
            "$LUCET_BIN/lucetc" --allow-undefined --target-cpu $cpu --opt-level $level $wasm -o clean.so
            "$objdump" --audit=verbose clean.so >report || {
                cat report
                fail "$wasm, $cpu, level $level: the audit finds fault with what lucetc emits"
            }
        done
    done
done
"$LUCET_BIN/lucetc" --allow-undefined --target-cpu x86-64-v2 module.wasm -o good.so

# damage WHAT FINDING FUNCTION REGEX NEWBYTES: the audit must exit with 3 and name the finding.
damage() {
    local what=$1 finding=$2 code=0
    python3 "$LUCET_SRC/tests/run/objdump_patch.py" "$objdump" good.so bad.so "${@:3}" &>patch.txt || {
        cat patch.txt
        fail "$what: the test does not fit the code any more"
        return
    }
    "$objdump" --audit=verbose bad.so >report || code=$?
    if [ "$code" -ne 3 ] || ! grep -q ": $finding: " report; then
        cat patch.txt
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
# Of globals side by side LLVM chooses one by an index sometimes: [r13 + rdi*8 + displacement], rdi is 0 or 1.
one_of_two() { # OPCODE FROM_THE_FIRST_GLOBAL
    local at
    at=$("$objdump" --disassemble=choose good.so | sed -n 's/.*dword ptr \[r13+0x\([0-9A-Fa-f]*\)\].*/\1/p')
    printf '%s%08x' "$1" $((0x$at + $2)) | sed 's/\(..\)\(..\)\(..\)\(..\)$/\4\3\2\1/'
}
python3 "$LUCET_SRC/tests/run/objdump_patch.py" "$objdump" good.so chosen.so choose '\[r13' "$(one_of_two 4189bcfd 0)" \
    >patch.txt
"$objdump" --audit=verbose chosen.so >report || {
    cat report
    fail "one of two globals, by an index"
}
damage "a global behind the last"     memory      choose  '\[r13\+'      "$(one_of_two 4189bcfd 8)"
damage "store before the guest's part" memory     choose  '\[r13\+'      "$(one_of_two 4189bcfd -0x20)"
damage "load before the guest's part" memory      choose  '\[r13\+'      "$(one_of_two 418b84fd -0x20)"
damage "the mark read by a guest"     memory      lookup  'gs:\['        65488b0425f8efffff
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
damage "counter not compared"         memory      back    '^cmp edx, edi' 39ca
damage "another counter"              memory      back    '^dec edi'     ffce
damage "address that runs up"         memory      back    '^dec rax'     48ffc0
damage "code between functions"       padding     load    ''             gap

# What no code of lucetc's has, most of it because it reaches state of the host's.
while read -r name bytes; do
    damage "$name" instruction lookup 'gs:\[' "$bytes"
done <<'LIST'
rdgsbase    f3480faec0
rdfsbase    f3480faec1
wrfsbase    f3480faed1
wrgsbase    f3480faed9
swapgs      0f01f8
ldmxcsr     0fae5424f8
stmxcsr     0fae5c24f8
vldmxcsr    c5f8ae5424f8
vstmxcsr    c5f8ae5c24f8
fxsave      0fae4424f8
xsave       0fae6424f8
xgetbv      0f01d0
cpuid       0fa2
rdtsc       0f31
rdtscp      0f01f9
rdpid       f30fc7f8
rdpmc       0f33
rdrand      0fc7f0
rdpkru      0f01ee
wrpkru      0f01ef
xbegin      c7f800000000
monitor     0f01c8
tpause      660faef1
std         fd
popf        9d
pushf       9c
enter       c8000000
xlat        d7
prefetch    0f180a
clflush     0fae3c24
cldemote    0f1c0424
lfence      0faee8
sfence      0faef8
pause       f390
movnti      0fc30424
movntdq     660fe70424
maskmovq    0ff7c1
movdir64b   660f38f80424
cmpxchg8b   0fc70c24
cmpxchg16b  480fc70c24
aesenc      660f38dcc1
vaesenc     c4e271dcc2
sha256rnds2 0f38cbc1
pclmulqdq   660f3a44c100
vpclmulqdq  c4e37144c200
crc32       f20f38f1c1
pdep        c4e273f5c2
pext        c4e272f5c2
emms        0f77
fisttp      df0c24
movdq2q     f20fd6c1
push-fs     0fa0
pop-gs      0fa9
mov-ds      8ed8
incssp      f3480faee8
syscall     0f05
sysenter    0f34
hlt         f4
LIST

# What can name registers that calls clear only for artifacts whose header says that they need AVX-512.
while read -r name bytes; do
    damage "$name" instruction lookup 'gs:\[' "$bytes"
    grep -q 'AVX-512, which the header does not name' report || fail "$name: found for another reason"
done <<'LIST'
vpxord-zmm16 62a17d40efc0
vpxord-xmm0  62f17d08efc0
vmovq-xmm17  62e1fd086ecf
kmovw-read   c5f893c1
kmovw-write  c5f892cf
kxnorw       c5f446c9
kshiftlw     c4e3f932c901
kortestw     c5f898c9
LIST
cp good.so v2.so
cat >convert.wat <<'WAT'
(module (memory 1)
  (func (export "convert") (param i64) (result f64) (f64.convert_i64_u (local.get 0)))
  (func $lookup (export "lookup") (param i32) (result f64)
    (f64.load offset=65536 (i32.and (local.get 0) (i32.const 0xfff8)))))
WAT
wasm-tools parse convert.wat -o convert.wasm
"$LUCET_BIN/lucetc" --target-cpu x86-64-v4 --opt-level 0 convert.wasm -o good.so
python3 "$LUCET_SRC/tests/run/objdump_patch.py" "$objdump" good.so bad.so lookup 'gs:\[' c5f892cf >patch.txt
"$objdump" --audit=verbose bad.so >report || {
    cat report
    fail "a mask register in an artifact that needs AVX-512"
}
mv v2.so good.so

# gs: helpers write it, with the base of the context whose code runs next, and the mark behind it.
damage "trampoline: gs not looked at"       context host.0  '^cmp rcx|^cmp rdx' 90
damage "trampoline: the branch taken out"   context host.0  '^jnz'              90
damage "trampoline: gs not put right"       context host.0  '^call \[r13\+0x78'  90
damage "trampoline: another mark"           memory  host.0  '^mov gs:'          '^48/4c'
damage "builtin: gs not put right"          context builtin.memory_grow '^call \[r13\+0x78' 90
damage "thunk: gs not switched"             context thunk.0 '^call \[r13\+0x78'  90
damage "thunk: gs not switched back"        context thunk.0 '^call \[rbx\+0x78'  90
damage "thunk: gs for the caller instead"   context thunk.0 '^mov rdi, r13'     4889df  # mov rdi, rbx
damage "thunk: body with another context"   context thunk.0 '^mov r14, rax'     4989c5  # mov r13, rax
cp good.so set_gs.so
"$LUCET_BIN/lucetc" --allow-undefined --target-cpu haswell module.wasm -o good.so # with FSGSBASE
damage "trampoline: wrgsbase of a guest's"  instruction host.0  '^wrgsbase'     f3480faedf
damage "trampoline: wrgsbase taken out"     context     host.0  '^wrgsbase'     90
damage "trampoline: wrgsbase of 32 bits"    instruction host.0  '^wrgsbase'     f30faed9
damage "trampoline: rdgsbase"               instruction host.0  '^wrgsbase'     f3480faec1
damage "thunk: wrgsbase of a guest's"       instruction thunk.0 '^wrgsbase'     f3480faedf
damage "thunk: wrgsbase of a record"        instruction thunk.0 '^wrgsbase'     f3490faeda
damage "thunk: wrgsbase taken out"          context     thunk.0 '^wrgsbase rdx' 90
damage "thunk: wrgsbase back taken out"     context     thunk.0 '^wrgsbase rcx' 90
damage "gate: wrgsbase"                     instruction import.0 '^jmp|^mov r10' f3480faed9

# A reservation that an index may pass: accesses are compared with memory.size before.
"$LUCET_BIN/lucetc" --allow-undefined --target-cpu x86-64-v2 --reserved-size 16MiB \
    --guard-size 64KiB module.wasm -o good.so
"$objdump" --audit good.so >report || {
    cat report
    fail "small reservation: the audit finds fault with what lucetc emits"
}
damage "explicit check taken out"     memory      load    '^jnbe|^ja'     90

[ "$failures" -eq 0 ]
