#!/bin/bash
# Real programs as guests: compiles each, runs it, checks what it says. Prints a line for each with
# what it cost. Needs `scripts/fetch-corpora.sh real` (make test-real does that).
#   LUCET_REAL="python yosys"   only these
#   LUCETC_FLAGS="--opt-level 0" for lucetc
# shellcheck disable=SC2317 # the checks are called by name
set -euo pipefail
: "${LUCET_BIN:?}" "${LUCET_SRC:?}" "${LUCET_BUILD:?}"
corpora=${LUCET_CORPORA:-$LUCET_BUILD/corpora}
read -ra flags <<<"${LUCETC_FLAGS:-}"
WASM_CC=${WASM_CC:-clang-22}
work=$(mktemp -d "${TMPDIR:-/tmp}/lucet-real-XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

mebibytes() { awk -v n="$1" 'BEGIN { printf "%.1f", n / 1048576 }'; }
row() { printf '%-10s %9s %11s %11s %11s %12s %9s  %s\n' "$@"; }

skip() { # NAME WHY
    row "$1" - - - - - - "skipped: $2"
    skipped=$((skipped + 1))
}

# test_program NAME MODULE: compiles, then calls check_NAME in an empty directory, with `guest` to run the
# program. The first run of `guest` is the one whose time is shown.
test_program() {
    local name=$1 module=$2 compile_s=- compile_kib=0 compile_cpu=- size=0 code verdict=ok
    [[ " ${LUCET_REAL:-$name} " == *" $name "* ]] || return 0
    [ -s "$module" ] || {
        skip "$name" "there is no $module"
        return 0
    }
    artifact=$work/$name.so
    run_s=-
    mkdir -p "$work/$name"
    if python3 "$LUCET_SRC/tests/real/measure.py" "$work/cost" "$LUCET_BIN/lucetc" --wasi \
        "${flags[@]}" "$module" -o "$artifact" 2>"$work/log"; then
        read -r compile_s compile_kib compile_cpu <"$work/cost"
        size=$(stat -c %s "$artifact")
        set +e # in a list with ||, a check would go on after its first failure
        (
            set -e
            cd "$work/$name"
            "check_$name"
        ) >"$work/log" 2>&1
        code=$?
        set -e
        [ $code = 0 ] || verdict=FAILED
        run_s=$(cat "$work/$name.time" 2>/dev/null || echo -)
    elif grep -q 'the feature .* is not enabled' "$work/log"; then
        skip "$name" "$(sed -n 's/.*\(the feature .* is not enabled\).*/\1/p' "$work/log" | head -n 1)"
        return 0
    else
        verdict="FAILED to compile"
    fi
    row "$name" "$(mebibytes "$(stat -c %s "$module")") MiB" "$compile_s s" "$compile_cpu s" "$((compile_kib / 1024)) MiB" \
        "$(mebibytes "$size") MiB" "$run_s s" "$verdict"
    if [ "$verdict" = ok ]; then
        passed=$((passed + 1))
    else
        sed 's/^/    /' "$work/log" | tail -n 30
        failed=$((failed + 1))
    fi
    rm -f "$artifact"
}

guest() { # ARGUMENT…: options of lucet-wasi, --, the program's arguments
    local options=() status=0
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    python3 "$LUCET_SRC/tests/real/measure.py" "$work/cost" timeout 300 \
        "$LUCET_BIN/lucet-wasi" "${options[@]}" "$artifact" "$@" || status=$?
    [ -e "${artifact%.so}.time" ] || cut -d ' ' -f 1 "$work/cost" >"${artifact%.so}.time"
    return "$status"
}

same() { # WHAT WANT HAVE
    [ "$2" = "$3" ] || {
        echo "$1: wanted '$2', have '$3'"
        return 1
    }
}

contains() { # FILE REGEX
    grep -Eq "$2" "$1" || {
        echo "no line like '$2' in $(basename "$1"):"
        head -n 20 "$1"
        return 1
    }
}

check_iostream() {
    local status=0
    echo 'the cat and the dog and the bird' | guest --dir .::/d -- /d/file >out || status=$?
    same 'exit code' 5 "$status"
    same 'output' $'     3 the\n     2 and\n     1 bird\n     1 cat\n     1 dog\n7.926991 2.815491\n0xbeef true\nwritten by C++' "$(cat out)"
    same 'file' 'written by C++' "$(cat file)"
}

check_python() {
    local status=0
    cat >script.py <<'PY'
import collections, decimal, hashlib, json, os, re, sys, zlib
data = json.loads('{"a": [1, 2, {"b": null}], "c": "\\u00e4"}')
print(json.dumps(data, sort_keys=True))
print(re.sub(r"(\w+)@(\w+)", r"\2 at \1", "user@host"))
print(hashlib.sha256(b"lucet").hexdigest())
print(sum(x * x for x in range(100000)), decimal.Decimal(2).sqrt())
assert zlib.decompress(zlib.compress(b"abc" * 1000)) == b"abc" * 1000
with open("/d/in.txt") as f:
    words = collections.Counter(f.read().split())
with open("/d/out.txt", "w") as f:
    for word, n in sorted(words.items()):
        print(word, n, file=f)
os.mkdir("/d/made")
os.rename("/d/out.txt", "/d/made/result.txt")
print(sorted(os.listdir("/d")), os.stat("/d/made/result.txt").st_size)
def deep(n):
    return 0 if n == 0 else 1 + deep(n - 1)
print(deep(900))
try:
    deep(10**6)
except RecursionError:
    print("recursion is bounded")
try:
    open("/etc/passwd")
except OSError as e:
    print("no way out:", type(e).__name__)
print(sys.argv[1:], os.environ.get("WHO"))
sys.exit(3)
PY
    echo 'one two two three three three' >in.txt
    guest --dir .::/d --env WHO=me -- /d/script.py x y >out 2>err || status=$?
    cat err
    same 'exit code' 3 "$status"
    cat >want <<'WANT'
{"a": [1, 2, {"b": null}], "c": "\u00e4"}
host at user
WANT
    printf 'lucet' | sha256sum | cut -d ' ' -f 1 >>want
    cat >>want <<'WANT'
333328333350000 1.414213562373095048801688724
['in.txt', 'made', 'script.py'] 20
900
recursion is bounded
no way out: FileNotFoundError
['x', 'y'] me
WANT
    rm -f err
    diff want <(sed "s/'err', \|'out', //g" out)
    same 'file' 'one 1 three 3 two 2' "$(paste -sd ' ' made/result.txt)"
}

check_yosys() {
    guest -- -V >version
    contains version '^Yosys [0-9.]+'
    cat >counter.v <<'V'
module counter(input clk, input reset, input [3:0] step, output reg [7:0] value);
    always @(posedge clk)
        if (reset) value <= 0;
        else value <= value + step * 3;
endmodule
V
    mkdir tmp
    guest --dir .::/d --dir tmp::/tmp --dir-ro "$corpora/yosys/share::/share" -- -q -l /d/log -p \
        'read_verilog /d/counter.v; synth_ice40 -top counter -json /d/counter.json; stat; write_verilog /d/out.v'
    contains log 'SB_DFF'
    contains log 'SB_LUT4'
    contains log 'End of script'
    contains out.v '^module counter'
    python3 -c 'import json; m = json.load(open("counter.json"))["modules"]["counter"]; assert len(m["cells"]) > 8'
}

check_ripgrep() {
    local status=0
    guest -- --version >version
    contains version '^ripgrep [0-9]'
    mkdir tree
    for i in 1 2 3; do
        seq $((i * 1000)) $((i * 1000 + 999)) >"tree/$i.txt"
    done
    guest --dir-ro tree::/t -- --no-config --sort path -n '^2(3|4).5$' /t >found
    same 'lines found' 20 "$(wc -l <found)"
    contains found '^/t/2.txt:306:2305$'
    guest --dir-ro tree::/t -- --no-config nothing /t >found || status=$?
    same 'exit code when nothing is found' 1 "$status"
}

check_flite() {
    guest --dir .::/d -- -t 'Trust no one.' -o /d/speech.wav
    contains speech.wav 'WAVEfmt'
    [ "$(stat -c %s speech.wav)" -gt 10000 ]
    cp speech.wav first.wav
    guest --dir .::/d -- -t 'Trust no one.' -o /d/speech.wav
    cmp first.wav speech.wav
}

row program module compile processor peak artifact run ''
if command -v "${WASM_CC/clang/clang++}" >/dev/null &&
    "${WASM_CC/clang/clang++}" --target=wasm32-wasi --sysroot=/usr -O2 -fno-exceptions \
        -Wno-deprecated "$LUCET_SRC/tests/guests/wasi/iostream.cpp" -o "$work/iostream.wasm"; then
    test_program iostream "$work/iostream.wasm"
else
    skip iostream "there is no ${WASM_CC/clang/clang++} with a C++ library for wasm32"
fi
test_program ripgrep "$corpora/ripgrep/rg.wasm"
test_program flite "$corpora/flite/flite.wasm"
test_program python "$corpora/python/python.wasm"
test_program yosys "$corpora/yosys/gen/yosys.core.wasm"
echo
echo "$passed passed, $failed failed, $skipped skipped"
exit $((failed > 0))
