"""Names of guest functions and lines of their source, for gdb:

    $ gdb -x lucet-gdb.py --args lucet-wasi guest.so
    (gdb) break guest.c:45
    (gdb) run

The runtime maps artifacts from memory, so that gdb finds no file for them. This script stops, unseen, where the
runtime has loaded one (its static probe module_load), and gives gdb the symbols. A process that has been
running already is told about an artifact by

    (gdb) lucet-symbols guest.so

which finds where it was mapped, by its build-id. Artifacts made with `lucetc -g` (or by `lucet-wasi -g`) bring
lines; those of C guests compiled with -g, the lines of their source.
"""
import atexit
import os
import shutil
import struct
import tempfile

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


def add_symbols(path, base, from_tty):
    """gdb takes the path apart as a shell does."""
    quoted = os.path.abspath(path).replace("\\", "\\\\").replace('"', '\\"')
    gdb.execute(f'add-symbol-file "{quoted}" -o {base:#x}', from_tty, True)


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
                add_symbols(path, base, from_tty)
                print(f"{path} is mapped at {base:#x}")
                found += 1
        if found == 0:
            raise gdb.GdbError(f"{path} is not mapped; stop after it was loaded, for example at "
                               "lucet_instance_run")


class ModuleLoaded(gdb.Breakpoint):
    """Gives gdb the symbols of each artifact that is loaded, from the bytes that the process has of it."""

    def __init__(self):
        super().__init__("-probe-stap lucet:module_load", internal=True)
        self.silent = True
        self.directory = None
        self.count = 0

    def copy(self, address, size):
        if self.directory is None:
            self.directory = tempfile.mkdtemp(prefix="lucet-gdb-")
            atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self.count += 1
        path = os.path.join(self.directory, f"module-{self.count}.so")
        with open(path, "wb") as f:
            f.write(gdb.selected_inferior().read_memory(address, size).tobytes())
        return path

    def stop(self):
        base, file, size = (int(gdb.parse_and_eval(f"(long)$_probe_arg{i}")) for i in (2, 4, 5))
        add_symbols(self.copy(file, size), base, False)
        return False


LucetSymbols()
ModuleLoaded()
gdb.execute("handle SIGURG nostop noprint", False, True)  # which stops guests
