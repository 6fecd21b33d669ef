#!/usr/bin/env python3
"""Marks functions of an artifact as closed or quiet that lucetc did not mark (docs/abi.md section 8).

objdump_mark.py OBJDUMP IN OUT NAME=EFFECTS...

EFFECTS is `any`, `closed` or `quiet`. The record of a function is found by what is known of it.
"""
import json
import struct
import subprocess
import sys

EFFECTS = {"any": 0, "closed": 1, "quiet": 3}
RECORD = struct.Struct("<6I")  # struct lucet_module_func: type, code, name, wasm_offset, effects


def main():
    objdump, source, target = sys.argv[1:4]
    out = subprocess.run([objdump, "--functions", "--json", source], check=True, capture_output=True)
    functions = {f["name"]: f for f in json.loads(out.stdout)["functions"]}
    image = bytearray(open(source, "rb").read())
    for mark in sys.argv[4:]:
        name, effects = mark.split("=")
        f = functions[name]
        wanted = (f["type_index"], f["wasm_offset"], EFFECTS[f["effects"]])
        found = [at for at in range(0, len(image) - RECORD.size, 4)
                 if (r := RECORD.unpack_from(image, at))[0] == wanted[0] and r[4:] == wanted[1:]]
        if len(found) != 1:
            sys.exit(f"{name}: {len(found)} records look like its own")
        struct.pack_into("<I", image, found[0] + 20, EFFECTS[effects])
    open(target, "wb").write(image)


main()
