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
guest plugin --bindings "$examples/plugins.json"
guest handler --bindings "$examples/http.json"

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

# Milliseconds: what the machine may stand still in a call that is to have time enough.
limit=5000

# Offsets in the backtrace are the compiler's affair.
server() {
    "$programs/server" service.so "$limit" | sed 's/+0x[0-9a-f]*$/+…/'
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
    timeout 1800 "$programs/event_loop" worker.so | sed 's/after [0-9]* slices$/after … slices/'
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
expect "$programs/plugins" plugin.so "$limit" <<'OUTPUT'
sum:
  ok, returned 100
sum:
  (the guest was terminated by a host function)
  failed, code 404
divide:
  ok, returned -4
divide:
  (integer divide by zero in function 3 divide of module plugin.wasm)
  crashed
divide:
  (1 arguments, the function takes 2)
  misused
multiply:
  (no exported function "multiply")
  misused
spin:
  (the guest was terminated by its time limit)
  too slow
divide:
  ok, returned -4
wander:
  (out of bounds memory access in function 4 wander of module plugin.wasm)
  crashed
divide:
  banned
2 faulted, 2 terminated
  heap_out_of_bounds: 1
  integer_div_by_zero: 1
  provided: 1
  timeout: 1
OUTPUT

# Requests one after the other, then many at once; a handler that crashes or loops between those that answer.
command -v python3 >/dev/null || skip "there is no python3"
http() {
    python3 - "$programs/http" handler.so 0 "$limit" <<'PY'
import concurrent.futures, http.client, subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
port = int(server.stdout.readline().split()[1])
def get(path):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    c.request("GET", path)
    r = c.getresponse()
    return "%d %s" % (r.status, r.read().decode().strip())
for path in ["/", "/spin", "/crash", "/lie", "/"]:
    print(get(path))
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    got = list(pool.map(get, ["/crash" if i % 10 == 5 else "/" for i in range(400)]))
print(sum(g == "200 request 1 of this instance" for g in got), "of 400")
server.terminate()
print(server.stdout.read(), end="")
sys.exit(server.wait())
PY
}
expect http <<'OUTPUT'
200 request 1 of this instance
504 the guest was terminated by its time limit
502 out of bounds memory access in function 3 handle of module handler.wasm
502 the handler lies
200 request 1 of this instance
360 of 400
362 answered, 43 failed, 0 instances left
OUTPUT

# With typed stubs, which lucetc writes: compiled as the program says.
if [ "${LUCET_SANITIZE:-0}" = 1 ]; then
    echo "not run: udf, as programs of others are not linked with the sanitizers"
    echo "7 passed, 0 failed, 1 skipped"
    exit 0
fi
"$WASM_CC" --target=wasm32 --no-wasm-opt -O2 -Wall -Wextra -Werror -nostdlib -Wl,--no-entry \
    -o price.wasm "$examples/udf/price.c"
"$LUCET_BIN/lucetc" price.wasm -o price.so
"$LUCET_BIN/lucetc" --emit header --header-prefix price price.wasm -o price.h
cc -O2 -Wall -Wextra -Werror -I. -I"$LUCET_SRC/include" -o udf "$examples/udf/udf.c" \
    -L"$LUCET_BUILD/lib" -llucet -Wl,-rpath,"$LUCET_BUILD/lib" -pthread
expect ./udf price.so 1000000 <<'OUTPUT'
worker 0: average 124999.5
worker 1: average 374999.5
worker 2: average 624999.5
worker 3: average 874999.5
sum with tax: 594998910000
share(100, 0): integer divide by zero
share(-100, 4): -25
OUTPUT
echo "8 passed, 0 failed, 0 skipped"
