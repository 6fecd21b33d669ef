#!/bin/bash
# Completion in bash: every option that --help lists is offered, and the words it offers are the ones
# that the programs take.
# shellcheck source=tests/run/lib/check.sh
. "$LUCET_SRC/tests/run/lib/check.sh"
# shellcheck source=completions/lucet.bash
. "$LUCET_SRC/completions/lucet.bash"
offers() { # PROGRAM WORD BEFORE
    _lucet "$1" "$2" "${3:-$1}"
    printf '%s\n' "${COMPREPLY[@]}" | sort | xargs
}

touch a.wasm a.wat a.so a.json a.txt
mkdir sub
check "a module" "a.wasm a.wat sub/" "$(offers lucetc '')"
check "an artifact, too" "a.so a.wasm a.wat sub/" "$(offers lucet-wasi '')"
check "artifacts only" "a.so sub/" "$(offers lucet-objdump '')"
check "bindings" "a.json" "$(offers lucetc a --bindings)"
check "a directory" "sub" "$(offers lucet-wasi '' --dir)"
check "an option" "--opt-level" "$(offers lucetc --opt)"
check "its words" "speed speed_and_size" "$(offers lucetc sp --opt-level)"
for program in lucetc lucet-wasi lucet-objdump; do
    offered=" $(offers "$program" --) "
    listed=$("$program" --help | grep -Eo -- '--[a-z][a-z0-9_-]*' | sort -u)
    check "$program lists options" yes "$([ "$(wc -w <<<"$listed")" -gt 3 ] && echo yes)"
    for option in $listed; do
        check "$program $option" yes "$([[ $offered == *" $option "* ]] && echo yes)"
    done
done

# A word that lucetc does not take is answered by the words that it takes.
taken() { lucetc "$1" no-such-word x.wasm 2>&1 | sed -n 's/.*takes one of \(.*\), not .*/\1/p' | tr -d ','; }
for option in --emit --opt-level --error-style; do
    check "the words of $option" "$(taken $option | xargs -n 1 | sort | xargs)" \
        "$(_lucet_values $option | xargs -n 1 | sort | xargs)"
done
check "the words of --region" "$(lucet-wasi --region no-such-word x.wasm 2>&1 | sed -n 's/.*takes one of \(.*\), not .*/\1/p' | tr -d ',')" \
    "$(_lucet_values --region)"
tally
