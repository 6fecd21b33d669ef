#!/bin/bash
# lucet-objdump shows what the module has, escapes what it is called, and refuses what is no artifact.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
objdump=$LUCET_BIN/lucet-objdump
[ -x "$objdump" ] || skip "lucet-objdump is not built"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
requires wasm-tools python3

cat >module.wat <<'WAT'
(module $my_module
  (import "env" "log" (func $log (param i32 i64)))
  (import "env" "evil\1b]0;title\07\u{202e}name" (func $evil))
  (import "env" "limit" (global $limit i32))
  (memory (export "memory") 2 10)
  (table (export "table") 4 20 funcref)
  (elem (i32.const 1) $divide $start)
  (elem declare func $log)
  (global $counter (mut i64) (i64.const -7))
  (global $copy i32 (global.get $limit))
  (data (i32.const 5000) "hello")
  (data (i32.const 8190) "acrosstheedge")
  (data (i32.const 70000) "\00\00\00")
  (data (global.get $limit) "later")
  (data "passive")
  (func $divide (export "divide") (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func $start (call $log (i32.const 1) (i64.const 2)) (call $evil))
  (func (export "C1 \c2\9b, DEL \7f, newline \n, backslash \\") (unreachable))
  (start $start))
WAT
wasm-tools parse module.wat -o module.wasm
echo '{ "env": { "log": "host_log" } }' >bindings.json
"$LUCET_BIN/lucetc" --allow-undefined --bindings bindings.json module.wasm -o module.so

failures=0
fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# ---- Text ----
"$objdump" module.so >text
shows() {
    grep -Eq -- "$1" text || fail "the text lacks: $1"
}
shows '^  module +my_module$'
shows '^  producer +lucetc '
shows '^  start +3$'
shows '^  reserved_size +4294967296$'
shows '^  guest_part +[0-9]+$'
shows '^  host_log$'
shows '^  env +log +host_log +func \(i32, i64\) -> \(\)$'
shows '^  env +evil\\x1b\]0;title\\x07\\xe2\\x80\\xaename +- +func \(\) -> \(\)$'
shows '^  env +limit +- +global i32$'
shows '^  divide +2 +func \(i32, i32\) -> \(i32\)$'
shows '^  memory +0 +memory 2\.\.10 pages$'
shows '^  table +0 +table 4\.\.20 funcref$'
shows '^  C1 \\xc2\\x9b, DEL \\x7f, newline \\n, backslash \\\\ +4 '
shows '^  1 +i64 +yes +no +[0-9]+ +i64.const -7$'
shows '^  2 +i32 +no +no +[0-9]+ +global.get 0$'
shows '^  0 +active +funcref +2 +0 +i32.const 1$'
shows '^  3 +active +5 +0 +global.get 0$'
shows '^  4 +passive +7 '
shows '^  nonzero_pages +2$'
shows '^  unplaced_segments +1$'
shows '^  0 +1 +2 +0x1000$'
shows 'integer_div_by_zero 1'
if LC_ALL=C grep -q '[^ -~]' text; then
    fail "the text has bytes that are not printable ASCII"
fi

# ---- Selection ----
"$objdump" --exports module.so >text
[ "$(head -n 1 text)" = "Exports (4)" ] || fail "--exports does not begin with the exports"
if grep -q Imports text; then
    fail "--exports shows imports"
fi
"$objdump" --traps module.so >text
shows 'guest_func_2 +integer_overflow +divide$'
"$objdump" --disassemble=divide module.so >text
shows 'idiv'
shows 'ud1 .*trap 6, integer_div_by_zero$'
"$objdump" --disassemble=2 module.so | cmp -s - text || fail "function 2 is not divide"

# ---- JSON ----
"$objdump" --json module.so >json
python3 - json <<'PY' || fail "the JSON is not as expected"
import json, sys
text = open(sys.argv[1], encoding="ascii").read()
d = json.loads(text)
assert all(c == "\n" or " " <= c <= "~" for c in text)
assert d["required"] == [{"symbol": "host_log"}], d["required"]
assert [i["kind"] for i in d["imports"]] == ["func", "func", "global"]
assert d["headers"]["start"] == 3 and d["headers"]["abi_version"] >= 1
assert d["types"][d["functions"][2]["type_index"]]["params"] == ["i32", "i32"]
assert [f["name"] for f in d["functions"]][2:4] == ["divide", "start"], d["functions"]
exported = [e["name"] for e in d["exports"] if e["kind"] == "func" and e["index"] == 4]
assert [d["functions"][4]["name"]] == exported and exported[0].startswith("C1 "), d["functions"][4]
assert d["sparse"]["ranges"] == [{"memory": 0, "first_page": 1, "pages": 2, "address": 4096}]
assert d["traps"]["codes"]["unreachable"] == 1
assert any(h["name"] == "import.0" and h["size"] > 0 for h in d["helpers"])
assert d["memories"][0]["max"] == 10 and d["tables"][0]["min"] == 4
PY

# ---- Refusals ----
refuses() { # CODE PATTERN ARGUMENT…
    local code=0
    "$objdump" "${@:3}" >/dev/null 2>error || code=$?
    if [ "$code" -ne "$1" ] || ! grep -Eq "$2" error; then
        cat error
        fail "exit code $code instead of $1, or no \"$2\": ${*:3}"
    fi
}
refuses 1 '^lucet-objdump: module\.wasm: error: ' module.wasm
refuses 1 '^lucet-objdump: nothing: error: No such file' nothing
refuses 1 'error: a program for x86-64, not an artifact' "$objdump"
refuses 1 'error: no function of that name' --disassemble=nothing module.so
refuses 2 'lucet-objdump: no input file'
refuses 2 'lucet-objdump: more than one' a b
refuses 2 'there is no option' --nonsense module.so
refuses 2 'Try "lucet-objdump --help"' --nonsense module.so
refuses 2 'verbose' --audit=yes module.so
size=$(stat -c %s module.so)
for part in 0 1 63 64 500 $((size / 2)) $((size - 1)); do
    head -c "$part" module.so >cut.so
    refuses 1 '^lucet-objdump: cut.so: error: ' cut.so
done
"$objdump" --help | grep -q '^Usage' || fail "--help"
"$objdump" --version | grep -Eq '^lucet-objdump [0-9]+\.' || fail "--version"

[ "$failures" -eq 0 ]
