#!/bin/bash
# The runtime's process-wide state is what docs/embedding.md lists, and its memory comes from one allocator.
set -euo pipefail
objects=$LUCET_BUILD/CMakeFiles/lucet_runtime_objects.dir/src/runtime
docs=$LUCET_SRC/docs/embedding.md
if [ -n "${LUCET_SANITIZE:-}" ] && [ "$LUCET_SANITIZE" != 0 ]; then
    echo "skipped: the sanitizers add symbols of their own"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# Writable, with a name that is not a compiler's: `mutex`, and `once.0` for a static of a function.
find "$objects" -name '*.o' | sort | while read -r o; do
    source=$LUCET_SRC/src/runtime/${o#"$objects"/}
    [ -e "${source%.o}" ] || continue
    nm "$o" | awk '$2 ~ /^[bBdD]$/ {print $3}' | sed 's/\.[0-9]*$//'
done | sort -u >"$work/state"
[ -s "$work/state" ] || { echo "FAILED: no symbols found"; exit 1; }
# Constants that hold addresses, which are written by the loader only.
grep -vxE 'names|lucet__builtins' "$work/state" >"$work/mutable"
sed -n '/^## The process/,/^## Programs/p' "$docs" >"$work/section"
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

for o in "$objects"/*.o; do
    [ "$(basename "$o")" != allocate.c.o ] || continue
    [ -e "$LUCET_SRC/src/runtime/$(basename "${o%.o}")" ] || continue
    if nm -u "$o" | grep -wE 'malloc|calloc|realloc|free|strdup|strndup|aligned_alloc|posix_memalign|asprintf'; then
        echo "FAILED: $(basename "$o") allocates past allocate.c"
        failed=1
    fi
done
exit $failed
