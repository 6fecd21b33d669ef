#!/bin/bash
# The cache: hits, misses, damage, trust, size.
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guest basic
basic=$work/basic.wasm
entries() { find "$LUCET_CACHE_DIR" -name '*.so' | wc -l; }

run "$lucet_wasi" "$basic" args
check "a miss" "1 [basic.wasm][args]" "$(entries) $out"
entry=$(find "$LUCET_CACHE_DIR" -name '*.so')
check "the directory is ours alone" 700 "$(stat -c %a "$LUCET_CACHE_DIR")"
check "the entry is ours alone" 600 "$(stat -c %a "$entry")"

# A compiler that is not there proves that it is not needed.
mkdir "$work/bin"
cp "$lucet_wasi" "$work/bin"
printf '#!/bin/sh\necho "compiled: $*" >>"%s/calls"\nexec "%s" "$@"\n' "$work" "$LUCET_BIN/lucetc" \
    >"$work/bin/lucetc"
chmod +x "$work/bin/lucetc"
lucet_wasi=$work/bin/lucet-wasi
calls() { wc -l <"$work/calls"; }
: >"$work/calls"
run "$lucet_wasi" "$basic" args
check "another compiler is another key" "2 1" "$(entries) $(calls)"
run "$lucet_wasi" "$basic" args
check "a hit does not run the compiler" "[basic.wasm][args] 1" "$out $(calls)"
cp "$basic" "$work/other-name.wasm"
run "$lucet_wasi" "$work/other-name.wasm" args
check "a hit by content" "[other-name.wasm][args] 1" "$out $(calls)"
run "$lucet_wasi" --opt-level none "$basic" args
check "another level is another key" 2 "$(calls)"
run "$lucet_wasi" --opt-level 0 "$basic" args
check "another word for the same level is not" 2 "$(calls)"
run "$lucet_wasi" --precise-traps "$basic" args
check "precise traps are another key" 3 "$(calls)"
run "$lucet_wasi" -g "$basic" args
check "debug information is another key" 4 "$(calls)"
touch "$work/bin/lucetc"
run "$lucet_wasi" "$basic" args
check "a compiler that was replaced" 5 "$(calls)"
run "$lucet_wasi" --no-cache "$basic" args
check "--no-cache compiles" "[basic.wasm][args] 6" "$out $(calls)"
mkdir "$work/named"
run "$lucet_wasi" --cache-dir "$work/named/new" "$basic" args
check "--cache-dir" 1 "$(find "$work/named/new" -name '*.so' | wc -l)"

# Damage.
newest() { find "$LUCET_CACHE_DIR" -name '*.so' -printf '%T@ %p\n' | sort -rn | head -n 1 | cut -d ' ' -f 2; }
run "$lucet_wasi" "$basic" args
damaged() { # NAME: what was done to the newest entry
    local before
    before=$(calls)
    run "$lucet_wasi" "$basic" args
    check "$1: runs all the same" "[basic.wasm][args] 0" "$out $status"
    check "$1: made anew" $((before + 1)) "$(calls)"
    run "$lucet_wasi" "$basic" args
    check "$1: repaired" $((before + 1)) "$(calls)"
}
truncate -s 1000 "$(newest)"
damaged "a cut entry"
: >"$(newest)"
damaged "an empty entry"
head -c 60000 /dev/urandom >"$(newest)"
damaged "an entry of garbage"
chmod 666 "$(newest)"
damaged "an entry that others can write"
entry=$(newest)
mv "$entry" "$work/elsewhere.so"
ln -s "$work/elsewhere.so" "$entry"
damaged "an entry that is a link"

# Trust.
chmod 777 "$LUCET_CACHE_DIR"
run "$lucet_wasi" "$basic" args
check "a directory that others can write is not used" 1 "$status"
check_match "... and it says so" 'others can write' "$err"
chmod 700 "$LUCET_CACHE_DIR"
if [ "$(id -u)" = 0 ]; then
    chown 12345 "$LUCET_CACHE_DIR"
    run "$lucet_wasi" "$basic" args
    check "a directory of someone else is not used" 1 "$status"
    chown 0 "$LUCET_CACHE_DIR"
fi
mkdir -p "$work/home/.cache/lucet"
chmod 777 "$work/home/.cache/lucet"
run env -u LUCET_CACHE_DIR -u XDG_CACHE_HOME HOME="$work/home" "$lucet_wasi" "$basic" args
check "a default directory that is not to be trusted: it runs without" "0 [basic.wasm][args]" "$status $out"
check_match "... with a warning" 'is not used' "$err"
run env -u LUCET_CACHE_DIR -u XDG_CACHE_HOME -u HOME "$lucet_wasi" "$basic" args
check "no home: it runs without" "0 [basic.wasm][args]" "$status $out"
run env -u LUCET_CACHE_DIR XDG_CACHE_HOME="$work/xdg" "$lucet_wasi" "$basic" args
check "XDG_CACHE_HOME" 1 "$(find "$work/xdg/lucet" -name '*.so' | wc -l)"

# Large programs are not read again while they have not changed. Theirs is the time that the system keeps; what was
# changed a moment ago is read.
large=$work/large.wasm
grow() { # BYTES: basic.wasm with a custom section of that size
    python3 - "$basic" "$large" "$1" <<'PY'
import sys
def leb(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])
data = b'\1x' + bytes(int(sys.argv[3]))
with open(sys.argv[2], 'wb') as f:
    f.write(open(sys.argv[1], 'rb').read() + b'\0' + leb(len(data)) + data)
PY
}
known() { find "$LUCET_CACHE_DIR" -name '*.id' | wc -l; }
grow 1500000
before=$(calls)
run "$lucet_wasi" "$large" args
check "a large program that is new" "[large.wasm][args] $((before + 1))" "$out $(calls)"
rm -f "$LUCET_CACHE_DIR"/*.id # if that took seconds
for _ in {1..50}; do
    began=$(date +%s)
    grow 1500000
    touch -d '1 hour ago' "$large" # not the time that counts
    run "$lucet_wasi" "$large" args
    [ $(($(date +%s) - began)) -gt 2 ] || break # else it may have been long enough ago
    rm -f "$LUCET_CACHE_DIR"/*.id
done
check "what was changed just now is not remembered" "[large.wasm][args] $((before + 1)) 0" "$out $(calls) $(known)"
sleep 3.1
run "$lucet_wasi" "$large" args
check "a large program is remembered" "[large.wasm][args] $((before + 1)) 1" "$out $(calls) $(known)"
id=$(find "$LUCET_CACHE_DIR" -name '*.id')
printf 'XXXX' | dd of="$id" bs=1 seek=60 conv=notrunc 2>/dev/null
run "$lucet_wasi" "$large" args
check "... and not read: another hash is believed" "[large.wasm][args] $((before + 2))" "$out $(calls)"
rm "$id"
run "$lucet_wasi" "$large" args
check "... and remembered again" "[large.wasm][args] $((before + 2)) 1" "$out $(calls) $(known)"
printf 'X' | dd of="$large" bs=1 seek=$(($(stat -c %s "$large") - 1)) conv=notrunc 2>/dev/null
touch -d '1 hour ago' "$large" # not the time that counts
run "$lucet_wasi" "$large" args
check "a change is seen" "[large.wasm][args] $((before + 3))" "$out $(calls)"
head -c 72 /dev/zero >"$(find "$LUCET_CACHE_DIR" -name '*.id')"
run "$lucet_wasi" "$large" args
check "a damaged memory does not matter" "[large.wasm][args] $((before + 3))" "$out $(calls)"
touch -d '40 days ago' "$(find "$LUCET_CACHE_DIR" -name '*.id')"
touch "$work/bin/lucetc"
run "$lucet_wasi" "$basic" args
check "what was not asked for in a month is forgotten" 0 "$(known)"

# Size: the oldest go first, the new one stays.
find "$LUCET_CACHE_DIR" -name '*.so' -exec touch -d '2 days ago' {} +
: >"$LUCET_CACHE_DIR/.tmp-1-0"
mkdir "$LUCET_CACHE_DIR/.tmp-1-0.dir"
: >"$LUCET_CACHE_DIR/.tmp-1-0.dir/part.o"
touch -d '2 days ago' "$LUCET_CACHE_DIR/.tmp-1-0" "$LUCET_CACHE_DIR/.tmp-1-0.dir"
touch "$work/bin/lucetc"
run env LUCET_CACHE_SIZE=4KiB "$lucet_wasi" "$basic" args
check "LUCET_CACHE_SIZE" 1 "$(entries)"
check "leftovers are removed" 0 "$(find "$LUCET_CACHE_DIR" -name '.tmp*' | wc -l)"

# Many at once.
rm -rf "$LUCET_CACHE_DIR"
for i in 1 2 3 4; do
    "$lucet_wasi" "$basic" args >"$work/out$i" &
done
wait
check "several at once" 4 "$(cat "$work"/out[1-4] | grep -c '^\[basic.wasm\]\[args\]$')"
check "several at once: one entry" 1 "$(entries)"

mv "$work/bin/lucetc" "$work/bin/gone"
run env PATH=/usr/bin:/bin "$lucet_wasi" "$basic" args
check "without a compiler" 1 "$status"
check_match "without a compiler: message" 'lucetc' "$err"
printf '#!/bin/sh\nkill -SEGV $$\n' >"$work/bin/lucetc"
chmod +x "$work/bin/lucetc"
run "$lucet_wasi" "$basic" args
check "a compiler that crashes" 1 "$status"
check_match "a compiler that crashes: message" 'signal 11' "$err"
finish
