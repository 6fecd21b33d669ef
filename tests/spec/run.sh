#!/bin/bash
# run.sh: the official WebAssembly 2.0 test suite through lucet-spectest. Ends with the line
# "N passed, N failed, N skipped" over all modes.
#
#   LUCET_SPEC=quick (default)  two modes: the default one, and the one that differs most from it
#   LUCET_SPEC=full             three levels of optimisation, with and without --precise-traps
#   LUCET_SPEC="0 1p"           these modes (p: --precise-traps)
#   LUCET_SPEC_FILTER=PATTERN   only files whose name matches
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${LUCET_BUILD:-$root/build}
bin=${LUCET_BIN:-$build/bin}
corpora=${LUCET_CORPORA:-$root/build/corpora}
jobs=${JOBS:-$(nproc)}
suite=$corpora/spec/wasm-v2
# Vectors are a folder of their own, taken from the latest suite: one file of it needs several memories.
vectors=$corpora/spec/simd
scripts=$build/spec
PATH=$corpora/bin:$PATH

case ${LUCET_SPEC:-quick} in
quick) modes=(1 2p) ;;
full) modes=(0 1 2 0p 1p 2p) ;;
*) read -ra modes <<<"$LUCET_SPEC" ;;
esac

if [ ! -e "$suite/i32.wast" ] || ! command -v wasm-tools >/dev/null; then
    echo "skipped: the suite is not there; scripts/fetch-corpora.sh wasm-tools spec fetches it"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

mkdir -p "$scripts"
files=()
for wast in "$suite"/*.wast "$vectors"/*.wast; do
    name=$(basename "$wast" .wast)
    files+=("$scripts/$name/$name.json")
done
# Converted once for all modes.
printf '%s\0' "$suite"/*.wast "$vectors"/*.wast |
    xargs -0 -P "$jobs" -I '{}' "$root/tests/spec/convert.sh" '{}' "$scripts"

total=(0 0 0)
status=0
for mode in "${modes[@]}"; do
    options=(--opt-level "${mode%p}" --skip simd_memory-multi -j "$jobs"
        --json "$build/spec-$mode.json")
    [ "$mode" = "${mode%p}" ] || options+=(--precise-traps)
    [ -z "${LUCET_SPEC_FILTER:-}" ] || options+=(--filter "$LUCET_SPEC_FILTER")
    echo "== mode $mode =="
    log=$build/spec-$mode.log
    "$bin/lucet-spectest" "${options[@]}" "${files[@]}" 2>&1 | tee "$log" || status=1
    read -r p f s < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
        "$log" | tail -n 1) || {
        echo "mode $mode did not come to an end"
        p=0 f=1 s=0 status=1
    }
    total=($((total[0] + p)) $((total[1] + f)) $((total[2] + s)))
done

echo
echo "${total[0]} passed, ${total[1]} failed, ${total[2]} skipped"
exit $status
