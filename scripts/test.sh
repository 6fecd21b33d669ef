#!/bin/bash
# test.sh [--spec | --real | --sanitize | --tsan]: runs tests and ends with the line
# "N passed, N failed, N skipped", the sum over all of them.
#
#   (nothing)    unit tests, tests that run the programs, and a cut of the official suite
#   --spec       the official suite, whole
#   --real       real programs as guests
#   --sanitize   unit and run tests, built with AddressSanitizer and UBSan
#   --tsan       unit tests of the runtime, built with ThreadSanitizer; with LUCET_TSAN=quick those in
#                which threads meet, otherwise all, with 100,000 kills in every state of a run
set -euo pipefail
cd "$(dirname "$0")/.."

mode=${1:-}
LUCET_SRC=$PWD
LUCET_BUILD=$(realpath -m "${BUILD:-build}")
JOBS=${JOBS:-$(nproc)}
[ "$mode" != --sanitize ] || LUCET_BUILD=$LUCET_SRC/build-sanitize
[ "$mode" != --tsan ] || LUCET_BUILD=$LUCET_SRC/build-tsan
LUCET_BIN=$LUCET_BUILD/bin
LUCET_CORPORA=$LUCET_SRC/build/corpora
PATH=$LUCET_CORPORA/bin:$PATH
export LUCET_SRC LUCET_BUILD LUCET_BIN LUCET_CORPORA PATH WASM_CC=clang-22
results=()

run_ctest() { # NAME CTEST_OPTION…: tests go on after a failure, the closing line tells
    local name=$1
    shift
    echo "== $name =="
    rm -f "$LUCET_BUILD/$name.xml"
    ctest --test-dir "$LUCET_BUILD" --output-on-failure --no-tests=ignore -j "$JOBS" \
        --output-junit "$LUCET_BUILD/$name.xml" \
        --test-output-size-passed 1000000 --test-output-size-failed 1000000 "$@" || true
    results+=("$LUCET_BUILD/$name.xml")
}

run_script() { # NAME SCRIPT ARGUMENT…: a runner that prints its own closing line
    local log=$LUCET_BUILD/$1.log script=$2 status=0
    echo "== $1 =="
    shift 2
    if [ ! -e "$script" ]; then
        echo "skipped: $script does not exist yet"
        return
    fi
    bash "$script" "$@" 2>&1 | tee "$log" || status=${PIPESTATUS[0]}
    # Whoever fails without counting a failure has failed all the same.
    if [ "$status" != 0 ] && ! grep -Eq '^[0-9]+ passed, [1-9][0-9]* failed' "$log"; then
        echo "failed: $script ended with exit code $status"
        echo "0 passed, 1 failed, 0 skipped" >"$log"
    fi
    results+=("$log")
}

fetch() {
    scripts/fetch-corpora.sh "$@" || echo "fetching failed; what needs these files will fail or skip"
    if [ ! -e "$LUCET_BUILD/corpora" ]; then ln -s "$LUCET_CORPORA" "$LUCET_BUILD/corpora"; fi
}

case $mode in
--spec)
    fetch wasm-tools spec
    LUCET_SPEC=full run_script spec tests/spec/run.sh
    ;;
--real)
    fetch wasm-tools real
    run_script real tests/real/run.sh
    ;;
--sanitize)
    cmake -G Ninja -S . -B "$LUCET_BUILD" -DLUCET_SANITIZE=ON -DLUCET_LLVM="${LLVM:-22}" \
        >/dev/null
    cmake --build "$LUCET_BUILD" -j "$JOBS"
    fetch wasm-tools
    run_ctest sanitize
    ;;
--tsan)
    tests='^unit_(run|runtime)_'
    if [ "${LUCET_TSAN:-}" = quick ]; then
        tests+='((kill_states|program|wasi_program|neighbours|slice|yield|shared|fresh|linking|region|stores|timeout|expire|bound|load)(_on_demand)?|'
        tests+='(bulk|deep_stacks|failures|faults|host|image|kill|locked|memories|memory|owners|scanners|segments?|soak|stack|threads|traps)_on_demand)$'
    else
        export LUCET_KILLS=${LUCET_KILLS:-100000}
    fi
    cmake -G Ninja -S . -B "$LUCET_BUILD" -DCMAKE_C_COMPILER=clang-22 -DLUCET_TSAN=ON \
        -DLUCET_LLVM="${LLVM:-22}" >/dev/null
    cmake --build "$LUCET_BUILD" -j "$JOBS" --target unit_tests_runtime
    fetch wasm-tools
    run_ctest tsan -R "$tests"
    ;;
'')
    fetch wasm-tools spec
    fetch nginx
    run_ctest unit -L unit
    run_ctest run -LE unit
    LUCET_SPEC=quick run_script spec tests/spec/run.sh
    run_script fuzz-diff fuzz/diff/run.sh --count 60 --seed 1 --some-modes 3 --generator ops --generator smith \
        --generator ttf --generator calls --generator closed
    ;;
*)
    echo "usage: test.sh [--spec | --real | --sanitize | --tsan]" >&2
    exit 2
    ;;
esac

echo
python3 scripts/count-tests.py "${results[@]}"
