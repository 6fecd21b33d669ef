#!/bin/bash
# An artifact says all that its code needs, whatever --target-feature adds or takes away: by that the loader decides
# whether it can run, and the runtime which registers are cleared before it does.
set -euo pipefail
command -v wasm-tools >/dev/null || { echo "skipped: there is no wasm-tools"; exit 77; }
command -v objdump >/dev/null || { echo "skipped: there is no objdump"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >module.wat <<'WAT'
(module (memory 1)
  (func (export "convert") (param i64) (result f64) (f64.convert_i64_u (local.get 0)))
  (func (export "choose") (param i32) (result v128)
    (v128.bitselect (v128.load (local.get 0)) (v128.load offset=16 (local.get 0)) (v128.load offset=32 (local.get 0)))))
WAT
wasm-tools parse module.wat -o module.wasm
passed=0 failed=0

# features CPU CHANGES PATTERN: the list of features matches; AVX-512 is in the code exactly if it is on the list.
features() {
    local list code=no stated=no
    "$LUCET_BIN/lucetc" --target-cpu "$1" --target-feature "$2" module.wasm -o module.so
    list=$("$LUCET_BIN/lucet-objdump" --headers --json module.so |
        python3 -c 'import json, sys; print("", *json.load(sys.stdin)["headers"]["cpu_features"], "")')
    objdump -d module.so >code
    ! grep -Eq 'vcvtusi2sd|vpternlog' code || code=yes
    case $list in *" avx512f "*) stated=yes ;; esac
    if [[ $list =~ $3 ]] && [ $code = $stated ]; then
        passed=$((passed + 1))
    else
        echo "failed: $1 $2: AVX-512 in the code: $code; features:$list"
        failed=$((failed + 1))
    fi
}
features x86-64-v4 +bmi ' avx512f .* avx512vl '
features x86-64-v3 +bmi ' avx2 '
features x86-64-v4 -avx512f ' f16c $'
features x86-64-v4 -avx2 ' f16c $'
features x86-64-v4 -avx ' lzcnt movbe $'
features x86-64-v3 +avx512vl ' f16c avx512f avx512vl $'
features x86-64-v3 +avx512bw ' f16c avx512f avx512bw $'
features x86-64-v2 +avx512vbmi ' avx .*avx2 .*avx512f avx512bw avx512vbmi $'
features x86-64-v2 +avxvnni ' avx avx2 avxvnni $'
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
