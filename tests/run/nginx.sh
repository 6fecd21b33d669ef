#!/bin/bash
# The nginx module of examples/nginx in nginx: its README's commands, what it does with
# bad configurations and bad guests, reloads, and 10,000 requests that leave nothing behind.
# shellcheck source=tests/run/lib/base.sh
. "$LUCET_SRC/tests/run/lib/base.sh"
[ "${LUCET_SANITIZE:-0}" != 1 ] || skip "programs of others are not linked with the sanitizers"
[ -e "$LUCET_BUILD/lib/liblucet.so" ] || skip "the runtime is not built"
[ -x "$LUCET_BIN/lucetc" ] || skip "lucetc is not built"
nginx=${LUCET_CORPORA:-$LUCET_BUILD/corpora}/nginx/usr
[ -x "$nginx/sbin/nginx" ] || skip "there is no nginx; scripts/fetch-corpora.sh nginx"
PATH=$nginx/sbin:$PATH
requires python3 make wasm-tools "$WASM_CC"
example=$LUCET_SRC/examples/nginx

export LUCET_CFLAGS="-I$LUCET_SRC/include"
export LUCET_LIBS="-L$LUCET_BUILD/lib -Wl,-rpath,$LUCET_BUILD/lib -llucet"
cp -r "$nginx/share/nginx/src" nginx-src
(
    cd nginx-src
    # shellcheck disable=SC1091 # Debian's
    . ./conf_flags
    ./configure "${NGX_CONF_FLAGS[@]}" --add-dynamic-module="$example" && make -f objs/Makefile modules
) >build.log 2>&1 || {
    tail -30 build.log
    echo "FAILED: the module was not built"
    exit 1
}

guest() { # NAME CC_OPTION…
    "$WASM_CC" --target=wasm32 -O2 -g -ffreestanding -Wall -Wextra -Werror -nostdlib \
        -Wl,--no-entry --no-wasm-opt "${@:2}" -o "$1.wasm" "$example/guests/echo.c"
    "$LUCET_BIN/lucetc" -g --bindings "$example/lucet.json" "$1.wasm" -o "$1.so"
}
guest echo
guest next '-DGUEST="next"'
"$WASM_CC" --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o other.wasm \
    "$LUCET_SRC/examples/embed/guests/add.c"
"$LUCET_BIN/lucetc" other.wasm -o other.so

# shellcheck disable=SC2016 # names of WebAssembly text begin with dollars
echo '(module (func (export "handle")) (func $start) (start $start))' >start.wat
wasm-tools parse start.wat -o start.wasm
"$LUCET_BIN/lucetc" start.wasm -o start.so

mkdir modules logs
chmod -R a+rwx . # workers of a master that is root's are not
cp nginx-src/objs/ngx_http_lucet_module.so modules/
python3 "$LUCET_SRC/tests/run/nginx.py" "$example/nginx.conf"
