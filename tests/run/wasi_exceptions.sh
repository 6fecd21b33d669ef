#!/bin/bash
# A C++ program that throws in every way the language has, and a C program of setjmp and longjmp, with
# exceptions in the standard form and in the older one: they do what they do when compiled for this machine.
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guests=$LUCET_SRC/tests/guests/exceptions
cxx=${WASM_CC/clang/clang++}
command -v "$cxx" >/dev/null || skip "there is no $cxx"
common=(--target=wasm32-wasi --sysroot=/usr --no-wasm-opt -O2 -Wall -Wno-deprecated -DDEFINE_TAGS)

"$cxx" -std=c++17 -O2 -o "$work/native" "$guests/program.cpp"
"$work/native" >"$work/program.expected"
cat >"$work/jumps.expected" <<END
top 0
top 1
top 2
top 1
number 12
bad character x in 3x
number 45
bad character ? in ?
sum 300000
out of qsort 1300
END

for legacy in false true; do
    form=(-mllvm "-wasm-use-legacy-eh=$legacy")
    "$cxx" "${common[@]}" -std=c++17 -fwasm-exceptions "${form[@]}" \
        "$guests/program.cpp" "$guests/runtime.cpp" -o "$work/program.wasm"
    "$WASM_CC" "${common[@]}" -mexception-handling -mllvm -wasm-enable-sjlj "${form[@]}" \
        "$guests/jumps.c" "$guests/setjmp_runtime.c" -o "$work/jumps.wasm"
    for options in '--opt-level 0' '--opt-level 1' '--opt-level 2 --precise-traps'; do
        for program in program jumps; do
            what="$program, legacy $legacy, $options"
            # shellcheck disable=SC2086 # two words
            "$LUCET_BIN/lucetc" --wasi $options "$work/$program.wasm" -o "$work/$program.so"
            run "$lucet_wasi" "$work/$program.so"
            check "$what: exit code" 0 "$status"
            check "$what: output" "$(cat "$work/$program.expected")" "$out"
            # Sums whose bounds LLVM knew from elsewhere it cannot prove (docs/audit.md).
            "$LUCET_BIN/lucet-objdump" --audit=verbose "$work/$program.so" >"$work/audit" || true
            check "$what: the audit finds nothing of exceptions" "" \
                "$(sed -n '/^largest frame/,/^result/p' "$work/audit" |
                    grep -v -e '^largest' -e '^functions marked' -e '^result' \
                            -e 'gs + what may lie outside' || true)"
        done
        run "$lucet_wasi" "$work/program.so" -- throw
        check "what nothing catches, legacy $legacy, $options: exit code" 134 "$status"
        check_match "and the reason" \
            'guest threw an exception that nothing caught \(values of type "i:" [0-9]+\)$' "$err"
        check "what it printed before is there" "$(cat "$work/program.expected")" "$out"
    done
done
finish
