"""A generator of our own: functions of random expressions over every operator in src/wasm/ops.def, with constants at the edges
of their types, loops over memory, and calls.

NaNs may have any bits after arithmetic, so wherever bits of a float become visible (stores, reinterpretation, vectors,
copysign) the module first makes its NaNs canonical.
"""
import re
from pathlib import Path

import plan

# Features that a module may use or not, with how often it does.
SOMETIMES = {"SIMD": 0.75, "WIDE_ARITHMETIC": 0.3, "TAIL_CALL": 0.5, "MULTI_MEMORY": 0.4, "MEMORY64": 0.4, "THREADS": 0.3,
             "EXCEPTIONS": 0.4}

OPS_DEF = Path(__file__).resolve().parents[2] / "src" / "wasm"
NAMES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "v": "v128"}
LANES = {"i8x16": 16, "i16x8": 8, "i32x4": 4, "i64x2": 2, "f32x4": 4, "f64x2": 2}
ALWAYS = {"CORE", "SIGN_EXTENSION", "SATURATING_FLOAT_TO_INT", "BULK_MEMORY"}
# Float operators on vectors whose NaNs are the operand's own, or that have none.
EXACT = re.compile(r"\.(neg|abs|pmin|pmax|eq|ne|lt|gt|le|ge|convert\w*|replace_lane|splat|extract_lane)$")


def read_ops(features):
    """[(name, imm, operands, results)]"""
    text = (OPS_DEF / "ops.def").read_text() + (OPS_DEF / "memory_ops.def").read_text()
    ops = re.findall(r'WASM_OP\(\w+,\s*"([\w.]+)",\s*\w+,\s*\w+,\s*(\w+),\s*"(\w*):(\w*)",\s*(\w+)\)', text)
    return [(name, imm, operands, results) for name, imm, operands, results, feature in ops if feature in features]


class Function:
    def __init__(self, params, results):
        self.params, self.results = params, results
        self.variables = {letter: [] for letter in NAMES}  # names of parameters and locals
        self.counters = 0


class Maker:
    def __init__(self, rng, features):
        self.rng = rng
        self.ops = read_ops(features)
        self.features = features
        self.by_result = {letter: [o for o in self.ops if o[3] == letter] for letter in NAMES}
        self.stores = [o for o in self.ops if o[3] == "" and o[1] in ("memarg", "memarg_lane")]
        self.by_result = {k: [o for o in v if "atomic.wait" not in o[0]] for k, v in self.by_result.items()}
        self.memories = [self.address_type() for _ in range(rng.choice([2, 3]) if "MULTI_MEMORY" in features else 1)]
        self.wide = [o for o in self.ops if o[3] == "II"]
        self.functions = []
        self.function = None
        self.letters = "iIfFv" if "SIMD" in features else "iIfF"
        self.traps = rng.choice([0.02, 0.1, 1])  # how often operators that often trap are taken

    def letter(self):
        return self.rng.choice(self.letters)

    def address_type(self):
        return "I" if "MEMORY64" in self.features and self.rng.random() < 0.6 else "i"

    # ---- Expressions ------------------------------------------------------------------------

    def const(self, letter):
        if letter == "v":
            bits = int(plan.value(self.rng, "v")[1:], 16)
            return "(v128.const i64x2 " + " ".join(f"{bits >> s & 2**64 - 1:#x}" for s in (0, 64)) + ")"
        bits = int(plan.value(self.rng, letter)[1:], 16)
        if letter in "iI":
            return f"({NAMES[letter]}.const {bits:#x})"
        integer = f"({'i32' if letter == 'f' else 'i64'}.const {bits:#x})"
        return f"({'f32.reinterpret_i32' if letter == 'f' else 'f64.reinterpret_i64'} {integer})"

    def canonical(self, letter, text):
        """The same value with its NaNs made canonical."""
        name = NAMES[letter]
        return f"(select ({name}.const nan) (local.tee $nan_{letter} {text}) " \
               f"({name}.ne (local.get $nan_{letter}) (local.get $nan_{letter})))"

    def canonical_vector(self, lane, text):
        nan = "i32x4" + " 0x7fc00000" * 4 if lane == "f32x4" else "i64x2" + " 0x7ff8000000000000" * 2
        return f"(v128.bitselect (local.tee $nan_v {text}) (v128.const {nan}) ({lane}.eq (local.get $nan_v) (local.get $nan_v)))"

    def address(self, depth, letter, align=1):
        """Inside memory most of the time, aligned always but for some rare traps."""
        name, rng = NAMES[letter], self.rng
        kind = rng.random()
        if align > 1 and rng.random() < 0.02 * self.traps:
            align = 1
        if kind < 0.5:
            mask = rng.choice([0xff, 0xfff8, 0xffff]) & -align
            return f"({name}.and {self.expr(letter, depth)} ({name}.const {mask}))"
        if kind < 0.95 or rng.random() > self.traps:
            return f"({name}.const {rng.choice([0, 1, 7, 16, 64, 255, 4095, 65472, 65520]) & -align})"
        return self.expr(letter, depth)

    def offset(self, letter, align=1):
        rng = self.rng
        if rng.random() < 0.1 * self.traps:
            far = [65535, 65536, 2**31, 2**32 - 1] + ([2**32, 2**33 + 7, 2**63, 2**64 - 1] if letter == "I" else [])
            return f" offset={rng.choice(far)}"
        return rng.choice(["", "", f" offset={rng.choice([0, 1, 4, 8, 31, 64]) & -align}"])

    def memory(self):
        """Index and address type of one."""
        index = self.rng.randrange(len(self.memories))
        return index, self.memories[index]

    def lane(self, name):
        lanes = LANES.get(name.split(".")[0])
        if lanes is None:  # v128.load8_lane
            lanes = 128 // int(re.search(r"(\d+)_lane", name).group(1))
        return self.rng.randrange(lanes)

    def operand(self, name, index, letter, depth):
        text = self.expr(letter, depth)
        visible = "reinterpret" in name or name.endswith((".splat", ".replace_lane", ".store")) or \
            (name.endswith(".copysign") and index == 1)
        return self.canonical(letter, text) if letter in "fF" and visible else text

    def access(self, op, depth):
        name, imm, operands, _ = op
        index, letter = self.memory()
        align = 1
        if "atomic" in name:  # whose alignment is that of their width
            width = re.search(r"(?:rmw|load|store)(\d+)", name)
            align = int(width.group(1)) // 8 if width else 4 if name.startswith(("i32", "memory")) else 8
        lane = f" {self.lane(name)}" if imm == "memarg_lane" else ""
        rest = [self.operand(name, i, o, depth) for i, o in enumerate(operands) if i > 0]
        return f"({name} {index}{self.offset(letter, align)} align={align}{lane} {self.address(depth, letter, align)} {' '.join(rest)})"

    def apply(self, op, depth):
        name, imm, operands, results = op
        if imm in ("memarg", "memarg_lane"):
            return self.access(op, depth)
        immediate = ""
        if imm == "lane":
            immediate = f" {self.lane(name)}"
        elif imm == "shuffle":
            immediate = " " + " ".join(str(self.rng.randrange(32)) for _ in range(16))
        elif imm in ("i32", "i64", "f32", "f64", "v128"):
            return self.const({v: k for k, v in NAMES.items()}[imm])
        elif imm != "none":
            return None
        text = f"({name}{immediate} {' '.join(self.operand(name, i, o, depth) for i, o in enumerate(operands))})"
        lane = name.split(".")[0]
        if results == "v" and not EXACT.search(name):
            if lane in ("f32x4", "f64x2"):
                text = self.canonical_vector(lane, text)
        return text

    def leaf(self, letter):
        variables = self.function.variables[letter]
        kind = self.rng.random()
        if kind < 0.55 and variables:
            return f"(local.get {self.rng.choice(variables)})"
        if kind < 0.65:
            return f"(global.get $g_{letter})"
        return self.const(letter)

    def call(self, letter, depth):
        callees = [(i, f) for i, f in enumerate(self.functions) if f.results == [letter]]
        if not callees:
            return self.leaf(letter)
        index, f = self.rng.choice(callees)
        args = " ".join(self.expr(p, depth) for p in f.params)
        if self.rng.random() < 0.3:
            return f"(call_indirect (type $t{index}) {args} (i32.const {index}))"
        return f"(call $f{index} {args})"

    def expr(self, letter, depth):
        rng = self.rng
        if depth <= 0 or rng.random() < 0.1:
            return self.leaf(letter)
        kind, depth = rng.random(), depth - 1
        name = NAMES[letter]
        if kind < 0.06:
            return f"(select (result {name}) {self.expr(letter, depth)} {self.expr(letter, depth)} {self.expr('i', depth)})"
        if kind < 0.10:
            return f"(if (result {name}) {self.expr('i', depth)} (then {self.expr(letter, depth)}) (else {self.expr(letter, depth)}))"
        if kind < 0.13:
            return f"(block (result {name}) (br_if 0 {self.expr(letter, depth)} {self.expr('i', depth)}))"
        if kind < 0.17:
            return self.call(letter, depth)
        if kind < 0.20 and self.function.variables[letter]:
            return f"(local.tee {rng.choice(self.function.variables[letter])} {self.expr(letter, depth)})"
        for _ in range(20):
            op = rng.choice(self.by_result[letter])
            if re.search(r"i(32|64)\.(trunc_f|div|rem)", op[0]) and rng.random() > max(self.traps, 0.2):
                continue
            if text := self.apply(op, depth):
                return text
        return self.leaf(letter)

    # ---- Statements -------------------------------------------------------------------------

    def vector_loop(self):
        """Over memory, as compilers unroll and vectorise them: where ranges overlap, and at the end of memory."""
        rng, letter = self.rng, self.rng.choice("iIfF")
        name, size = NAMES[letter], 8 if letter in "IF" else 4
        i, count = self.counter(), rng.choice([3, 8, 17, 40, 100])
        memory, address = self.memory()
        extend = (lambda x: f"(i64.extend_i32_u {x})") if address == "I" else (lambda x: x)
        start = rng.choice([256, 1024, 65536 - size * count])
        if rng.random() < 0.3 * self.traps:
            start += rng.choice([size, 64])
        source = max(0, start + rng.choice([0, size, -size, 2 * size, -4 * size, 3, -1, -512]))
        load = f"({name}.load {memory} align=1 {extend(f'(i32.add (i32.const {source}) (local.get {i}))')})"
        value = rng.choice([load, f"({name}.add {load} {self.leaf(letter)})", f"({name}.mul {load} {load})"])
        if letter in "fF":
            value = self.canonical(letter, value)
        return f"(local.set {i} (i32.const 0)) (loop $l{i[1:]} " \
               f"({name}.store {memory} align=1 {extend(f'(i32.add (i32.const {start}) (local.get {i}))')} {value}) " \
               f"(local.set {i} (i32.add (local.get {i}) (i32.const {size}))) " \
               f"(br_if $l{i[1:]} (i32.lt_u (local.get {i}) (i32.const {size * count}))))"

    def bulk(self):
        """An operation on ranges of memory."""
        rng = self.rng
        (a, x), (b, y) = self.memory(), self.memory()
        n = rng.choice([0, 1, 7, 64, 300, 5000])
        count = lambda letter: f"({NAMES[letter]}.const {n})"
        operation = rng.choice(["grow", "size", "fill", "copy", "init", "drop"])
        if operation == "grow":
            return f"(global.set $g_{x} (memory.grow {a} ({NAMES[x]}.and {self.expr(x, 2)} ({NAMES[x]}.const 3))))"
        if operation == "size":
            return f"(global.set $g_{x} (memory.size {a}))"
        if operation == "fill":
            return f"(memory.fill {a} {self.address(2, x)} {self.expr('i', 2)} {count(x)})"
        if operation == "copy":
            both = "I" if x == y == "I" else "i"
            return f"(memory.copy {a} {b} {self.address(2, x)} {self.address(2, y)} {count(both)})"
        if operation == "init":
            return f"(memory.init {a} $passive {self.address(2, x)} (i32.const {rng.choice([0, 3, 16])}) (i32.const {rng.choice([0, 1, 9, 16])}))"
        return "(data.drop $passive)" if rng.random() < 0.2 else "(nop)"

    def catching(self, depth):
        """Statements that may throw, some of it caught."""
        rng = self.rng
        letter = rng.choice("iF")
        tag = f"$tag_{letter}"
        throw = f"(if {self.expr('i', 2)} (then (throw {tag} {self.expr(letter, 2)})))"
        n = self.counter()[1:]
        if rng.random() < 0.7:
            catch, results = f"(catch {tag} $c{n})", NAMES[letter]
            after = f"(global.set $g_{letter})"
        elif rng.random() < 0.5:
            catch, results, after = f"(catch_all $c{n})", "", ""
        else:
            catch, results, after = f"(catch_all_ref $c{n})", "exnref", "(throw_ref)" if rng.random() < 0.5 else "(drop)"
        leave = f"(br $o{n})"
        block = f"(block $c{n} {f'(result {results})' if results else ''} (try_table {catch} {self.statements(depth - 1)} {throw}) {leave})"
        # The plain form: what the block leaves is on the stack.
        return f"(block $o{n} {block} {after})" if after != "(drop)" else f"(block $o{n} (drop {block}))"

    def counter(self):
        self.function.counters += 1
        return f"$n{self.function.counters}"

    def statement(self, depth):
        rng = self.rng
        kind = rng.random()
        letter = self.letter()
        if kind < 0.25 and self.function.variables[letter]:
            return f"(local.set {rng.choice(self.function.variables[letter])} {self.expr(letter, 4)})"
        if kind < 0.40:
            return f"(global.set $g_{letter} {self.expr(letter, 4)})"
        if kind < 0.60:
            return self.apply(rng.choice(self.stores), 3)
        if kind < 0.64:
            return self.vector_loop()
        if kind < 0.67:
            return self.bulk()
        if kind < 0.70 and depth > 0 and "EXCEPTIONS" in self.features:
            return self.catching(depth)
        if kind < 0.71 and "EXCEPTIONS" in self.features:
            return f"(if (i32.eqz {self.expr('i', 2)}) (then (throw $tag_F {self.expr('F', 2)})))"
        if kind < 0.73 and self.wide and self.function.variables["I"]:
            op = rng.choice(self.wide)
            sets = " ".join(f"local.set {rng.choice(self.function.variables['I'])}" for _ in "ab")
            return " ".join(self.expr("I", 2) for _ in op[2]) + f" {op[0]} {sets}"
        if kind < 0.85 and depth > 0:
            return f"(if {self.expr('i', 3)} (then {self.statements(depth - 1)}) (else {self.statements(depth - 1)}))"
        if kind < 0.95 and depth > 0:
            n = self.counter()
            return f"(local.set {n} (i32.const 0)) (loop $l{n[1:]} {self.statements(depth - 1)} " \
                   f"(br_if $l{n[1:]} (i32.lt_u (local.tee {n} (i32.add (local.get {n}) (i32.const 1))) " \
                   f"(i32.const {rng.randrange(1, 12)}))))"
        return f"(drop {self.expr(letter, 4)})"

    def statements(self, depth):
        return " ".join(self.statement(depth) for _ in range(self.rng.randrange(1, 4)))

    def finish(self, f):
        """What a function ends with: its results, or a tail call."""
        callees = [(i, g) for i, g in enumerate(self.functions) if g.results == f.results]
        if "TAIL_CALL" in self.features and callees and self.rng.random() < 0.3:
            index, g = self.rng.choice(callees)
            return f"(return_call $f{index} {' '.join(self.expr(p, 3) for p in g.params)})"
        return " ".join(self.expr(r, 5) for r in f.results)

    def make_function(self):
        rng = self.rng
        f = Function([self.letter() for _ in range(rng.choice([0, 1, 2, 4, 9]))],
                     [self.letter() for _ in range(rng.choice([1, 1, 1, 2, 5]))])
        self.function = f
        index = len(self.functions)
        for i, letter in enumerate(f.params):
            f.variables[letter].append(f"$p{i}")
        extra = [self.letter() for _ in range(rng.randrange(6))]
        for i, letter in enumerate(extra):
            f.variables[letter].append(f"$v{i}")
        body = self.statements(2) + " " + self.finish(f)
        params = " ".join(f"(param $p{i} {NAMES[p]})" for i, p in enumerate(f.params))
        results = " ".join(f"(result {NAMES[r]})" for r in f.results)
        variables = [f"(local $v{i} {NAMES[v]})" for i, v in enumerate(extra)]
        variables += [f"(local $n{i + 1} i32)" for i in range(f.counters)]
        variables += [f"(local $nan_{letter} {NAMES[letter]})" for letter in self.letters if letter in "fFv"]
        self.functions.append(f)
        return f'(type $t{index} (func {" ".join(f"(param {NAMES[p]})" for p in f.params)} {results}))\n' \
               f'(func $f{index} (export "f{index}") {params} {results} {" ".join(variables)}\n  {body})'

    def module(self):
        rng = self.rng
        functions = [self.make_function() for _ in range(rng.choice([2, 4, 8]))]
        data = "".join(f"\\{b:02x}" for b in rng.randbytes(300))
        parts = [f'(memory {"(export " + chr(34) + "memory" + chr(34) + ")" if i == 0 else ""} {NAMES[m].replace("i32", "")} 1 2)'
                 for i, m in enumerate(self.memories)]
        parts += [f'(data (memory {i}) ({NAMES[m]}.const {at}) "{data}")' for i, m in enumerate(self.memories) for at in (0, 65236)]
        parts.append(f'(data $passive "{data[:48]}")')
        if "EXCEPTIONS" in self.features:
            parts.append("(tag $tag_i (param i32)) (tag $tag_F (param f64))")
        parts += [f'(global $g_{letter} (export "g_{letter}") (mut {NAMES[letter]}) '
                  f'{"(v128.const i64x2 1 2)" if letter == "v" else f"({NAMES[letter]}.const 3)"})' for letter in self.letters]
        parts.append(f'(table {len(functions)} funcref) (elem (i32.const 0) func '
                     f'{" ".join(f"$f{i}" for i in range(len(functions)))})')
        return "(module\n" + "\n".join(parts + functions + self.hashes()) + ")\n"

    def hashes(self):
        """Exports that read all of a memory: plans compare the first one only."""
        return [f'(func (export "hash{i}") (result i64) (local $a {NAMES[m]}) (local $h i64) (loop $l (local.set $h (i64.add '
                f'(i64.mul (local.get $h) (i64.const 31)) (i64.load {i} (local.get $a)))) (br_if $l ({NAMES[m]}.lt_u (local.tee $a '
                f'({NAMES[m]}.add (local.get $a) ({NAMES[m]}.const 8))) ({NAMES[m]}.const 65536)))) (local.get $h))'
                for i, m in enumerate(self.memories) if i > 0]


def make(rng, available):
    """The text of a module that uses some of the available features."""
    features = ALWAYS | {f for f, chance in SOMETIMES.items() if rng.random() < chance and f in available}
    return Maker(rng, features).module()
