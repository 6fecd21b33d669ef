#!/bin/bash
# The runtime's static probes: the list in docs/debugging.md is what the library has, perf knows them, and gdb stops at
# each with the arguments that the document promises.
# shellcheck disable=SC2016 # of gdb and Markdown
# shellcheck source=tests/run/lib/wasi.sh
source "$LUCET_SRC/tests/run/lib/wasi.sh"
library=$LUCET_BUILD/lib/liblucet.so
programs=$LUCET_BUILD/examples
examples=$LUCET_SRC/examples/embed
cd "$work"
[ -e "$library" ] || skip "there is no $library"

# "name number-of-arguments", once each.
readelf -n "$library" |
    sed -n 's/^ *Provider: //p;s/^ *Name: / /p;s/^ *Arguments: */ /p' | paste -d '' - - - |
    awk '$1 == "lucet" { print $2, NF - 2 }' | sort -u >have
sed -n '/^## Probes/,/^## /s/^| `\([a-z_]*\)(\(.*\))` .*/\1, \2/p' "$LUCET_SRC/docs/debugging.md" |
    awk -F ', ' '{ print $1, NF - 1 }' | sort >documented
expect "the library has the probes that are documented" diff documented have
expect "they are many" test "$(wc -l <have)" -ge 10

if command -v perf >/dev/null; then
    HOME=$work perf buildid-cache --add "$(realpath "$library")"
    check "perf knows them" "$(cut -d ' ' -f 1 have | sed 's/^/sdt_lucet:/' | paste -sd ' ')" \
        "$(HOME=$work perf list sdt 2>/dev/null | grep -o 'sdt_lucet:[a-z_]*' | sort -u | paste -sd ' ')"
else
    echo "not checked: there is no perf"
fi

if ! command -v gdb >/dev/null || [ "${LUCET_SANITIZE:-0}" = 1 ]; then
    echo "not checked: there is no gdb, or it would meet the sanitizers"
    finish
fi
embed_guest() { # NAME LUCETC_OPTION…
    "$WASM_CC" --target=wasm32 --no-wasm-opt -O2 -nostdlib -Wl,--no-entry -o "$1.wasm" "$examples/guests/$1.c"
    "$LUCET_BIN/lucetc" "${@:2}" "$1.wasm" -o "$1.so"
}
embed_guest service --bindings "$examples/bindings.json"
embed_guest worker --bindings "$examples/event_loop.json"

look() { # PROBE FORMAT ARGUMENT…: gdb commands that print each time
    printf 'break -probe-stap lucet:%s\ncommands\nsilent\nprintf "%s: %s\\n"' "$1" "$1" "$2"
    printf ', %s' "${@:3}"
    printf '\ncontinue\nend\n'
}
a0='(long)$_probe_arg0' a1='(long)$_probe_arg1' a2='(long)$_probe_arg2' a3='(long)$_probe_arg3'
{
    printf 'set pagination off\nset confirm off\nset breakpoint pending on\n'
    printf 'handle SIGURG SIGSEGV SIGILL nostop noprint pass\n'
    look module_load '%s, %d pages' '(char *)$_probe_arg1' "($a3) / 4096"
    look instance_new '%d %d' "$a0 != 0" "$a1 != 0"
    look run_begin 'function %ld' "$a1"
    look fault 'trap %ld at pc %d, address %d' "$a1" "$a2 != 0" "$a3 != 0"
    look terminate 'reason %ld' "$a1"
    look run_end 'tag %ld' "$a1"
    look instance_release '%d' "$a0 != 0"
    look module_unload '%d' "$a0 != 0"
    echo run
} >all.gdb
gdb -q -nx -batch -x all.gdb --args "$programs/server" service.so 5000 >all.out 2>&1 || true
count() { grep -c "$1" all.out || true; }
check_match "the module's path" 'module_load: service.so, [1-9][0-9]* pages' "$(cat all.out)"
check "an instance is made" 1 "$(count '^instance_new: 1 1$')"
runs=$(count '^run_begin: function [0-9]')
expect "runs begin" test "$runs" -ge 7
check "each ends" "$runs" "$(count '^run_end: tag [0-9]')"
check "one faults, with an address" 1 "$(count '^fault: trap [0-9]* at pc 1, address 1$')"
check "one because of the host" 1 "$(count '^fault: trap [0-9]* at pc 1, address 0$')"
check "one runs out of time" 1 "$(count '^terminate: reason ')"
check "the instance goes" 1 "$(count '^instance_release: 1$')"
check "the module goes" 1 "$(count '^module_unload: 1$')"

# Calls by handle, which take a way of their own from the second one on.
cat >calls.c <<'C'
#include <lucet/lucet.h>
int main(void)
{
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct lucet_instance *instance;
    struct lucet_func add;
    union lucet_raw values[2];
    int good = 0;
    if (lucet_dl_module_load("add.so", &module) || lucet_mmap_region_create(1, NULL, &region) ||
        lucet_region_new_instance(region, module, &instance) || lucet_dl_module_func(module, "add", "ii:i", &add))
        return 1;
    for (int i = 0; i < 20; i++) {
        values[0].u32 = values[1].u32 = (unsigned)i;
        good += lucet_func_call(&add, instance, values, NULL) == lucet_error_ok && values[0].u32 == 2u * (unsigned)i;
    }
    return good == 20 ? 0 : 1;
}
C
embed_guest add
gcc -I "$LUCET_SRC/include" calls.c -o calls "$library" "-Wl,-rpath,${library%/*}"
gdb -q -nx -batch -x all.gdb --args ./calls >all.out 2>&1 || true
index=$(sed -n 's/^run_begin: function //p' all.out | sort -u)
check "calls by handle begin" 20 "$(count "^run_begin: function $index$")"
check "... and end" 20 "$(count '^run_end: tag 0$')"
check_match "... and so does the program" 'exited normally' "$(cat all.out)"

cat >yield.gdb <<GDB
set pagination off
set confirm off
set breakpoint pending on
handle SIGURG nostop noprint pass
break -probe-stap lucet:yield
run
set \$who = (long)\$_probe_arg0
printf "yield: reason %ld\n", (long)\$_probe_arg1
delete
break -probe-stap lucet:resume if (long)\$_probe_arg0 == \$who
continue
printf "resume: the same, %d\n", (long)\$_probe_arg0 == \$who
kill
GDB
gdb -q -nx -batch -x yield.gdb --args "$programs/event_loop" worker.so >yield.out 2>&1 || true
check "a run yields" 1 "$(grep -c '^yield: reason [0-9]' yield.out)"
check "and goes on" 1 "$(grep -c '^resume: the same, 1' yield.out)"
finish
