#!/bin/bash
# Man pages, --help and the programs' own tables of options name the same options.
set -euo pipefail
export LC_ALL=C
[ -x "$LUCET_BIN/lucetc" ] || {
    echo "skipped: lucetc is not built"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
passed=0 failed=0
same() { # NAME FILE FILE
    if diff -u "$2" "$3"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $1"
        failed=$((failed + 1))
    fi
}
# Options that are understood, but only to say that they are not there yet.
later() { sed -n 's/^ *{"\([^"]*\)",.*OPT_LATER}.*/--\1/p' "$1"; }

options() { grep -Eo -- '(^|[ ,])-(-[a-z][a-z0-9_-]*|[A-Za-z0-9]\b)' | tr -d ' ,' | sort -u; }
# Definitions in a man page: the line behind .TP. Of macros and fonts only the words are left.
defined() {
    sed -n '/^\.SH OPTIONS/,/^\.SH [^O]/p' "$1" | grep -A 1 '^\.TP' | grep -v -e '^\.TP' -e '^--$' |
        sed 's/\\f[BIRP]//g;s/\\-/-/g;s/[",]/ /g' | options
}

for program in lucetc lucet-wasi lucet-objdump; do
    man=$LUCET_SRC/docs/man/$program.1
    code=$(grep -l '^static const struct option' "$LUCET_SRC/src/tools/$program/"*.c)
    "$LUCET_BIN/$program" --help | options >help
    defined "$man" >page
    same "$program: the man page and --help" help page
    sed -n '/^static const struct option/,/^}/s/^ *\({\|SECTION_OPTION(\)"\([a-z][a-z0-9_-]*\)",.*/--\2/p' "$code" | sort -u >table
    grep -e '^--' help >long
    later "$code" | sort -u | comm -23 table - >now
    same "$program: its table and --help" long now
done

# A script, without such a table.
"$LUCET_SRC/share/lucet-perf" --help | options >help
defined "$LUCET_SRC/docs/man/lucet-perf.1" >page
same "lucet-perf: the man page and --help" help page

# No page has mistakes that its formatter sees.
if command -v groff >/dev/null; then
    for page in "$LUCET_SRC"/docs/man/*.[1-8]; do
        groff -man -Tutf8 -ww "$page" >/dev/null 2>warnings || true
        : >none
        same "${page##*/} is well-formed" none warnings
    done
else
    echo "not checked: there is no groff"
fi
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
