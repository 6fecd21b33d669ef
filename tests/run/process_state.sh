#!/bin/bash
# The runtime's process-wide state is what docs/embedding.md lists, and its memory, and that of liblucet-wasi, comes from one allocator.
set -euo pipefail
docs=$LUCET_SRC/docs/embedding.md
if [ -n "${LUCET_SANITIZE:-}" ] && [ "$LUCET_SANITIZE" != 0 ]; then
    echo "skipped: the sanitizers add symbols of their own"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# One line a symbol: `name.c.o: value type name`. Objects whose source is gone may still lie there.
symbols() { # PART
    local objects=$LUCET_BUILD/CMakeFiles/lucet_$1_objects.dir
    find "$objects/src/$1" -name '*.o' | sort | while read -r o; do
        source=$LUCET_SRC/${o#"$objects"/}
        if [ -e "${source%.o}" ]; then echo "$o"; fi
    done | xargs nm -A | sed 's|^.*/||'
}
symbols runtime >"$work/runtime"
symbols wasi >"$work/wasi"

# Writable, with a name that is not a compiler's: `mutex`, and `once.0` for a static of a function.
awk '$(NF - 1) ~ /^[bBdD]$/ {sub(/\.[0-9]*$/, "", $NF); print $NF}' "$work/runtime" | sort -u >"$work/state"
[ -s "$work/state" ] || { echo "FAILED: no symbols found"; exit 1; }
# Constants that hold addresses, which are written by the loader only.
grep -vxE 'names|lucet__builtins' "$work/state" >"$work/mutable"
sed -n '/^## The process/,/^## System calls/p' "$docs" >"$work/section"
while read -r name; do
    grep -qF "\`$name\`" "$work/section" || grep -qE "^lucet__(have_|vector_|xsave_)" <<<"$name" || {
        echo "FAILED: $name is process-wide state that docs/embedding.md does not list"
        failed=1
    }
done <"$work/mutable"

# In the other direction: names in the third column that are no longer there.
# shellcheck disable=SC2016 # backquotes of the document
grep -oE '`[a-z_]+`' <(awk -F'|' '/^\|/ {print $3}' "$work/section") | tr -d '`' | sort -u | while read -r name; do
    grep -qx -- "$name" "$work/state" || echo "$name"
done >"$work/gone"
if [ -s "$work/gone" ]; then
    echo "FAILED: docs/embedding.md lists state that is not there: $(tr '\n' ' ' <"$work/gone")"
    failed=1
fi

allocators='malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign|asprintf'
if awk '$(NF - 1) == "U" {print $1, $NF}' "$work/runtime" "$work/wasi" | grep -v '^allocate\.c\.o:' |
    grep -E " ($allocators)(@.*)?$"; then
    echo "FAILED: these allocate past allocate.c"
    failed=1
fi
exit $failed
