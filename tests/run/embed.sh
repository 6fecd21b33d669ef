#!/bin/bash
# The embedding programs of examples/embed do what their comments say, and the README shows the
# short one as it is.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
examples=$LUCET_SRC/examples/embed
programs=$LUCET_BUILD/examples

# shellcheck disable=SC2016 # the quotes of Markdown
sed -n '/^## Embedding/,/^## Status/p' "$LUCET_SRC/README.md" |
    sed -n '/^```c$/,/^```$/p' | sed '1d;$d' >readme.c
diff -u "$examples/short.c" readme.c || {
    echo "the program in README.md is not examples/embed/short.c"
    exit 1
}

[ -x "$programs/server" ] || skip "the runtime is not built"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
command -v "$WASM_CC" >/dev/null || skip "there is no $WASM_CC"

guest() { # NAME LUCETC_OPTION…
    "$WASM_CC" --target=wasm32 --no-wasm-opt -O2 -Wall -Wextra -Werror -nostdlib -Wl,--no-entry \
        -o "$1.wasm" "$examples/guests/$1.c"
    "$LUCET_BIN/lucetc" "${@:2}" "$1.wasm" -o "$1.so"
}
guest add
guest service --bindings "$examples/bindings.json"
guest counter
guest client --allow-undefined
guest worker --bindings "$examples/event_loop.json"
guest tenant --bindings "$examples/tenants.json"

expect() { # COMMAND…: its output is what stands on standard input
    "$@" >output 2>errors || {
        echo "failed with exit code $?: $*"
        cat output errors
        return 1
    }
    diff -u --label expected - output
}

expect "$programs/short" <<'OUTPUT'
40 + 2 = 42
OUTPUT

# Offsets in the backtrace are the compiler's affair.
server() {
    "$programs/server" service.so | sed 's/+0x[0-9a-f]*$/+…/'
}
expect server <<'OUTPUT'
handle:
  [client 1] request 1 of this instance
  returned 5050
handle:
  [client 1] request 2 of this instance
  returned 5050
crash:
  faulted: heap_out_of_bounds (out of bounds memory access)
    #0 parse+…
    #1 crash+…
handle:
  lucet_error_instance_not_returned: the instance has faulted or was terminated, and must be reset first
handle:
  [client 1] request 1 of this instance
  returned 5050
spin:
  terminated: out of time
handle:
  [client 1] request 1 of this instance
  returned 5050
lie:
  faulted: heap_out_of_bounds (out of bounds memory access)
    #0 lie+…
client 1 logged 4 lines
OUTPUT

expect "$programs/link" counter.so client.so <<'OUTPUT'
the host adds 10: 10
the client adds 1 five times: 15
the host adds 0: 15
the client adds 1 once more: 16
OUTPUT
# The guest that never ends has had its turns, however many there were.
event_loop() {
    timeout 300 "$programs/event_loop" worker.so | sed 's/after [0-9]* slices$/after … slices/'
}
expect event_loop <<'OUTPUT'
1000 guests on one thread
answered: 2997 requests
received: 2997 answers
guest 0: still looping after … slices
OUTPUT

expect "$programs/tenants" tenant.so <<'OUTPUT'
100 tenants, their numbers add up to 5050
takes 4 pages: has some
takes 20 pages: out of memory, ended
takes 4 pages: has some
blocks of the runtime's that are left: 0
OUTPUT
echo "5 passed, 0 failed, 0 skipped"
