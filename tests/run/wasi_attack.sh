#!/bin/bash
# A hostile program, whole: tries every way out that WASI has, with and without directories, while the
# host looks at what changed.
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guest attack

mkdir -p "$work/top/dir/sub" "$work/top/ro"
cd "$work/top"
echo secret >secret
echo mine >dir/mine
echo kept >ro/kept
ln -s .. dir/up
ln -s ../secret dir/outward
ln -s /etc/passwd dir/absolute
ln -s /proc dir/proc
ln -s nowhere dir/dangling
ln -s ../created dir/dangling-out
state() { find . -printf '%p %y %s %l\n' | sort; }
before=$(state)

run "$lucet_wasi" --dir dir::/dir --dir-ro ro::/ro "$work/attack.wasm" </dev/null
grep WRONG "$work/out" || true
check "nothing got through" 0 "$status"
expect "all was tried" [ "$(grep -c '^ok' "$work/out")" -gt 350 ]
check "nothing changed" "$before" "$(state)"
check "no file was spoilt" "secret mine kept" "$(cat secret dir/mine ro/kept | paste -sd ' ')"

run "$lucet_wasi" "$work/attack.wasm" nothing </dev/null
grep WRONG "$work/out" || true
check "without directories there is no access at all" 0 "$status"

# A terminal gets text, not commands; anything else gets every byte.
guest basic
if command -v script >/dev/null; then
    script -qec "'$lucet_wasi' '$work/basic.wasm' escape" /dev/null >"$work/tty" </dev/null
    check "a terminal gets no ESC" 0 "$(grep -c $'\033' "$work/tty" || true)"
    check "a terminal gets no C1 control" 0 "$(LC_ALL=C grep -c $'\302\233' "$work/tty" || true)"
    expect "a terminal gets its text" grep -q $'grün' "$work/tty"
else
    echo "script is not there: terminals are tested by unit tests only"
fi
"$lucet_wasi" "$work/basic.wasm" escape >"$work/plain"
expect "a file gets every byte" grep -q $'\033\\[31mred' "$work/plain"

finish
