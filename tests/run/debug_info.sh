#!/bin/bash
# lucetc -g: lines of the guest's source in backtraces and in gdb, and the same code as without.
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
guest traps -g -O1
lucetc=$LUCET_BIN/lucetc
cd "$work"
line_of() { # PATTERN: the first line of the guest's source that has it
    grep -nm 1 -- "$1" "$LUCET_SRC/tests/guests/wasi/traps.c" | cut -d : -f 1
}

"$lucetc" --wasi traps.wasm -o plain.so
for jobs in 1 2; do
    "$lucetc" --wasi -g -j $jobs traps.wasm -o debug$jobs.so
    objcopy -O binary -j .text debug$jobs.so debug$jobs.text
done
objcopy -O binary -j .text plain.so plain.text
expect "the code is the same as without" cmp plain.text debug1.text
expect "the artifact is the same for every number of threads" cmp debug1.so debug2.so
run "$lucet_wasi" debug1.so bounds
check "it traps" 134 "$status"
where=$(line_of '0xfffffff0')
check_match "the innermost frame" "0: out_of_bounds .*, module offset 0x[0-9a-f]+, .*/traps.c:$where"$'\n' "$err"
check_match "its caller" "[1-9]: main .*traps.c:$(line_of 'return deeper(3)')"$'\n' "$err"

# The offset in the module is that of the load.
offset=$(sed -n 's/ *0: .*module offset \(0x[0-9a-f]*\),.*/\1/p' <<<"$err")
code=$(od -An -tx1 -j $((offset)) -N 1 traps.wasm | tr -d ' ')
check_match "the offset is that of a load" '^2[89]$' "$code"

# Relative names begin where the compiler ran, in both forms of the tables.
mkdir -p there/sub
cp "$LUCET_SRC/tests/guests/wasi/traps.c" there/sub
for version in 4 5; do
    (cd there && "$WASM_CC" --target=wasm32-wasi --sysroot=/usr --no-wasm-opt -O1 -Wno-deprecated -gdwarf-$version \
        sub/traps.c -o relative$version.wasm)
    "$lucetc" --wasi -g there/relative$version.wasm -o relative$version.so
    run "$lucet_wasi" relative$version.so bounds
    check_match "a relative name in DWARF $version" "0: out_of_bounds .*, $work/there/sub/traps.c:$where"$'\n' "$err"
done

run "$lucet_wasi" plain.so bounds
check_match "without -g there is neither" '0: out_of_bounds \(wasm function [0-9]+\) \+ 0x[0-9a-f]+'$'\n' "$err"

run "$lucet_wasi" -g traps.wasm bounds
check_match "lucet-wasi -g compiles with lines" "0: out_of_bounds .*traps.c:$where"$'\n' "$err"
run "$lucet_wasi" traps.wasm bounds
check_match "... which are not in the cache for those who do not ask" 'out_of_bounds \(wasm function [0-9]+\) \+ 0x[0-9a-f]+'$'\n' "$err"

# A module without lines of source has its own offsets.
"$WASM_CC" --target=wasm32-wasi --sysroot=/usr --no-wasm-opt -O1 -Wno-deprecated \
    "$LUCET_SRC/tests/guests/wasi/traps.c" -o no-dwarf.wasm -Wl,--strip-debug
"$lucetc" --wasi -g no-dwarf.wasm -o no-dwarf.so
run "$lucet_wasi" no-dwarf.so bounds
check_match "offsets without DWARF" '0: out_of_bounds [^,]*, module offset 0x[0-9a-f]+'$'\n' "$err"

# Sections of lies: ignored, or refused, but no harm.
python3 - traps.wasm lies.wasm <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
at = data.index(b".debug_line") + 11
for i in range(at + 40, at + 4000, 7):
    data[i] = (data[i] * 31 + i) & 255
open(sys.argv[2], "wb").write(data)
PY
"$lucetc" --wasi -g lies.wasm -o lies.so
run "$lucet_wasi" lies.so bounds
check "damaged line tables do not matter" 134 "$status"

# perf knows the artifact by its build-id, in a cache of its own here.
export HOME=$work
if perf record -q -e cpu-clock -o self.data true 2>/dev/null; then
    "$WASM_CC" --target=wasm32-wasi --sysroot=/usr --no-wasm-opt -Wno-deprecated -O1 -x c - -o spin.wasm <<'C'
unsigned x = 1;
int main(void)
{
    for (unsigned i = 0; i < 300000000; i++)
        x = x * 1664525u + (x >> 3) + i;
    return x == 7 ? 6 : 5;
}
C
    "$lucetc" --wasi spin.wasm -o spin.so
    status=0
    said=$(PATH=$LUCET_BIN:$PATH "$LUCET_SRC/share/lucet-perf" -e cpu-clock -o guest.data "$lucet_wasi" spin.so) || status=$?
    check_match "perf names the guest's functions" '%.*memfd:lucet-module.* (__original_)?main\[[0-9]+\]' "$said"
    check "lucet-perf ends as the command did" 5 "$status"
    profile() { # ARGUMENT…: of lucet-perf
        rm -rf .debug
        PATH=$LUCET_BIN:$PATH "$LUCET_SRC/share/lucet-perf" -e cpu-clock -o guest.data "$@" 2>&1 || true
    }
    names='%.*memfd:lucet-module.* (__original_)?main\[[0-9]+\]'
    check_match "programs from the cache" "$names" "$(profile "$lucet_wasi" spin.wasm)"
    check_match "from another cache" "$names" "$(profile "$lucet_wasi" --cache-dir other --opt-level 0 spin.wasm)"
    # A module without names: what is exported is called what it is exported as.
    cat >nameless.wat <<'WAT'
(module (memory (export "memory") 1) (func (export "_start") (local $x i32) (local $i i32)
  (loop (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (local.get $i)))
    (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300000000))))
  (i32.store (i32.const 0) (local.get $x))))
WAT
    "$lucetc" --wasi nameless.wat -o nameless.so
    check_match "functions without a name" '%.*memfd:lucet-module.* _start\[0\]' "$(profile "$lucet_wasi" nameless.so)"
    mkdir hidden
    "$lucetc" --wasi --opt-level 0 spin.wasm -o hidden/spin.so
    check_match "artifacts that are not on the command line" "$names" \
        "$(profile -a hidden sh -c "'$lucet_wasi' hid*/*.so")"
    check_match "says when it knows no names" 'have no names \(build-id [0-9a-f]+\): name its artifact' \
        "$(profile sh -c "'$lucet_wasi' hid*/*.so")"
else
    echo "not checked: perf cannot record here"
fi

if ! command -v gdb >/dev/null; then
    echo "not checked: there is no gdb"
    finish
fi
cat >commands <<GDB
set pagination off
set confirm off
set breakpoint pending on
directory $LUCET_SRC
break traps.c:$(line_of 'return deeper(3)')
run
backtrace 2
delete
step
continue
GDB
session() { # WHAT ARGUMENT…: of lucet-wasi
    local said
    gdb -q -nx -batch -x "$LUCET_SRC/share/lucet-gdb.py" -x commands --args "$lucet_wasi" "${@:2}" >gdb.out 2>&1 || true
    said=$(cat gdb.out)
    check_match "gdb stops at a line of the guest ($1)" "Breakpoint 1, main .*traps.c:$(line_of 'return deeper(3)')" "$said"
    check_match "shows the source" "return deeper\(3\);" "$said"
    check_match "names the frames" '#1 .*in __main_void' "$said"
    check_match "steps to the fault" "SIGSEGV" "$said"
    check_match "and knows its line" "out_of_bounds \(\) at .*traps.c:$where" "$said"
}
mkdir 'a "b'
TMPDIR="$work/a \"b" session "an artifact" debug1.so bounds
session "a module" -g traps.wasm bounds

# A process that was running before the script was there.
cat >late <<GDB
set pagination off
set confirm off
directory $LUCET_SRC
break lucet_instance_run
run
source $LUCET_SRC/share/lucet-gdb.py
lucet-symbols "late one.so"
break traps.c:$(line_of 'return deeper(3)')
continue
GDB
cp debug1.so "late one.so"
gdb -q -nx -batch -x late --args "$lucet_wasi" "late one.so" bounds >gdb.out 2>&1 || true
check_match "lucet-symbols finds an artifact" "main .*traps.c:$(line_of 'return deeper(3)')" "$(cat gdb.out)"
finish
