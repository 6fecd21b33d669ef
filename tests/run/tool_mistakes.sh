#!/bin/bash
# The programs on wrong command lines, full disks, closed pipes and signals: what they say, their exit codes,
# and that they leave nothing behind.
# shellcheck source=tests/run/lib/check.sh
. "$LUCET_SRC/tests/run/lib/check.sh"
requires python3 wasm-tools
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"

export TMPDIR=$work/tmp LUCET_CACHE_DIR=$work/cache
mkdir tmp dir

answers() { # COMMAND…: exit code, and what is said on standard error, in one line
    local status=0
    timeout 600 "$@" >/dev/null 2>said || status=$?
    echo "$status $(tr '\n' ' ' <said)" | sed 's/ $//'
}
usage() { # PROGRAM MESSAGE: a wrong command line
    echo "2 $1: $2 Try \"$1 --help\"."
}

echo '(module (func (export "f") (param i32) (result i32) local.get 0))' >f.wat
lucetc f.wat
wasm-tools parse f.wat -o f.wasm

# --- Options ---

for program in lucetc lucet-wasi lucet-objdump; do
    check "$program, no such option" "$(usage $program 'there is no option --no-such-thing')" \
        "$(answers $program --no-such-thing f.so)"
    check "$program, no such letter" "$(usage $program 'there is no option -Q')" "$(answers $program -Q f.so)"
    check "$program, an argument too many" "$(usage $program '--help takes no argument')" \
        "$(answers $program --help=x f.so)"
    check "$program, --version: no argument" "$(usage $program '--version takes no argument')" \
        "$(answers $program --version=1 f.so)"
    check "$program, a hostile option" "$(usage $program 'there is no option --\x1b[31m')" \
        "$(answers $program $'--\033[31m' f.so)"
    check "$program, no file" "1 $([ $program = lucetc ] || echo "$program: ")nowhere: $([ $program = lucet-wasi ] ||
        echo 'error: ')No such file or directory" "$(answers $program nowhere)"
    check "$program, a directory" "1 $([ $program = lucetc ] || echo "$program: ")dir: $([ $program = lucet-wasi ] ||
        echo 'error: ')Is a directory" "$(answers $program dir)"
done
check "a slip" "$(usage lucetc 'there is no option --bindngs; did you mean --bindings?')" \
    "$(answers lucetc --bindngs=b.json f.wasm)"
check "another" "$(usage lucet-wasi 'there is no option --max-heapsize; did you mean --max-heap-size?')" \
    "$(answers lucet-wasi --max-heapsize 1 f.so)"
check "and another" "$(usage lucet-objdump 'there is no option --import; did you mean --imports?')" \
    "$(answers lucet-objdump --importz f.so | sed 's/importz/import/')"
check "an option that is not there yet is not suggested" "$(usage lucetc 'there is no option --signature-kegen')" \
    "$(answers lucetc --signature-kegen f.wasm)"
check "an abbreviation of two" "$(usage lucetc '--target- may be --target-cpu, --target-feature')" \
    "$(answers lucetc --target- x f.wasm)"
check "an abbreviation of one" "0" "$(answers lucetc --allow f.wasm -o x.so)"
check "an option without its argument" "$(usage lucetc '-o needs an argument')" "$(answers lucetc f.wasm -o)"
check "a long one" "$(usage lucetc '--emit needs an argument')" "$(answers lucetc f.wasm --emit)"

PATH=$PATH:$LUCET_SRC/share
check "lucet-perf, no command" "2 lucet-perf: no command; try --help" "$(answers lucet-perf)"
check "lucet-perf, no such command" "2 lucet-perf: no-such-thing: command not found" "$(answers lucet-perf no-such-thing)"
check "lucet-perf, no such option" "2 lucet-perf: there is no option --artefact; try --help" "$(answers lucet-perf --artefact)"
check "lucet-perf, no argument" "2 lucet-perf: --event needs an argument" "$(answers lucet-perf --event)"
for option in "-a nowhere" --artifact=nowhere; do
    # shellcheck disable=SC2086 # words
    check "lucet-perf $option" "2 lucet-perf: nowhere: No such file or directory" "$(answers lucet-perf $option true)"
done

# --- Files ---

check "bindings that are a directory" "1 dir: error: Is a directory" "$(answers lucetc --bindings dir f.wasm)"
check "a reservation that is none" \
    "1 f.wasm: error: the reserved size must be a multiple of 4096 and at most 4 GiB" \
    "$(answers lucetc --reserved-size 5 f.wasm)"
check "a guard that is none" "1 f.wasm: error: the guard size must be a multiple of 4096 and at most 64 GiB" \
    "$(answers lucetc --guard-size 1TiB f.wasm)"
echo 'int main(void);' >source.c
check "a file of C" "1 source.c:0x0: error: magic header not detected: this is no WebAssembly module" \
    "$(answers lucetc source.c)"
echo '(module (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32))))' >wasi.wat
check "WASI, not allowed" "1 wasi.wat: error: no binding for imported function \"fd_close\" of module \"wasi_snapshot_preview1\": lucetc wants it in a --bindings file, or --wasi or --allow-undefined" \
    "$(answers lucetc wasi.wat)"

check "too few arguments" "2 lucet-wasi: f takes 1 argument (i32), not 0" "$(answers lucet-wasi --invoke f f.so)"
check "too many arguments" "2 lucet-wasi: f takes 1 argument (i32), not 3" \
    "$(answers lucet-wasi --invoke f f.so 1 2 3)"
check "an argument that is none" '2 lucet-wasi: argument 1 of f is no number of its type: "x"' \
    "$(answers lucet-wasi --invoke f f.so x)"
check "no such function" '1 lucet-wasi: f.so exports no function "g"' "$(answers lucet-wasi --invoke g f.so)"

# --- Output that gets lost ---

lost() { # COMMAND…: standard output is full
    local status=0
    "$@" >/dev/full 2>said || status=$?
    echo "$status $(cat said)"
}
full='No space left on device'
for program in lucetc lucet-wasi lucet-objdump; do
    for option in --help --version; do
        check "$program $option" "1 $program: standard output: $full" "$(lost $program $option)"
    done
done
check "lucetc --version-info" "1 lucetc: standard output: $full" "$(lost lucetc --version-info)"
check "objdump" "1 lucet-objdump: standard output: $full" "$(lost lucet-objdump f.so)"
check "objdump --json" "1 lucet-objdump: standard output: $full" "$(lost lucet-objdump --json f.so)"
check "what --invoke prints" "1 lucet-wasi: standard output: $full" "$(lost lucet-wasi --invoke f f.so 1)"
check "an artifact" "1 standard output: error: $full" "$(lost lucetc f.wasm -o -)"
check "an artifact, to a device" "1 /dev/full: error: $full" "$(answers lucetc f.wasm -o /dev/full)"
small() { # COMMAND…: no file may have more than 8 KiB, which a signal or an error says
    (ulimit -f 8 && answers "$@")
}
wasm-tools parse - -o room.wasm <<<"(module (memory 1) (data (i32.const 0) \"$(printf 'x%.0s' {1..20000})\"))"
check "no room" "1 out.so: error: File too large" "$(small lucetc room.wasm -o out.so)"
cat >ignoring <<'PY'
#!/usr/bin/env python3
# SIGNAL COMMAND…: begins it with that signal ignored
import os, signal, sys
signal.signal(getattr(signal, "SIG" + sys.argv[1]), signal.SIG_IGN)
os.execvp(sys.argv[2], sys.argv[2:])
PY
chmod +x ignoring
check "no room, without the signal" "1 out.so: error: File too large" "$(small ./ignoring XFSZ lucetc room.wasm -o out.so)"
check "in JSON" '1 {"file":"out.so","severity":"error","kind":"io","message":"File too large"}' \
    "$(small ./ignoring XFSZ lucetc --error-style json room.wasm -o out.so)"
check "and nothing is left" "" "$(ls -d out.so* 2>&- || true)"
closed() {
    local status=0
    "$@" >&- 2>said || status=$?
    echo "$status $(cat said)"
}
check "no standard output" "1 lucetc: standard output: Bad file descriptor" "$(closed lucetc --version)"

# --- Signals ---

# Long enough to compile: a signal comes meanwhile.
python3 - >long.wat <<'PY'
print("(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))) (memory 1)")
for f in range(100):
    print("(func (export \"f%d\") (param i32) (result i32)" % f)
    for i in range(200):
        print("(i32.store offset=%d (local.get 0) (i32.xor (local.get 0) (i32.load offset=%d (local.get 0))))" % (4 * i, f + 8 * i))
    print("(local.get 0))")
print(")")
PY
wasm-tools parse long.wat -o long.wasm
mkdir out
began=$(date +%s%N)
lucetc -j 1 --wasi long.wasm -o timed.so
compiling=$(($(date +%s%N) - began))

# How the command ends when it gets the signal as soon as there are temporary files, and what is left.
ends() { # SIGNAL COMMAND…
    compiling=$compiling python3 - "$@" <<'PY'
import glob, os, signal, subprocess, sys, time
number = getattr(signal, "SIG" + sys.argv[1])
def now():
    return glob.glob("out/*") + glob.glob("tmp/*") + glob.glob("cache/.tmp*") + glob.glob("tmp/*/*")
def nothing_ignored():  # as Python does with SIGPIPE, and shells with SIGINT where they put a job into the background
    for s in signal.SIGPIPE, number:
        signal.signal(s, signal.SIG_DFL)
child = subprocess.Popen(sys.argv[2:], stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, preexec_fn=nothing_ignored)
while child.poll() is None and not now():
    time.sleep(0.005)
time.sleep(0.02)
began = child.poll() is None
child.send_signal(number)
status = child.wait()
time.sleep(0.3)  # what was left running would write its files now
# What has been told to end may need a moment, but not as long as there is left to compile.
def running():
    return subprocess.run(["pgrep", "-f", "^lucetc .*" + os.getcwd()], stdout=subprocess.PIPE).stdout.split()
until = time.monotonic() + int(os.environ["compiling"]) / 3e9
while running() and time.monotonic() < until:
    time.sleep(0.01)
print(status, "left:", *sorted(now()), "running:", len(running()), "" if began else "(it was over)")
PY
}
for signal in INT TERM HUP QUIT PIPE; do
    number=$(kill -l $signal)
    check "lucetc, SIG$signal" "-$number left: running: 0 " "$(ends $signal lucetc -j 1 --wasi long.wasm -o "$work/out/long.so")"
    check "lucet-wasi, SIG$signal" "-$number left: running: 0 " "$(ends $signal lucet-wasi long.wasm)"
    check "lucet-wasi --no-cache, SIG$signal" "-$number left: running: 0 " \
        "$(ends $signal lucet-wasi --no-cache long.wasm)"
done

check "SIGCHLD ignored from the beginning" 0 "$(answers ./ignoring CHLD lucetc f.wasm -o chld.so)"
check "text, too" 0 "$(answers ./ignoring CHLD lucetc f.wat -o chld.so)"
check "and what lucet-wasi compiles" 0 "$(answers ./ignoring CHLD lucet-wasi --no-cache --invoke f f.wasm 1)"
survives() { # a signal that is ignored, as nohup does it, does not end the compilation
    ./ignoring HUP lucetc -j 1 --wasi long.wasm -o out/kept.so 2>said &
    for _ in {1..500}; do [ -z "$(ls -A out)" ] || break; sleep 0.01; done
    kill -HUP $!
    wait $! && [ -s out/kept.so ]
}
check "a signal that is ignored" yes "$(survives && echo yes)"
tally
