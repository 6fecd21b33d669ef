#!/bin/bash
# Functions that lucetc marks as closed or quiet (docs/abi.md section 8) are that, whatever LLVM makes of them; and
# the audit finds every way not to be.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
objdump=$LUCET_BIN/lucet-objdump
lucetc=$LUCET_BIN/lucetc
[ -x "$objdump" ] || skip "lucet-objdump is not built"
[ -x "$lucetc" ] || skip "lucetc is not built"
requires wasm-tools python3 jq

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# ---- What lucetc marks ----

# deep NAME VALUES BELOW: so many values alive over what is below.
deep() {
    local k
    echo "(func \$$1 (export \"$1\") (param i64) (result i64)"
    for ((k = 1; k <= $2; k++)); do echo "(local i64)"; done
    for ((k = 1; k <= $2; k++)); do echo "(local.set $k (i64.load (i32.const $((8 * k)))))"; done
    for ((k = 1; k <= $2; k++)); do
        echo "(i64.$([ $((k % 2)) = 0 ] && echo add || echo mul) (i64.rotl (local.get $k) (local.get 0))"
    done
    echo "$3 $(printf "%$2s" '' | tr ' ' ')'))"
}

# Only what is exported, and what that calls: others may use vectors.
cat >marks.wat <<'WAT'
(module (memory 1)
  (func $lowest (result i32) (i32.load (i32.const 0)))
  (func $low (result i32) (i32.add (call $lowest) (i32.const 1)))
  (func $middle (result i32) (i32.add (call $low) (i32.const 1)))
  (func $high (export "high") (result i32) (i32.add (call $middle) (i32.const 1)))
  (func $other (result i32) (i32.add (call $low) (i32.const 2)))
  (func $any (export "any") (param f64) (result i32) (call $other)))
WAT
wasm-tools parse marks.wat -o marks.wasm
"$lucetc" marks.wasm -o marks.so
marks=$("$objdump" --functions --json marks.so | jq -r '[.functions[].effects] | join(" ")')
[ "$marks" = 'quiet quiet quiet quiet any any' ] || fail "marks of functions: $marks"

# LLVM once had vector registers for all of these: the stores of neighbours at level 1, bits in reverse where there are
# Galois fields at any.
cat >vectors.wat <<'WAT'
(module (memory 1) (global $a (mut i64) (i64.const 0)) (global $b (mut i64) (i64.const 0))
  (func (export "zeros") (i64.store (i32.const 16) (i64.const 0)) (i64.store (i32.const 24) (i64.const 0)))
  (func (export "copy")
    (i64.store (i32.const 16) (i64.load (i32.const 32))) (i64.store (i32.const 24) (i64.load (i32.const 40))))
  (func (export "globals") (global.set $a (i64.const 0)) (global.set $b (i64.const 0)))
  (func (export "reverse") (param $x i32) (result i32)
    (local.set $x (i32.or (i32.and (i32.shr_u (local.get $x) (i32.const 1)) (i32.const 0x55555555))
      (i32.shl (i32.and (local.get $x) (i32.const 0x55555555)) (i32.const 1))))
    (local.set $x (i32.or (i32.and (i32.shr_u (local.get $x) (i32.const 2)) (i32.const 0x33333333))
      (i32.shl (i32.and (local.get $x) (i32.const 0x33333333)) (i32.const 2))))
    (local.set $x (i32.or (i32.and (i32.shr_u (local.get $x) (i32.const 4)) (i32.const 0x0f0f0f0f))
      (i32.shl (i32.and (local.get $x) (i32.const 0x0f0f0f0f)) (i32.const 4))))
    (local.set $x (i32.or (i32.and (i32.shr_u (local.get $x) (i32.const 8)) (i32.const 0x00ff00ff))
      (i32.shl (i32.and (local.get $x) (i32.const 0x00ff00ff)) (i32.const 8))))
    (i32.rotl (local.get $x) (i32.const 16)))
  (func (export "never") (drop (block (result f64) (unreachable)))))
WAT
wasm-tools parse vectors.wat -o vectors.wasm
python3 "$LUCET_SRC/tests/run/integer_module.py" "${LUCET_SEED:-1}" 60 >random.wat
wasm-tools parse random.wat -o random.wasm

# looks_right WASM MARKED OPTION…: none of the findings is of the kind, and so many functions have marks.
looks_right() {
    local wasm=$1 marked=$2
    shift 2
    "$lucetc" "$@" "$wasm" -o right.so
    "$objdump" --audit --json right.so >report || true
    jq -e --argjson marked "$marked" \
        '.audit.total.findings.effects == null and .audit.effects.closed >= $marked' report >/dev/null || {
        jq -r '.audit.effects, (.audit.findings[] | select(.kind == "effects"))' report | head -n 30 || true
        fail "$wasm $*: marks that the audit cannot prove, or too few"
    }
}

for level in 0 1 2; do
    for cpu in x86-64-v2 x86-64-v4 icelake-server; do
        looks_right vectors.wasm 4 --target-cpu $cpu --opt-level $level
        looks_right random.wasm 120 --target-cpu $cpu --opt-level $level
    done
done
looks_right random.wasm 120 --target-cpu x86-64-v3 -g --precise-traps
looks_right random.wasm 120 --target-cpu znver4 --reserved-size 16MiB --guard-size 64KiB
looks_right random.wasm 0 --target-cpu x86-64-v3 --count-instructions

# All of a frame is above the stack pointer, or it is larger than LLVM says.
echo "(module (memory 1) $(for k in {8..30}; do deep "leaf$k" "$k" '(local.get 0)'; done))" >frames.wat
wasm-tools parse frames.wat -o frames.wasm
for level in 0 1 2; do
    "$lucetc" --opt-level $level --emit asm frames.wasm -o frames.s
    grep -q '[^-][0-9]*(%rsp)' frames.s || fail "level $level: no frames"
    if grep -m 1 -e '-[0-9]*(%rsp)' frames.s; then fail "level $level: a closed function has a red zone"; fi
done

# ---- What the audit finds ----

cat >module.wat <<WAT
(module (import "h" "f" (func \$f (result i32))) (memory \$m 1) (memory \$n 1) (table 4 funcref)
  (func \$leaf (export "leaf") (param i32) (result i32) (i32.add (local.get 0) (i32.load (i32.const 8))))
  (func \$store (export "store") (param i32) (result i32) (i32.store (i32.const 8) (i32.const 1)) (i32.const 2))
  (func (export "store1") (i32.store \$n (i32.const 8) (i32.const 1)))
  (func \$float (export "float") (param i32) (result i32)
    (i32.trunc_sat_f64_s (f64.sqrt (f64.convert_i32_s (local.get 0)))))
  (func (export "vector") (result i32)
    (i32x4.extract_lane 0 (i8x16.swizzle (v128.load (i32.const 0)) (v128.load (i32.const 16)))))
  (func (export "calls_float") (param i32) (result i32) (call \$float (local.get 0)))
  (func (export "calls_store") (param i32) (result i32) (call \$store (local.get 0)))
  (func (export "calls_leaf") (param i32) (result i32) (call \$leaf (i32.add (local.get 0) (i32.const 1))))
  (func (export "imported") (result i32) (call \$f))
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const 100000)))
  (func (export "indirect") (result i32) (call_indirect (result i32) (i32.const 0)))
  (func \$self (export "self") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (i32.add (i32.const 1)
      (call \$self (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 1))))
  (func (export "pair") (result i32) (i32.add (i32.load (i32.const 8)) (i32.load (i32.const 16))))
  (func \$one (export "one") (result i32) (i32.load (i32.const 0)))
  (func \$two (export "two") (result i32) (i32.add (call \$one) (i32.const 1)))
  (func \$three (export "three") (result i32) (i32.add (call \$two) (i32.const 1)))
  (func \$four (export "four") (result i32) (i32.add (call \$three) (i32.const 1)))
  (func (export "five") (result i32) (i32.add (call \$four) (i32.const 1)))
  (func (export "globals") (param i32 i32 i32 i32 i32 i32) (result i32)
    (i32.add (call \$leaf (local.get 0)) (i32.mul (local.get 4) (call \$leaf (local.get 1)))))
  (func (export "large") (param i64) (result i64)
    $(printf '(local i64)%.0s' {1..120})
    $(for k in {1..120}; do echo "(local.set $k (i64.mul (i64.load (i32.const $((8 * k)))) (local.get 0)))"; done)
    (local.get 0)
    $(for k in {1..120}; do echo "(i64.xor (i64.rotl (local.get $k) (local.get $((121 - k)))))"; done))
  $(deep deep0 30 '(local.get 0)')
  $(for k in 1 2 3; do deep "deep$k" 30 "(call \$deep$((k - 1)) (local.get 0))"; done))
WAT
wasm-tools parse module.wat -o module.wasm
"$lucetc" --allow-undefined --target-cpu x86-64-v3 module.wasm -o good.so
"$objdump" --audit=verbose good.so >report || {
    cat report
    fail "the audit finds fault with what lucetc marks"
}
grep -q '^functions marked as closed: 1[0-9], [0-9]* of them quiet, with [1-9][0-9]* bytes of stack' report ||
    fail "the report does not say how many functions have marks"

# found WHAT FUNCTION TEXT: the audit of bad.so exits with 3 and finds that.
found() {
    local code=0
    "$objdump" --audit=verbose bad.so >report || code=$?
    if [ "$code" -ne 3 ] || ! grep -Eq "^  ([a-z_0-9]*[+][0-9a-fx]* <$2>|$2[+].*): effects: $3" report; then
        grep ': effects:' report || true
        fail "$1: exit code $code, or no such finding"
    fi
}
# marked FUNCTION TEXT MARK…: what the audit finds in a function when it, or what it calls, has these marks.
marked() {
    python3 "$LUCET_SRC/tests/run/objdump_mark.py" "$objdump" good.so bad.so "${@:3}"
    found "${*:3}" "$1" "$2"
}
# damage FUNCTION REGEX NEWBYTES [FROM]: bad.so is FROM with another instruction.
damage() {
    python3 "$LUCET_SRC/tests/run/objdump_patch.py" "$objdump" "${4:-good.so}" bad.so "${@:1:3}" >patch.txt ||
        fail "$*: the test does not fit the code any more"
}
# damaged FUNCTION TEXT REGEX NEWBYTES: what the audit finds then.
damaged() {
    damage "$1" "${@:3}"
    found "$*" "$1" "$2"
}

marked float 'no integer instruction'             float=closed
marked vector 'no integer instruction'            vector=quiet
marked calls_float 'call of guest_func_[0-9]*, which is not marked as closed' calls_float=closed
marked calls_store 'call of guest_func_[0-9]*, which is not marked as quiet'  calls_store=quiet
marked calls_leaf 'call of guest_func_[0-9]*, which is not marked as quiet'   leaf=closed
marked calls_leaf 'call of guest_func_[0-9]*, which is not marked as closed'  leaf=any
marked imported 'call of import.0, which is not marked as closed'             imported=closed
marked grow 'call of builtin.memory_grow, which is not marked as closed'      grow=closed
marked fill 'call of builtin.memory_fill, which is not marked as closed'      fill=quiet
marked indirect 'call of gate[0-9.]*, which is not marked as closed'          indirect=closed
marked self 'more than 4 functions within each other'                         self=closed
marked five 'more than 4 functions within each other'                         five=closed
marked store 'store to gs.constant, in code that is marked as quiet'          store=quiet
marked store1 'store to memory-N, in code that is marked as quiet'            store1=quiet
stack='[0-9]* bytes of stack, in code that is marked as quiet'
marked large "$stack" large=quiet
marked deep3 "$stack" deep{0..3}=quiet
if grep -q "<deep0>: effects: " report; then fail "one of the four alone does not use too much stack"; fi

while read -r _ bytes; do
    damaged leaf 'no integer instruction'         'gs:'       "$bytes"
done <<'LIST'
pxor-mmx     0fefc0
xorps        0f57c0
vzeroupper   c5f877
vzeroall     c5fc77
fld1         d9e8
fninit       dbe3
emms         0f77
ldmxcsr      0fae5424f8
stmxcsr      0fae5c24f8
kxnorw       c5f446c9
vpxord-zmm16 62a17d40efc0
fxsave       0fae4424f8
xsave        0fae6424f8
LIST
damaged calls_leaf 'call of nothing'              '^call'     call:+1
damaged calls_leaf 'call of guest_func_[0-9]*, which is not marked as quiet' '^call' jump:store
damaged calls_leaf 'indirect call'                '^call'     ffd7
damaged leaf 'indirect call'                      'gs:'       ffe7
damaged globals 'the stack pointer is not known'  '^call'     4883e4c0 # and rsp, -64
damaged leaf "$stack" 'gs:'                       4881ecc8020000       # sub rsp, 712
damage pair 'gs:' 4881ec58020000 # sub rsp, 600: not too much yet
cp bad.so pair.so
damage pair 'gs:' 48894424a0 pair.so # mov [rsp-96], rax
found "a store below the stack pointer" pair "$stack"
type=$("$objdump" --functions --json good.so | jq '.functions[] | select(.name == "leaf").type_index')
damaged "entry.$type" 'no integer instruction'    '^mov'      0f57c0   # xorps xmm0, xmm0
damaged "entry.$type" 'indirect call'             '^call'     ffd7     # its vector of values
damaged "entry.$type" 'store to other'            '^mov'      658907   # mov gs:[rdi], eax

sed "s/entry\.$type/exits.$type/g" good.so >bad.so
found "another helper as entry" leaf 'the entry for its type is not among the helpers'

# Where code does more than its functions say, nobody reads the artifact.
refused() {
    python3 "$LUCET_SRC/tests/run/objdump_mark.py" "$objdump" good.so bad.so leaf=closed
    if "$objdump" --audit bad.so >report 2>&1; then fail "$1: marks are accepted"; fi
    grep -q 'is marked, and code counts, throws or has tail calls' report || fail "$1: $(cat report)"
}
"$lucetc" --allow-undefined --count-instructions module.wasm -o good.so
refused 'counted instructions'
for more in '(tag)' '(func (param f64) (return_call 1 (local.get 0)))'; do
    echo "(module (func \$leaf (export \"leaf\")) $more)" >more.wat
    wasm-tools parse more.wat -o more.wasm
    "$lucetc" more.wasm -o good.so
    refused "$more"
done

[ "$failures" -eq 0 ]
