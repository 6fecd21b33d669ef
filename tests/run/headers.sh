#!/bin/bash
# The public headers and their macros compile without a warning in every C and C++ that is promised, with both compilers.
set -uo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

cat >"$work/use.c" <<'C'
#include <lucet/compat.h>
#include <lucet/exception.h>
#include <lucet/lucetc.h>
#include <lucet/wasi.h>

static struct lucet_val values[] = {
    LUCET_VAL_INIT(i32, as_i32, 1),   LUCET_VAL_INIT(u64, as_u64, 2),
    LUCET_VAL_INIT(f32, as_f32, 1.5), LUCET_VAL_INIT(bool, as_bool, true),
    LUCET_VAL_INIT(f64, as_f64, 0.5), LUCET_VAL_INIT(c_ptr, as_c_ptr, NULL),
};
uint64_t use(const struct lucet_result *result);
uint64_t use(const struct lucet_result *result)
{
    const struct lucet_val args[] = {
        LUCET_VAL_I32(40), LUCET_VAL_C_PTR(NULL), LUCET_VAL_F64(2.0),    LUCET_VAL_U8(1),
        LUCET_VAL_U16(2),  LUCET_VAL_U32(3),      LUCET_VAL_U64(4),      LUCET_VAL_I8(1),
        LUCET_VAL_I16(2),  LUCET_VAL_I64(3),      LUCET_VAL_USIZE(4),    LUCET_VAL_ISIZE(5),
        LUCET_VAL_BOOL(1), LUCET_VAL_F32(1.0f),   LUCET_VAL_GUEST_PTR(9)};
    const struct lucet_untyped_retval r = result->val.returned;

    return (uint64_t)args[0].inner_val.as_i32 + values[0].inner_val.as_u64 + sizeof(args) +
           LUCET_UNTYPED_RETVAL_TO_U8(r) + LUCET_UNTYPED_RETVAL_TO_U16(r) +
           LUCET_UNTYPED_RETVAL_TO_U32(r) + LUCET_UNTYPED_RETVAL_TO_U64(r) +
           (uint64_t)LUCET_UNTYPED_RETVAL_TO_I64(r) + LUCET_UNTYPED_RETVAL_TO_GUEST_PTR(r) +
           LUCET_UNTYPED_RETVAL_TO_BOOL(r) + (LUCET_UNTYPED_RETVAL_TO_C_PTR(r) != NULL) +
           (uint64_t)LUCET_UNTYPED_RETVAL_TO_F32(r) + (uint64_t)LUCET_UNTYPED_RETVAL_TO_F64(r) +
           lucet_retval_gp(&r).as_u64;
}
C

for dialect in "gcc c c11" "gcc c c17" "gcc c c2x" "gcc c gnu17" "clang-22 c c11" "clang-22 c c17" \
    "clang-22 c c23" "g++ c++ c++11" "g++ c++ c++17" "g++ c++ c++20" "clang++-22 c++ c++11" \
    "clang++-22 c++ c++17" "clang++-22 c++ c++23"; do
    read -r compiler language standard <<<"$dialect"
    if ! command -v "$compiler" >/dev/null; then
        echo "skipped: there is no $compiler"
        skipped=$((skipped + 1))
        continue
    fi
    for file in "$work/use.c" "$LUCET_SRC"/include/lucet/*.h; do
        for option in -O0 -D_GNU_SOURCE; do
            if "$compiler" -x "$language" "-std=$standard" "$option" -Wall -Wextra -pedantic \
                -Werror -fsyntax-only -I "$LUCET_SRC/include" -include "$file" /dev/null \
                >"$work/log" 2>&1; then
                passed=$((passed + 1))
            else
                echo "failed: $dialect $option: ${file##*/}"
                cat "$work/log"
                failed=$((failed + 1))
            fi
        done
    done
done

# What the library hands out has a name; what only hosts give it needs none.
given_by_hosts=' lucet_slot_strategy lucet_signal_behavior lucetc_emit lucetc_opt_level '
while read -r enum; do
    case $given_by_hosts in *" $enum "*) continue ;; esac
    if grep -q "^LUCET_API const char \*${enum}_name(enum $enum " "$LUCET_SRC"/include/lucet/*.h; then
        passed=$((passed + 1))
    else
        echo "failed: enum $enum has no function ${enum}_name"
        failed=$((failed + 1))
    fi
done < <(sed -n 's/^enum \([a-z_]*\) {.*/\1/p' "$LUCET_SRC"/include/lucet/*.h)
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
