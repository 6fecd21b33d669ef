#!/usr/bin/env python3
"""What each vector operator becomes, compared with vector_code.txt.

vector_code.py LUCETC OPS_DEF TABLE [--write]

Compiles a function for every vector operator that OPS_DEF names, at level 1, for x86-64-v2 (SSE4.2),
x86-64-v3 (AVX2, FMA) and x86-64-v4 (AVX-512). A row of the table is

    operator   instructions per CPU   the instruction that does it

Moves between registers and returns do not count; nor does the move that zero-extends an address. The
instruction is a regular expression, to be found for every CPU, without the `v` of its AVX form; what is so
for one CPU only is written CPU:REGEX. More instructions than the row allows are a failure; the numbers
are those of LLVM 22 and not compared for others. --write prints the table as it would be: to be read, not
believed.
"""
import re
import subprocess
import sys

CPUS = ["v2", "v3", "v4"]
TYPES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "v": "v128", "a": "i32"}
IMMEDIATES = {"lane": " 1", "memarg_lane": " 1",
              "shuffle": " 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31"}


def operators(path):
    for line in open(path):
        m = re.match(r'WASM_OP\(\w+,\s*"([^"]+)",\s*0xfd,\s*0x\w+,\s*(\w+),\s*"([^"]*)"', line)
        if m and m[2] != "v128":
            yield m[1], IMMEDIATES.get(m[2], ""), m[3]


def module(ops):
    yield "(module (memory 1)"
    for name, immediate, signature in ops:
        params, result = signature.split(":")
        yield "(func (param %s) %s (%s%s %s))" % (
            " ".join(TYPES[c] for c in params), "(result %s)" % TYPES[result] if result else "",
            name, immediate, " ".join("(local.get %d)" % i for i in range(len(params))))
    yield ")"


def bodies(path):
    """Instructions of each function that count."""
    body = None
    for line in open(path):
        line = re.sub(r"\s+", " ", line.split("#")[0]).strip()
        if re.match(r"guest_func_\d+:", line):
            body = []
        elif line.startswith(".Lfunc_end") and body is not None:
            yield body
            body = None
        elif body is not None and line and not line.startswith("."):
            if not re.match(r"(v?mov(aps|apd|dqa\w*)|mov[lq]) %\w+, %\w+$|retq", line):
                body.append(line)


def problems(name, code, counts, pattern, exact):
    for cpu, limit, lines in zip(CPUS, counts, code):
        wanted = [p for p in pattern if p.startswith(cpu + ":")] or [p for p in pattern if ":" not in p]
        for p in wanted:
            regex = re.compile(r"v?(?:%s)(?: |$)" % p.split(":")[-1])
            if not any(regex.match(line) for line in lines):
                yield "%s, x86-64-%s: no %s in %s" % (name, cpu, p, "; ".join(lines))
        if exact and len(lines) > limit:
            yield "%s, x86-64-%s: %d instructions, not %d: %s" % (name, cpu, len(lines), limit,
                                                                   "; ".join(lines))


def main_instructions(code):
    """A proposal: the last instruction that all CPUs have and that is no help only, or one for each."""
    helps = r"p?xor\w*|movd|and\w*|test\w*|set\w+|pcmpeqd|xorl|zeroupper|kmov\w|mov[az]\w+|broadcast\w+"
    names = [[re.sub("^v", "", line.split()[0]) for line in lines] for lines in code]
    names = [[n for n in ns if not re.fullmatch(helps, n)] or ns for ns in names]
    common = [n for n in names[0] if all(n in ns for ns in names)]
    if common:
        return common[-1:]
    return ["%s:%s" % (cpu, ns[-1]) for cpu, ns in zip(CPUS, names)]


def main(lucetc, ops_def, table, write=False):
    ops = list(operators(ops_def))
    with open("vectors.wat", "w") as f:
        f.write("\n".join(module(ops)))
    subprocess.run(["wasm-tools", "parse", "vectors.wat", "-o", "vectors.wasm"], check=True)
    found = []
    for cpu in CPUS:
        subprocess.run([lucetc, "--target-cpu", "x86-64-" + cpu, "--opt-level", "1", "--emit", "asm",
                        "-o", cpu + ".s", "vectors.wasm"], check=True)
        found.append(list(bodies(cpu + ".s")))
    code = {op[0]: [f[i] for f in found] for i, op in enumerate(ops)}
    if write:
        for name, lines in code.items():
            print("%-35s %2d %2d %2d  %s" % (name, *map(len, lines), " ".join(main_instructions(lines))))
        return
    subprocess.run([lucetc, "-o", "vectors.so", "vectors.wasm"], check=True)
    exact = b"(LLVM 22" in open("vectors.so", "rb").read()
    rows = [line.split() for line in open(table) if line.strip() and not line.startswith("#")]
    bad = ["%s: not in the table" % name for name in code if name not in {r[0] for r in rows}]
    for row in rows:
        if row[0] not in code:
            bad.append("%s: no such operator" % row[0])
            continue
        bad += problems(row[0], code[row[0]], map(int, row[1:4]), row[4:], exact)
    for line in bad:
        print("FAILED:", line)
    print("%d passed, %d failed, 0 skipped" % (max(0, len(code) - len(bad)), len(bad)))
    sys.exit(bool(bad))


main(*sys.argv[1:])
