#!/bin/bash
# install-deps.sh GROUP…: installs the Debian packages of these groups that are missing, and says
# which and why. Asks for nothing, and does nothing when all is there.
set -euo pipefail

# One line each: group, package, what for. `package|command` also accepts a command of that name
# from elsewhere.
packages() {
    cat <<'LIST'
build   gcc|gcc                  the C compiler
build   libc6-dev                the C library's headers
build   make|make                the front door of the build
build   cmake|cmake              describes the build
build   ninja-build|ninja        runs the build
build   pkg-config|pkg-config    finds libraries
build   llvm-22-dev              the code generator behind lucetc
build   lld-22                   the linker that lucetc runs
build   libjansson-dev           reads bindings files
build   libsodium-dev            hashes for the cache of lucet-wasi
build   libzydis-dev             decodes x86 in lucet-objdump
guest   clang-22                 compiles C guests to WebAssembly
guest   lld-22                   links guests (wasm-ld)
guest   wasi-libc                the C library of guests
guest   libclang-rt-22-dev-wasm32  the compiler's support library of guests
guest   libc++-22-dev-wasm32     the C++ library of guests
guest   libc++abi-22-dev-wasm32  the C++ library of guests
test    libcmocka-dev            unit tests
test    gdb                      tests of the debugger support
test    linux-perf|perf          names of guest functions in profiles
test    binutils                 tests that look at artifacts
test    groff-base|groff         man pages are well-formed
test    python3|python3          fetches test tools and sums up results
test    python3-venv             fetches wasm-tools
test    fish|fish                completion of commands
test    g++|g++                  public headers in C++
test    ca-certificates          fetches test tools
test    cargo|cargo              fetches the official test suite
test    sqlite3|sqlite3          runs the extension of examples/sqlite
test    libsqlite3-dev           builds it
test    libpcre2-dev             builds the module of examples/nginx
test    libssl-dev               the same
test    zlib1g-dev               the same
test    binaryen|wasm-opt        makes modules for the differential test
fuzz    csmith|csmith            makes C programs for the differential test
fuzz    libcsmith-dev            headers of these programs
fuzz    nodejs|node              runs the differential test with V8 too
real    python3|python3          fetches guests
real    ca-certificates          fetches guests
real    npm|npm                  fetches guests
bench   hyperfine|hyperfine      measures programs
lint    clang-22                 a second compiler's warnings
lint    clang-format-22          formatting
lint    clang-tidy-22            static analysis
lint    cppcheck|cppcheck        static analysis
lint    shellcheck|shellcheck    shell scripts
lint    git|git                  knows which files are ours
lint    libclang-rt-22-dev       sanitizers and libFuzzer of clang
llvm19  llvm-19-dev              the oldest LLVM that is supported
llvm19  lld-19                   its linker
LIST
}

die() {
    echo "install-deps: $*" >&2
    exit 1
}

[ $# -gt 0 ] || die "usage: install-deps.sh GROUP… (build guest test fuzz real bench lint llvm19)"
[ "${LUCET_NO_DEPS:-}" != 1 ] || exit 0

wanted=$(for group; do packages | awk -v g="$group" '$1 == g { n++; print } END { exit !n }' ||
    die "unknown group '$group'"; done)

if ! command -v dpkg-query >/dev/null; then
    echo "install-deps: this is not a Debian system; make sure of the following yourself" >&2
    echo "(and say LUCET_NO_DEPS=1 to silence this):" >&2
    echo "$wanted" | sed 's/|[^ ]*//; s/^[a-z0-9]* */    /' >&2
    exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | sed -n 's/^.i *  *//p')
missing=()
while read -r _ entry why; do
    package=${entry%|*}
    if grep -qxF -- "$package" <<<"$installed"; then continue; fi
    if [ "$package" != "$entry" ] && command -v "${entry#*|}" >/dev/null; then continue; fi
    case " ${missing[*]} " in *" $package "*) continue ;; esac
    [ ${#missing[@]} -gt 0 ] || echo "Installing what is missing:"
    printf '    %-26s %s\n' "$package" "$why"
    missing+=("$package")
done <<<"$wanted"
[ ${#missing[@]} -gt 0 ] || exit 0

export DEBIAN_FRONTEND=noninteractive
sudo=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
        die "not root, and there is no sudo; run as root: apt-get install ${missing[*]}"
    sudo=(sudo DEBIAN_FRONTEND=noninteractive)
fi

# Another apt-get may be at work; it is waited for. The list of packages has no option for that.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for try in 1 2 3 4 5 6 7 8 9 10; do
    if "${sudo[@]}" apt-get update >"$log" 2>&1; then break; fi
    if ! grep -q 'Could not get lock' "$log" || [ "$try" = 10 ]; then
        cat "$log" >&2
        echo "install-deps: apt-get update failed; trying with the lists that are there" >&2
        break
    fi
    sleep 15
done
if ! "${sudo[@]}" apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=900 \
    "${missing[@]}" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "could not install: ${missing[*]}
install-deps: the packages are those of Debian 12 (bookworm with its security updates);
install-deps: elsewhere, provide the same tools and say LUCET_NO_DEPS=1"
fi
echo "Installed ${#missing[@]} package(s)."
