#!/bin/bash
# run.sh: the official WebAssembly test suite through lucet-spectest. suites.txt says which folders of it
# there are. Ends with the line "N passed, N failed, N skipped" over all modes.
#
#   LUCET_SPEC=quick (default)  the folders that are complete, in two modes: the default one, and the one that
#                               differs most from it
#   LUCET_SPEC=full             all folders; three levels of optimisation, with and without --precise-traps
#   LUCET_SPEC="0 1p"           all folders in these modes (p: --precise-traps)
#   LUCET_SPEC_FILTER=PATTERN   only files whose name, or folder/name, matches
#   LUCET_SPEC_OPTIONS=OPTIONS  more options for lucet-spectest, such as --verbose
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${LUCET_BUILD:-$root/build}
bin=${LUCET_BIN:-$build/bin}
corpora=${LUCET_CORPORA:-$root/build/corpora}
jobs=${JOBS:-$(nproc)}
suite=$corpora/spec
scripts=$build/spec
manifest=$build/spec.manifest
PATH=$corpora/bin:$PATH

extent=full
case ${LUCET_SPEC:-quick} in
quick) modes=(1 2p) extent=quick ;;
full) modes=(0 1 2 0p 1p 2p) ;;
*) read -ra modes <<<"$LUCET_SPEC" ;;
esac

if [ ! -e "$suite/wasm-v2/i32.wast" ] || ! command -v wasm-tools >/dev/null; then
    echo "skipped: the suite is not there; scripts/fetch-corpora.sh wasm-tools spec fetches it"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

mkdir -p "$scripts"
python3 "$root/tests/spec/manifest.py" "$suite" "$scripts" "$extent" >"$manifest"
# Converted once for all modes.
cut -f 2 "$manifest" | xargs -P "$jobs" -n 8 "$root/tests/spec/convert.sh" "$suite" "$scripts"

read -ra more <<<"${LUCET_SPEC_OPTIONS:-}"
total=(0 0 0)
table=()
status=0
for mode in "${modes[@]}"; do
    options=(--opt-level "${mode%p}" -j "$jobs" --timeout 3600 --json "$build/spec-$mode.json" "${more[@]}")
    [ "$mode" = "${mode%p}" ] || options+=(--precise-traps)
    [ -z "${LUCET_SPEC_FILTER:-}" ] || options+=(--filter "$LUCET_SPEC_FILTER")
    echo "== mode $mode =="
    log=$build/spec-$mode.log
    "$bin/lucet-spectest" "${options[@]}" --manifest "$manifest" 2>&1 | tee "$log" || status=1
    read -r p f s < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
        "$log" | tail -n 1) || {
        echo "mode $mode did not come to an end"
        p=0 f=1 s=0 status=1
    }
    table+=("$(printf '%-8s %8d passed %6d failed %6d skipped' "$mode" "$p" "$f" "$s")")
    total=($((total[0] + p)) $((total[1] + f)) $((total[2] + s)))
done

echo
echo "by mode (level of optimisation; p: precise traps):"
printf '%s\n' "${table[@]}"
echo "${total[0]} passed, ${total[1]} failed, ${total[2]} skipped"
exit $status
