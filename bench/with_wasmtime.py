#!/usr/bin/env python3
"""with_wasmtime.py compile MODULE OUT: compiles, writes what it made, prints the seconds it took.
with_wasmtime.py run MODULE: runs a WASI program."""
import sys
import time

import wasmtime

engine = wasmtime.Engine()
with open(sys.argv[2], "rb") as f:
    data = f.read()
start = time.monotonic()
module = wasmtime.Module(engine, data)
took = time.monotonic() - start
if sys.argv[1] == "compile":
    with open(sys.argv[3], "wb") as f:
        f.write(module.serialize())
    print(f"{took:.3f}")
    sys.exit()
store = wasmtime.Store(engine)
wasi = wasmtime.WasiConfig()
wasi.inherit_stdout()
store.set_wasi(wasi)
linker = wasmtime.Linker(engine)
linker.define_wasi()
try:
    linker.instantiate(store, module).exports(store)["_start"](store)
except wasmtime.ExitTrap as e:
    sys.exit(e.code)
