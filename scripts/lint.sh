#!/bin/bash
# lint.sh [--format]: checks formatting and the width of lines, compiles with gcc and clang with
# warnings as errors, and runs clang-tidy, cppcheck and shellcheck. With --format it only rewrites
# the sources' format.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
llvm=${LLVM:-22}

sources() { # PATTERN…: tracked and new files of ours that match
    git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do
        [ ! -e "$f" ] || echo "$f"
    done
}
mapfile -t c_files < <(sources '*.c' '*.h')
mapfile -t assembly < <(sources '*.S' '*.inc')
mapfile -t documents < <(sources '*.md')
mapfile -t scripts < <(sources '*.sh' '*.bash' .ci/run share/lucet-perf)

if [ "${1:-}" = --format ]; then
    clang-format-22 -i "${c_files[@]}"
    exit 0
fi

failed=()
check() { # NAME COMMAND…: every check runs, whatever the others found
    local name=$1 start=$SECONDS
    shift
    if "$@"; then
        printf 'lint: %-14s ok (%d s)\n' "$name" $((SECONDS - start))
    else
        printf 'lint: %-14s FAILED (%d s)\n' "$name" $((SECONDS - start))
        failed+=("$name")
    fi
}

# Objects only: the compilers' warnings are wanted, not their programs.
compile() { # COMPILER DIR
    local fuzz=OFF
    case $1 in clang*) fuzz=ON ;; esac
    cmake -G Ninja -S . -B "$2" -DCMAKE_C_COMPILER="$1" -DLUCET_WERROR=ON -DLUCET_FUZZ=$fuzz \
        -DLUCET_LLVM="$llvm" >/dev/null || return 1
    local targets
    targets=$(ninja -C "$2" -t targets all | sed -n 's/^\(CMakeFiles.*\.o\): .*/\1/p')
    [ -n "$targets" ] || return 0
    # shellcheck disable=SC2086 # the targets are words
    ninja -C "$2" -j "$jobs" -k 0 --quiet $targets
}

# Every file of the compilation database once, though it may be part of several targets.
tidy() {
    local files
    files=$(python3 - <<'PY'
import json, os
database = "build-lint-clang/compile_commands.json"
entries = json.load(open(database)) if os.path.exists(database) else []
seen = {os.path.relpath(e["file"]) for e in entries}
print("\n".join(sorted(f for f in seen if f.startswith("src/") and f.endswith(".c"))))
PY
    )
    [ -n "$files" ] || return 0
    echo "$files" | xargs -P "$jobs" -n 4 clang-tidy-22 --quiet -p build-lint-clang \
        --warnings-as-errors='*' 2>/dev/null
}

run_cppcheck() {
    local files
    mapfile -t files < <(sources 'src/*.c')
    [ ${#files[@]} -gt 0 ] || return 0
    cppcheck --quiet --std=c11 --language=c -j "$jobs" --inline-suppr --error-exitcode=1 \
        --enable=warning,portability --suppressions-list=.cppcheck-suppressions \
        --library=scripts/cppcheck.cfg \
        -Iinclude -Isrc -D__x86_64__=1 -D__GNUC__=12 -D__linux__=1 \
        --cppcheck-build-dir="$(mkdir -p build-lint-gcc/cppcheck && echo build-lint-gcc/cppcheck)" \
        "${files[@]}"
}

# Lines of documents and of sources have at most 100 columns. Rows of tables, blocks of code and what
# has a web address in it cannot be wrapped.
columns() { # FILE…
    python3 - "$@" <<'PY'
import sys
failed = False
for path in sys.argv[1:]:
    code = False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if text.startswith("```"):
                code = not code
            elif len(line.rstrip("\n")) > 100 and not (
                code or text.startswith("|") or "https://" in text
            ):
                print(f"{path}:{number}: more than 100 columns")
                failed = True
sys.exit(failed)
PY
}

check format clang-format-22 --dry-run -Werror "${c_files[@]}"
check columns columns "${documents[@]}" "${c_files[@]}" "${assembly[@]}"
check shellcheck shellcheck "${scripts[@]}"
check gcc compile gcc build-lint-gcc
check clang compile clang-22 build-lint-clang
check clang-tidy tidy
check cppcheck run_cppcheck

if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: failed: ${failed[*]}"
    exit 1
fi
echo "lint: all checks passed"
