#!/bin/bash
# A host that unloads its plug-in, and with it liblucet, as nginx does when a configuration is given up:
# the handlers of signals, of ends of threads and of forks that liblucet has installed are still there.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
[ "${LUCET_SANITIZE:-0}" != 1 ] || skip "programs of others are not linked with the sanitizers"
[ -e "$LUCET_BUILD/lib/liblucet.so" ] || skip "the runtime is not built"

"${CC:-cc}" -std=gnu17 -Wall -Wextra -Werror -I"$LUCET_SRC/include" \
    "$LUCET_SRC/tests/guests/unload.c" -o unload -pthread
./unload "$LUCET_BUILD/lib/liblucet.so" >output || {
    echo "FAILED: the program ended with exit code $?, after:"
    cat output
    exit 1
}
diff -u - output <<'OUTPUT'
unloaded
a signal was handled
a thread has ended
a child has ended
loaded again
OUTPUT
echo "1 passed, 0 failed, 0 skipped"
