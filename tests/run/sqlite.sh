#!/bin/bash
# The SQLite extension of examples/sqlite in SQLite's shell: what its functions return, and that
# errors of guests are errors of statements.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
[ "${LUCET_SANITIZE:-0}" != 1 ] || skip "programs of others are not linked with the sanitizers"
[ -e "$LUCET_BUILD/lib/liblucet.so" ] || skip "the runtime is not built"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
requires sqlite3 "$WASM_CC"
example=$LUCET_SRC/examples/sqlite

"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -Werror -fPIC -fvisibility=hidden -shared \
    -I"$LUCET_SRC/include" -o lucet_sqlite.so "$example/lucet_sqlite.c" "$example/function.c" \
    -L"$LUCET_BUILD/lib" -Wl,-rpath,"$LUCET_BUILD/lib" -llucet
guest() { # NAME: from NAME.c
    "$WASM_CC" --target=wasm32 --no-wasm-opt -O2 -ffreestanding -Wall -Wextra -Werror -nostdlib \
        -Wl,--no-entry,--allow-undefined -I"$example/guests" -o "$1.wasm" "$1.c"
    "$LUCET_BIN/lucetc" --allow-undefined "$1.wasm" -o "$1.so"
}
one() { # NAME TEXT: a guest of one function
    printf '#include "sql.h"\n%s\n' "$2" >"$1.c"
    guest "$1"
}
cp "$example/guests/text.c" .
guest text
one thief 'SQL("Length(integer): integer") long long f(long long n) { return n; }'
one liar 'SQL("f(real): integer") long long f(long long n) { return n; }'
one stutterer 'SQL("f(integer,): integer") long long f(long long n) { return n; }'
one needy 'SQL("f(text): integer") long long f(const char *at, unsigned n) { return *at + n; }'
one importer 'long long g(void); SQL("f(): integer") long long f(void) { return g(); }'
one large 'static char room[1 << 20]; SQL("f(): integer") long long f(void) { return *(volatile char *)room; }'

passed=0 failed=0
sql() { # WHAT: the statements on standard input give what stands in `expected`
    if sqlite3 -cmd '.load ./lucet_sqlite' :memory: >output 2>&1; [ $? -le 1 ] &&
        diff -u --label "$1" expected output; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
    fi
}
expect() { cat >expected; }

expect <<'OUTPUT'
8
resuäh|321|5.0|3|255|010201020102
1|1|1
1|1
OUTPUT
sql "results" <<'SQL'
SELECT lucet_load('text.so', 600000);
SELECT reverse('häuser'), reverse(123), hypotenuse(3, 4), quotient(7, 2), first_byte(x'ff01'),
    hex(repeated(x'0102', 3));
SELECT repeated('a', -1) IS NULL, reverse(NULL) IS NULL, reverse('') = '';
SELECT call_number(), call_number();
SQL

expect <<'OUTPUT'
8
0
Runtime error near line 5: integer divide by zero in function 5 quotient of module text.wasm
500
5000|1
QUERY PLAN
`--SEARCH words USING INDEX backwards (<expr>=?)
4950
OUTPUT
sql "rows, also after an error, and an index" <<'SQL'
SELECT lucet_load('text.so', 600000);
CREATE TABLE words(word TEXT);
INSERT INTO words SELECT value FROM generate_series(1, 5000);
SELECT count(*) FROM words WHERE call_number() > 1;
SELECT sum(quotient(word, word - 2500)) FROM words;
SELECT count(*) FROM words WHERE reverse(word) LIKE '0%';
CREATE INDEX backwards ON words(reverse(word));
SELECT count(*), count(DISTINCT call_number()) FROM words WHERE reverse(reverse(word)) = word;
EXPLAIN QUERY PLAN SELECT 1 FROM words WHERE reverse(word) = '0594';
SELECT word FROM words WHERE reverse(word) = '0594';
SQL

expect <<'OUTPUT'
8
Runtime error near line 2: integer divide by zero in function 5 quotient of module text.wasm
Runtime error near line 3: integer overflow in function 5 quotient of module text.wasm
Runtime error near line 4: the guest's result is not in its memory
Runtime error near line 5: unreachable in function 0 allocate of module text.wasm
ok
OUTPUT
sql "errors of guests" <<'SQL'
SELECT lucet_load('text.so', 600000);
SELECT quotient(1, 0);
SELECT quotient(-9223372036854775808, -1);
SELECT wild();
SELECT reverse(hex(zeroblob(1000000)));
SELECT reverse('ko');
SQL

expect <<'OUTPUT'
8
Runtime error near line 2: the guest was terminated by its time limit
OUTPUT
sql "a function that loops" <<'SQL'
SELECT lucet_load('text.so', 50);
SELECT spin();
SQL

expect <<'OUTPUT'
Runtime error near line 1: lucet_load: Length: there is a function of this name
Runtime error near line 2: lucet_load: nothing.so: cannot open nothing.so: No such file or directory
Runtime error near line 3: lucet_load: text.wasm: a WebAssembly module, not an artifact, which lucetc makes of a WebAssembly module
Runtime error near line 4: lucet_load: export 0: its name is no declaration, such as "name(integer, real, text, blob): integer"
Runtime error near line 5: lucet_load: export 0: it takes text or a blob, and there is no export allocate, "i:i"
Runtime error near line 6: lucet_load(file, milliseconds, bytes of memory)
Parse error near line 7: unsafe use of lucet_load()
OUTPUT
sql "what is not loaded" <<'SQL'
SELECT lucet_load('thief.so');
SELECT lucet_load('nothing.so');
SELECT lucet_load('text.wasm');
SELECT lucet_load('stutterer.so');
SELECT lucet_load('needy.so');
SELECT lucet_load('text.so', 0);
CREATE VIEW trap AS SELECT lucet_load('text.so'); SELECT * FROM trap;
SQL

# In the words of liblucet.
refused() { # NAME WORDS
    if sqlite3 -cmd '.load ./lucet_sqlite' :memory: "SELECT lucet_load('$1.so', 600000, 1048576)" >output 2>&1; then
        failed=$((failed + 1))
        echo "FAILED: $1.so was loaded"
    elif ! grep -q "$2" output; then
        failed=$((failed + 1))
        echo "FAILED: $1.so is refused without the words: $2"
        cat output
    else
        passed=$((passed + 1))
    fi
}
refused liar 'is of type "I:I", not "F:I"'
refused importer "import"
refused large "limit"

finish() {
    echo "$passed passed, $failed failed, 0 skipped"
    [ "$failed" = 0 ]
}
finish
