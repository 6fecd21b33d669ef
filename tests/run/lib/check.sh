# shellcheck shell=bash
# For tests that compare many things: base.sh, and check(), which counts; end with tally.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"

passed=0 failed=0

check() { # NAME WANTED HAVE
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        echo "FAILED: $1: wanted '$2', have '$3'"
        failed=$((failed + 1))
    fi
}

tally() { # the line that is counted, and the exit code
    echo "$passed passed, $failed failed, 0 skipped"
    [ "$failed" = 0 ]
}
