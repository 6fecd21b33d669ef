#!/bin/bash
# docs/abi.md, sections 1 and 3: the context register, results, the stack, what bodies may address.
# shellcheck disable=SC2016 # patterns are full of dollars
set -euo pipefail
# shellcheck source=tests/run/lib/abi.sh
. "$LUCET_SRC/tests/run/lib/abi.sh"
compile_all

# Memory operands of guest functions other than gs: + …, constant(%rsp), constant(%r13) or data
# beside the code. The context may be in another register: found by where it was copied,
# by way of the stack at times.
strange_operands() { # FILE
    awk '
        /^guest_func_[0-9]+:/ { on = 1; split("", context); context["%r13"] = 1 }
        /^\.Lfunc_end/ { on = 0 }
        on && $1 == "movq" && $2 == "%r13," { context[$3] = 1 }
        on && $1 == "movq" && $2 ~ /\(%rsp\),$/ && substr($2, 1, length($2) - 1) in context { context[$3] = 1 }
        on && /\(/ && !/^[ \t]*(\.|lea|nop|ud1)/ {
            text = $0
            sub(/#.*/, "", text)
            gsub(/%gs:[-0-9]*\([^)]*\)/, "", text)
            gsub(/[-.A-Za-z_0-9]*\(%rip\)/, "", text)
            gsub(/-?[0-9]*\(%rsp\)/, "", text)
            if ($1 == "movslq") gsub(/\(%r[a-z0-9]+,%r[a-z0-9]+,4\)/, "", text)
            while (match(text, /[0-9]+\(%r[a-z0-9]+\)/)) {
                base = substr(text, RSTART, RLENGTH)
                text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
                gsub(/[0-9]*\(|\)$/, "", base)
                if (!(base in context)) print
            }
            if (text ~ /\(/) print
        }' "$1"
}

for v in "${variants[@]}"; do
    s=abi-$v.s
    check "$v C1: a global is addressed through r13" in_body "$s" guest_func_2 '^mov. .*, [0-9]+\(%r1[0-9]\)|^movl .*\(%r13\)'
    check "$v C1: nothing but saving and restoring writes r13 in bodies" test -z "$(
        awk '/^guest_func_[0-9]+:/ { on = 1 } /^\.Lfunc_end/ { on = 0 }
             on && /,[ \t]*%r13d?$/ && !/^[ \t]*movq[ \t]+(%r[a-z0-9]+|[0-9]*\(%rsp\)), %r13$/' "$s")"
    check "$v C2: three results go through scratch space" in_body "$s" guest_func_12 '^movl .*, 4128\(%r'
    check "$v C2: and are read from there" in_body "$s" guest_func_13 '4128\(%r'
    check "$v C3: no frame of variable size" lacks 'sub[lq][[:space:]]+%[a-z0-9]+, %rsp' <"$s"
    check "$v C3: no stack access by register" lacks '\(%rsp,' <"$s"
    check "$v C3: no address of the stack" lacks 'lea[lq][[:space:]]+[-0-9]*\(%rsp\), %r([a-z]|1[0-9]|[89])' \
        < <(for i in $(seq 16); do body "$s" "guest_func_$i"; done)
    check "$v C3: no realignment" lacks 'and[lq][[:space:]]+\$-[0-9]+, %rsp' <"$s"
    check "$v section 5: guest functions address nothing else: $(strange_operands "$s" | head -n 1)" \
        test -z "$(strange_operands "$s")"
    check "$v section 5: indirect jumps of bodies are jump tables" test -z "$(
        awk '/^guest_func_[0-9]+:/ { on = 1 } /^\.Lfunc_end/ { on = 0 }
             on && /(call|jmp)q?[ \t]+\*/ && !/jmpq[ \t]+\*%r/' "$s")"
    check "$v C10: recursion is a call" in_body "$s" guest_func_4 '^callq guest_func_4'
    check "$v C10: and what follows it a return" not_in_body "$s" guest_func_11 '^jmp import'
done

for v in "${variants[@]}"; do
    body "abi-$v.s" guest_func_15 | grep -q '^jmpq \*' || continue # compared one by one
    check "$v: a br_table is the one shape of jump table" in_order "abi-$v.s" guest_func_15 \
        '^(cmp|sub)[lq]' '^j(a|ae|b|be) ' '^leaq .*\(%rip\)' '^movslq \(%' '^addq' '^jmpq \*%r'
done
finish
