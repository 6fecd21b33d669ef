# For the tests of docs/abi.md: what lucetc makes of tests/guests/abi.wat, as text. Sourced.
# shellcheck shell=bash
# shellcheck disable=SC2016 # patterns for grep and WebAssembly text are full of dollars

skip() {
    echo "skipped: $*"
    exit 77
}
lucetc=$LUCET_BIN/lucetc
[ -x "$lucetc" ] || skip "lucetc is not built"
PATH=$LUCET_SRC/build/corpora/bin:$PATH
command -v wasm-tools >/dev/null || skip "there is no wasm-tools"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit

passed=0 failures=0

# check WORDS COMMAND…: the command succeeds
check() {
    local words=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failures=$((failures + 1))
        echo "FAILED: $words"
    fi
}

# The closing line and the exit code of the test.
finish() {
    echo "$passed passed, $failures failed, 0 skipped"
    [ "$failures" = 0 ]
    exit
}

# Assembly of abi.wat in abi-NAME.s, for each way to compile. x86-64-v2 is the least there is; v4 has
# every kind of vector; native is this machine's.
compile_all() {
    wasm-tools parse "$LUCET_SRC/tests/guests/abi.wat" -o abi.wasm
    variants=()
    local level cpu precise
    for level in 0 1 2; do
        for cpu in x86-64-v2 x86-64-v4 native; do
            for precise in "" --precise-traps; do
                local name=$level-$cpu$precise
                # shellcheck disable=SC2086 # empty or one word
                "$lucetc" --allow-undefined --opt-level $level --target-cpu $cpu $precise \
                    --emit asm -o "abi-$name.s" abi.wasm
                variants+=("$name")
            done
        done
    done
}

# body FILE FUNCTION: its instructions, one a line, without directives, comments and labels of no
# interest; blanks are single.
body() {
    awk -v name="$2:" '
        $1 == name { on = 1; next }
        /^\.Lfunc_end/ { on = 0 }
        on && !/^[ \t]*\.(cfi|p2align|loc|file)/ { sub(/[ \t]*#.*/, ""); gsub(/[ \t]+/, " "); sub(/^ /, ""); if ($0 != "") print }
    ' "$1"
}

# has PATTERN, lacks PATTERN: of the text on standard input.
has() {
    grep -Eq -- "$1"
}
lacks() {
    ! grep -Eq -- "$1"
}
# in_body FILE FUNCTION PATTERN, not_in_body FILE FUNCTION PATTERN
in_body() {
    body "$1" "$2" | has "$3"
}
not_in_body() {
    body "$1" "$2" | lacks "$3"
}
# in_order FILE FUNCTION PATTERN…: lines that match, in this order
in_order() {
    local file=$1 function=$2
    shift 2
    local text at=0 pattern line
    text=$(body "$file" "$function")
    for pattern; do
        line=$(tail -n +$((at + 1)) <<<"$text" | grep -nE -m1 -- "$pattern" | cut -d: -f1)
        [ -n "$line" ] || return 1
        at=$((at + line))
    done
}
