#!/bin/bash
# Completion in bash and fish: every option that --help lists is offered, and the words it offers are the ones
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
check "a module" "a.wasm a.wat sub" "$(offers lucetc '')"
check "an artifact, too" "a.so a.wasm a.wat sub" "$(offers lucet-wasi '')"
check "artifacts only" "a.so sub" "$(offers lucet-objdump '')"
check "bindings" "a.json" "$(offers lucetc a --bindings)"
for option in --dir --dir-ro --cache-dir; do
    check "a directory for $option" "sub" "$(offers lucet-wasi '' $option)"
done
check "an artifact for lucet-perf" "a.so sub" "$(offers lucet-perf '' --artifact)"
check "a command for lucet-perf" yes "$([[ " $(offers lucet-perf lucet-w) " == *" lucet-wasi "* ]] && echo yes)"
after_equals() { # PROGRAM OPTION WORD
    COMP_WORDS=("$1" "$2" "=" "$3") COMP_CWORD=3
    offers "$1" "$3" =
}
check "a word behind =" "speed speed_and_size" "$(after_equals lucetc --opt-level sp)"
check "bindings behind =" "a.json" "$(after_equals lucetc --bindings a)"
check "an option" "--opt-level" "$(offers lucetc --opt)"
check "its words" "speed speed_and_size" "$(offers lucetc sp --opt-level)"
PATH=$PATH:$LUCET_SRC/share
for program in lucetc lucet-wasi lucet-objdump lucet-perf; do
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

# --- fish ---

command -v fish >/dev/null || {
    echo "not run: fish is not installed"
    tally
    exit
}
mkdir fish
for program in lucetc lucet-wasi lucet-objdump lucet-perf; do
    cp "$LUCET_SRC/completions/lucet.fish" fish/$program.fish
done
fish_offers() { # COMMAND-LINE
    HOME=$work fish --no-config -c "set -g fish_complete_path $work/fish; complete -C '$1'" | cut -f 1 | sort | xargs
}
check "fish: a module" "a.wasm a.wat fish/ sub/" "$(fish_offers 'lucetc ')"
check "fish: an artifact, too" "a.so a.wasm a.wat fish/ sub/" "$(fish_offers 'lucet-wasi ')"
check "fish: artifacts only" "a.so fish/ sub/" "$(fish_offers 'lucet-objdump ')"
check "fish: bindings" "a.json" "$(fish_offers 'lucetc --bindings a')"
check "fish: a directory" "sub/" "$(fish_offers 'lucet-wasi --dir s')"
check "fish: a short option's argument" "a.json a.so a.txt a.wasm a.wat" "$(fish_offers 'lucetc -o a')"
for option in --emit --opt-level --error-style; do
    check "fish: the words of $option" "$(_lucet_values $option | xargs -n 1 | sort | xargs)" \
        "$(fish_offers "lucetc $option ")"
done
check "fish: the words of --region" "mmap uffd" "$(fish_offers 'lucet-wasi --region ')"
for program in lucetc lucet-wasi lucet-objdump lucet-perf; do
    check "fish: the options of $program" \
        "$("$program" --help | sed -n 's/^ .*\(--[a-z][a-z0-9-]*\).*/\1/p' | sort -u | xargs)" \
        "$(fish_offers "$program --")"
done
tally
