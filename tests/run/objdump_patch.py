#!/usr/bin/env python3
"""Damages the machine code of an artifact in one place.

objdump_patch.py OBJDUMP IN OUT FUNCTION REGEX NEWBYTES

Finds the first instruction of the function whose line in the disassembly matches the regular
expression, and puts the bytes (hex) in its place, filled up with nops. NEWBYTES may also be
  ^XX/YY      replace the first byte XX of the instruction by YY
  call:NAME   a direct call or jump gets that function as its target; call:+N adds N to its target
  jump:NAME   in place of a direct call, a jump to that function
  gap         the byte behind the function becomes `ret`
"""
import re
import struct
import subprocess
import sys


def file_offset(image, address):
    """Through the program headers: section headers are not what counts."""
    phoff, = struct.unpack_from("<Q", image, 32)
    phnum, = struct.unpack_from("<H", image, 56)
    for i in range(phnum):
        kind, _, offset, vaddr, _, size = struct.unpack_from("<IIQQQQ", image, phoff + 56 * i)
        if kind == 1 and vaddr <= address < vaddr + size:
            return address - vaddr + offset
    sys.exit(f"address {address:#x} is not in the file")


def disassembly(objdump, path, function):
    out = subprocess.run([objdump, f"--disassemble={function}", path], check=True,
                         capture_output=True, text=True).stdout
    lines = []
    for line in out.splitlines():
        m = re.match(r"\s+([0-9a-f]+):\s+((?:[0-9a-f]{2} )+)\s*(.*)", line)
        if m:
            lines.append((int(m[1], 16), bytes.fromhex(m[2]), m[3]))
    if not lines:
        sys.exit(f"no function {function}")
    return lines


def new_bytes(old, at, new, objdump, path):
    if new.startswith("^"):
        a, b = (bytes.fromhex(x) for x in new[1:].split("/"))
        if a not in old:
            sys.exit(f"{old.hex()} has no byte {a.hex()}")
        return old.replace(a, b, 1)
    if new.startswith("call:"):
        target = at + len(old) + struct.unpack("<i", old[-4:])[0]
        if new[5] == "+":
            target += int(new[6:])
        else:
            target = disassembly(objdump, path, new[5:])[0][0]
        return old[:-4] + struct.pack("<i", target - at - len(old))
    if new.startswith("jump:"):
        called = new_bytes(old, at, "call:" + new[5:], objdump, path)
        return b"\xe9" + called[1:]
    data = bytes.fromhex(new)
    if len(data) > len(old):
        sys.exit(f"{new} does not fit over {old.hex()}")
    return data + b"\x90" * (len(old) - len(data))


def main():
    objdump, source, target, function, pattern, new = sys.argv[1:]
    image = bytearray(open(source, "rb").read())
    lines = disassembly(objdump, source, function)
    if new == "gap":
        at, old, _ = lines[-1]
        where = file_offset(image, at) + len(old)
        image[where:where + 1] = b"\xc3"
    else:
        found = [l for l in lines if re.search(pattern, l[2])]
        if not found:
            sys.exit(f"{function} has no instruction like {pattern}")
        at, old, text = found[0]
        data = new_bytes(old, at, new, objdump, source)
        where = file_offset(image, at)
        if image[where:where + len(old)] != old:
            sys.exit("the disassembly is not of these bytes")
        image[where:where + len(data)] = data
        print(f"{function}+{at - lines[0][0]:#x}: {text}: {old.hex()} -> {data.hex()}")
    open(target, "wb").write(image)


main()
