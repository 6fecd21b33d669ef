#!/bin/bash
# What `make install` puts on a system is fit for embedders: libraries that bring no names but
# their own and need libc only, headers that compile alone, pkg-config files that work, also with
# another prefix and in a package's folder.
# shellcheck disable=SC2317 # most functions are called by `check`
set -uo pipefail

skip() {
    echo "skipped: $*"
    exit 77
}
[ "${LUCET_SANITIZE:-0}" != 1 ] || skip "a build with sanitizers is not for installation"
[ -e "$LUCET_BUILD/lib/liblucet.so" ] || skip "the runtime is not built"
for tool in nm readelf strip pkg-config gcc g++; do
    command -v $tool >/dev/null || skip "there is no $tool"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0 failed=0
check() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@" >log 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "failed: $what: $*"
        cat log
    fi
}
finish() {
    echo "$passed passed, $failed failed, 0 skipped"
    exit $((failed > 0))
}

installs() {
    DESTDIR=$work/root cmake --install "$LUCET_BUILD" --prefix /usr
}
check "it can be installed" installs
[ $failed = 0 ] || finish
usr=$work/root/usr
lib=$(dirname "$(find "$usr" -name liblucet.a)")
libraries=(lucet lucet-wasi)
[ ! -e "$lib/liblucetc.a" ] || libraries+=(lucetc)

for file in bash-completion/completions/lucet-wasi zsh/site-functions/_lucet \
    fish/vendor_completions.d/lucet-wasi.fish bash-completion/completions/lucet-perf; do
    check "completion: $file" test -s "$usr/share/$file"
done

check "lucet-perf can be run" "$usr/bin/lucet-perf" --help
check "lucet-gdb.py is there" test -s "$usr/share/lucet/lucet-gdb.py"

# --- Names ---

only_own() { # PREFIX: symbols on standard input, one a line; at least one
    local found
    found=$(cat)
    [ -n "$found" ] && ! grep -v "^$1" <<<"$found"
}
archive_names() {
    nm -g --defined-only --format=posix "$1" | sed -n 's/^\([^ ]*\) [A-Z].*/\1/p' | only_own "$2"
}
exported_names() {
    nm -D --defined-only --format=posix "$1" | sed -n 's/^\([^ ]*\) [A-Z].*/\1/p' | only_own "$2"
}
soname() {
    [ "$(readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')" = "$2" ]
}
one_interface() { # the static and the shared library offer the same
    diff <(nm -g --defined-only --format=posix "$lib/lib$1.a" | sed -n 's/ [A-Z] .*//p' | sort) \
        <(nm -D --defined-only --format=posix "$lib/lib$1.so" | sed -n 's/ [A-Z] .*//p' | sort)
}
declared() { # every public function of the headers is there, and nothing else
    diff <(cat "$usr"/include/lucet/*.h | grep -v '^#' | tr '\n' ' ' | grep -o 'LUCET_API [^;{]*(' |
        sed 's/(.*//; s/.*[ *]//' | sort -u) \
        <(for l in "${libraries[@]}"; do
            nm -D --defined-only --format=posix "$lib/lib$l.so" | sed -n 's/ [A-Z] .*//p'
        done | sort -u)
}
for name in "${libraries[@]}"; do
    prefix=lucet_
    [ "$name" != lucetc ] || prefix=lucetc_
    check "lib$name.a has no names but its own" archive_names "$lib/lib$name.a" "$prefix"
    check "lib$name.so has no names but its own" exported_names "$lib/lib$name.so" "$prefix"
    check "lib$name.a and lib$name.so offer the same" one_interface "$name"
    check "soname of lib$name.so" soname "$lib/lib$name.so" "lib$name.so.0"
done
[ ${#libraries[@]} != 3 ] || check "the libraries are what the headers declare" declared

# --- Size and needs ---

small() {
    strip -o stripped "$lib/liblucet.so" && [ "$(stat -c %s stripped)" -lt $((300 * 1024)) ]
}
needs() { # FILE LIBRARY…: nothing else. The loader is a part of libc.
    diff <(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux' | sort) \
        <(printf '%s\n' "${@:2}" | sort)
}
no_path() { # nor does it look for libraries where it was built
    ! readelf -d "$1" | grep -E 'RPATH|RUNPATH'
}
check "liblucet.so is smaller than 300 KiB" small
check "liblucet.so needs libc only" needs "$lib/liblucet.so" libc.so.6
check "liblucet-wasi.so needs libc and liblucet only" needs "$lib/liblucet-wasi.so" \
    libc.so.6 liblucet.so.0
for name in "${libraries[@]}"; do
    check "lib$name.so has no path" no_path "$lib/lib$name.so"
done

# --- Headers ---

for header in "$usr"/include/lucet/*.h; do
    for std in c11 c17 c2x; do
        check "${header##*/} in $std" gcc -std=$std -Wall -Wextra -pedantic -Werror \
            -fsyntax-only -x c -include "$header" -I "$usr/include" /dev/null
    done
    for std in c++11 c++17 c++20; do
        check "${header##*/} in $std" g++ -std=$std -Wall -Wextra -pedantic -Werror \
            -fsyntax-only -x c++ -include "$header" -I "$usr/include" /dev/null
    done
done

# --- Programs made with pkg-config ---

# Ours before those of the system, which lucetc needs.
PKG_CONFIG_LIBDIR=$lib/pkgconfig:$(pkg-config --variable pc_path pkg-config)
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR=$work/root
# An embedder's own names may be those that are used inside the libraries.
cat >own.c <<'C'
#include <lucet/wasi.h>
#include <stdio.h>
int lucet__fail = 1, push = 2, round_up = 3, lucet__enter = 4, wasi_poll = 5;
int main(void)
{
    struct lucet_region *region = NULL;
    struct lucet_linker *linker = NULL;
    if (lucet_mmap_region_create(2, NULL, &region) || lucet_linker_new(&linker) ||
        lucet_wasi_link(linker))
        return 1;
    printf("%zu slots %d\n", lucet_region_free_slots(region), lucet__fail);
    lucet_linker_release(linker);
    lucet_region_release(region);
    return 0;
}
C
cat >compile.c <<'C'
#include <lucet/lucetc.h>
#include <stdio.h>
int push = 1, rules = 2, lucet__fail = 3;
int main(void)
{
    struct lucetc_options options = lucetc_options_default();
    struct lucetc_diagnostic diagnostic;
    enum lucet_error e = lucetc_compile("\0asm\2\0\0\0", 8, &options, "out.so", &diagnostic);
    printf("%d %s\n", e, diagnostic.kind);
    return e != lucet_error_compile;
}
C
# The headers, the library and pkg-config say the same version.
cat >version.c <<'C'
#include <lucet/lucet.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    char text[40];
    snprintf(text, sizeof text, "%d.%d.%d", LUCET_VERSION_MAJOR, LUCET_VERSION_MINOR, LUCET_VERSION_PATCH);
    puts(lucet_version());
    return strcmp(text, LUCET_VERSION) != 0;
}
C
same_version() {
    [ "$(LD_LIBRARY_PATH=$lib ./version)" = "$(pkg-config --modversion lucet)" ] &&
        [ "$(LD_LIBRARY_PATH=$lib ./version)" = "$(sed -n 's/^#define LUCET_VERSION "\(.*\)"/\1/p' "$usr/include/lucet/types.h")" ]
}
# An embedder in C++ has the same values to pass.
cat >cxx.cc <<'CC'
#include <lucet/lucet.h>
static const lucet_val args[] = {LUCET_VAL_I32(40), LUCET_VAL_F64(2)};
struct holder {
    lucet_val v = LUCET_VAL_C_PTR(nullptr);
};
int main()
{
    lucet_dl_module *module;
    int n = 1;
    lucet_val v = LUCET_VAL_I32(n);
    return lucet_dl_module_load("/nonexistent", &module) != lucet_error_dl || v.inner_val.as_i32 != 1 ||
           args[0].inner_val.as_i32 != 40 || args[1].inner_val.as_f64 != 2 || holder().v.inner_val.as_c_ptr;
}
CC
flags() {
    pkg-config "$@" || echo pkg-config-failed
}
# shellcheck disable=SC2046 # flags are words
{
    check "pkg-config, shared" gcc -std=c17 -Wall -Wextra -pedantic -Werror own.c -o own \
        $(flags --cflags --libs lucet-wasi)
    check "a program with the shared libraries" env LD_LIBRARY_PATH="$lib" ./own
    check "the program uses them" needs ./own libc.so.6 liblucet-wasi.so.0 liblucet.so.0
    # -static would take libc too; here only the archives are on offer.
    mkdir archives && cp "$lib"/*.a archives
    check "pkg-config, static" gcc own.c -o own-static $(flags --cflags lucet-wasi) -Larchives \
        $(flags --static --libs-only-l --libs-only-other lucet-wasi)
    check "a program with the static libraries" ./own-static
    check "the program holds them" needs ./own-static libc.so.6
    check "entirely static" gcc -static own.c -o own-all-static \
        $(flags --static --cflags --libs lucet-wasi)
    check "an entirely static program" ./own-all-static
    check "a program that asks for the version" gcc version.c -o version $(flags --cflags --libs lucet)
    check "the version" same_version
    check "C++" g++ -std=c++17 -Wall -Wextra -pedantic -Werror cxx.cc -o cxx \
        $(flags --cflags --libs lucet)
    check "a program in C++" env LD_LIBRARY_PATH="$lib" ./cxx
    if [ -e "$lib/liblucetc.a" ]; then
        check "lucetc, shared" gcc compile.c -o compile $(flags --cflags --libs lucetc)
        check "a program that compiles" env LD_LIBRARY_PATH="$lib" ./compile
    fi
}

# --- Manual pages ---

pages=("$usr"/share/man/man*/*)
check "there are manual pages" test -e "${pages[0]}"
finish
