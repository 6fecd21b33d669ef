# shellcheck shell=bash
# For tests of programs: source this first. Gives $work, a directory of the test's own that is removed at the end and
# is the current one; skip() and requires(). Programs of ours come first on the path.
set -euo pipefail
export LC_ALL=C
: "${LUCET_BIN:?}" "${LUCET_SRC:?}" "${LUCET_BUILD:?}"
PATH=$LUCET_BIN:$LUCET_SRC/build/corpora/bin:$PATH

skip() { # WORDS…
    echo "skipped: $*"
    exit 77
}
requires() { # PROGRAM…: without them the test is skipped
    local program
    for program; do
        command -v "$program" >/dev/null || skip "there is no $program"
    done
}

work=$(mktemp -d "${TMPDIR:-/tmp}/lucet-run-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
