"""gdb command that names guest functions and lines:

    (gdb) source lucet-gdb.py
    (gdb) lucet-symbols guest.so

The runtime maps artifacts from memory, so that gdb finds no file for them. This command finds where an
artifact was mapped, by its build-id, and gives its symbols to gdb. Stop after it was loaded, for example
at lucet_instance_run. Artifacts made with `lucetc -g` bring lines; those of C guests compiled with -g,
the lines of their source.
"""
import struct

import gdb

PT_LOAD, PT_NOTE, PF_X, NT_GNU_BUILD_ID = 1, 4, 1, 3


def read_artifact(path):
    """The address of the executable segment, and address and bytes of the build-id."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] != b"\x7fELF" or len(data) < 64:
        raise gdb.GdbError(f"{path} is not an artifact")
    offset, size, count = struct.unpack_from("<Q", data, 32) + struct.unpack_from("<HH", data, 54)
    text = build_id = None
    for i in range(count):
        kind, flags, start, address, _, length = struct.unpack_from("<IIQQQQ", data, offset + i * size)
        if kind == PT_LOAD and flags & PF_X:
            text = address
        elif kind == PT_NOTE:
            name, desc, note = struct.unpack_from("<III", data, start)
            if note == NT_GNU_BUILD_ID and 12 + name + desc <= length:
                build_id = (address + 12 + name, data[start + 12 + name : start + 12 + name + desc])
    if text is None or build_id is None:
        raise gdb.GdbError(f"{path} is not an artifact: no code or no build-id")
    return text, build_id


def executable_mappings():
    for line in gdb.execute("info proc mappings", to_string=True).splitlines():
        words = line.split()
        if len(words) > 5 and words[4] == "r-xp" and "memfd:lucet-module" in words[5]:
            yield int(words[0], 16)


class LucetSymbols(gdb.Command):
    """lucet-symbols FILE: symbols of the artifact FILE, wherever it is mapped."""

    def __init__(self):
        super().__init__("lucet-symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("lucet-symbols FILE")
        path = gdb.string_to_argv(argument)[0]
        text, (address, build_id) = read_artifact(path)
        memory = gdb.selected_inferior()
        found = 0
        for start in executable_mappings():
            base = start - text
            if memory.read_memory(base + address, len(build_id)).tobytes() == build_id:
                gdb.execute(f"add-symbol-file {path} -o {base:#x}", from_tty, True)
                print(f"{path} is mapped at {base:#x}")
                found += 1
        if found == 0:
            raise gdb.GdbError(f"{path} is not mapped; stop after it was loaded, for example at "
                               "lucet_instance_run")


LucetSymbols()
