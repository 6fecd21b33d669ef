#!/usr/bin/env python3
"""A module of random functions that calculate with integers, without loops, in the text format.

integer_module.py SEED FUNCTIONS >module.wat

Most are what lucetc knows to be closed or quiet (docs/abi.md section 8), and written to tempt LLVM to use
vectors, calls or more stack than it says: neighbouring stores of constants and copies, idioms of bits,
divisions by constants, switches over constants, many values alive at once, values of other types where
nothing is ever reached.
"""
import random
import sys

MEMORIES = [  # declaration, type of indices
    ("(memory $m0 2)", "i32"),
    ("(memory $m1 1 4)", "i32"),
    ("(memory $m2 i64 1)", "i64"),
    ("(memory $m3 70000 (pagesize 1))", "i32"),
    ("(memory $m4 1 4 shared)", "i32"),
]
GLOBALS = 6
LOADS = {"i32": ["i32.load", "i32.load8_s", "i32.load8_u", "i32.load16_s", "i32.load16_u"],
         "i64": ["i64.load", "i64.load8_s", "i64.load8_u", "i64.load16_s", "i64.load16_u",
                 "i64.load32_s", "i64.load32_u"]}
STORES = {"i32": ["i32.store", "i32.store8", "i32.store16"],
          "i64": ["i64.store", "i64.store8", "i64.store16", "i64.store32"]}
BINARY = ["add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl", "shr_s",
          "shr_u", "rotl", "rotr"]
UNARY = {"i32": ["clz", "ctz", "popcnt", "extend8_s", "extend16_s"],
         "i64": ["clz", "ctz", "popcnt", "extend8_s", "extend16_s", "extend32_s"]}
COMPARE = ["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"]
FULL = {"i32": 1 << 32, "i64": 1 << 64}


class Function:
    def __init__(self, rng, number, module):
        self.r, self.number, self.module = rng, number, module
        self.params = [rng.choice(["i32", "i64"]) for _ in range(rng.randrange(7))]
        self.locals = [rng.choice(["i32", "i64"]) for _ in range(rng.choice([0, 2, 5, 20]))]
        self.result = rng.choice(["i32", "i64", None])
        self.writes = rng.random() < 0.3
        self.calls = 0
        self.budget = rng.choice([10, 40, 150])

    def constant(self, t):
        bits = 32 if t == "i32" else 64
        pick = self.r.randrange(5)
        value = (self.r.getrandbits(bits) if pick == 0 else 1 << self.r.randrange(bits) if pick == 1
                 else self.r.choice([0, 1, -1, 2, 3, 7, 10, 255, 0x55555555, 0x33333333, 0x0f0f0f0f]))
        return f"({t}.const {value})"

    def variables(self, t):
        return [k for k, v in enumerate(self.params + self.locals) if v == t]

    def variable(self, t):
        of_type = self.variables(t)
        return f"(local.get {self.r.choice(of_type)})" if of_type else self.constant(t)

    def index(self, memory):
        """A random one, or near the others."""
        t = MEMORIES[memory][1]
        if self.r.random() < 0.5:
            return f"({t}.const {8 * self.r.randrange(8)})"
        return self.variable(t) if self.r.random() < 0.7 else self.value(t, 2)

    def operand(self):
        memory = self.r.choice([0, 0, 0, 1, 2, 3, 4])
        offset = self.r.choice([0, 0, 8, 16, 24, 1, 70000, 0xfffffff0])
        return memory, f"$m{memory} offset={offset}"

    def load(self, t):
        memory, operand = self.operand()
        return f"({self.r.choice(LOADS[t])} {operand} {self.index(memory)})"

    def call(self, t):
        """Of a function before this one: there are no circles."""
        found = [f for f in self.module[-40:] if f.result == t and f.calls < 4]
        if not found or self.calls == 6 or self.r.random() < 0.3:
            return None
        self.calls += 1
        callee = self.r.choice(found)
        return f"(call $f{callee.number} {' '.join(self.value(p, 3) for p in callee.params)})"

    def swap(self, t):
        """Bits in reverse, or bytes; of 8, 16, 32 or 64 bits."""
        bits = self.r.choice([8, 16, 32] if t == "i32" else [8, 16, 32, 64])
        step = self.r.choice([1, 1, 8])
        x = self.variable(t)
        while step < bits:
            mask = sum(((1 << step) - 1) << k for k in range(0, bits, 2 * step))
            x = (f"({t}.or ({t}.and ({t}.shr_u {x} ({t}.const {step})) ({t}.const {mask}))"
                 f" ({t}.shl ({t}.and {x} ({t}.const {mask})) ({t}.const {step})))")
            if len(x) > 4000:  # it doubles; the rest of the steps through a variable
                break
            step *= 2
        return x

    def reverse(self, t):
        """The same through a variable, which is shorter."""
        of_type = self.variables(t)
        if not of_type:
            return self.swap(t)
        v, bits = self.r.choice(of_type), 32 if t == "i32" else 64
        get, code = f"(local.get {v})", []
        step = self.r.choice([1, 8])
        while step < bits:
            mask = sum(((1 << step) - 1) << k for k in range(0, bits, 2 * step))
            code.append(f"(local.set {v} ({t}.or ({t}.and ({t}.shr_u {get} ({t}.const {step}))"
                        f" ({t}.const {mask})) ({t}.shl ({t}.and {get} ({t}.const {mask}))"
                        f" ({t}.const {step}))))")
            step *= 2
        return f"(block (result {t}) {' '.join(code)} {get})"

    def count_bits(self, t):
        x, ones = self.variable(t), FULL[t] - 1
        a = (f"({t}.sub {x} ({t}.and ({t}.shr_u {x} ({t}.const 1)) ({t}.const {ones // 3})))")
        return (f"({t}.mul ({t}.and {a} ({t}.const {ones // 15})) ({t}.const {ones // 255}))")

    def gather(self, t):
        """A number byte by byte, as from a buffer that is not aligned."""
        n = self.r.choice([2, 4] if t == "i32" else [2, 4, 8])
        order = list(range(n)) if self.r.random() < 0.5 else list(range(n - 1, -1, -1))
        parts = [f"({t}.shl ({t}.load8_u $m0 offset={16 + k} {self.index(0)}) ({t}.const {8 * at}))"
                 for at, k in enumerate(order)]
        if self.r.random() < 0.8:
            index = self.index(0)
            parts = [f"({t}.shl ({t}.load8_u $m0 offset={16 + k} {index}) ({t}.const {8 * at}))"
                     for at, k in enumerate(order)]
        x = parts[0]
        for p in parts[1:]:
            x = f"({t}.or {x} {p})"
        return x

    def switch(self, t, depth):
        n = self.r.randrange(3, 9)
        cases = "".join(f" (br $out ({t}.const {self.r.getrandbits(30)})))" for _ in range(n))
        return (f"(block $out (result {t}) {'(block ' * n}"
                f" (br_table {' '.join(str(k) for k in range(n))} {self.value('i32', depth + 2)})"
                f"{cases} {self.value(t, depth + 2)})")

    def never(self):
        """Values of other types, where nothing is reached."""
        other = self.r.choice(["f32", "f64", "v128", "funcref"])
        return self.r.choice([
            f"(block (result {other}) (unreachable)) (drop)",
            f"(block $b (result {other}) (br_if $b (unreachable)) (unreachable)) (drop)",
            f"(if (result {other}) {self.variable('i32')} (then (unreachable)) (else (unreachable)))"
            " (drop)"])

    def value(self, t, depth=0):
        self.budget -= 1
        if depth > 6 or self.budget < 0:
            return self.variable(t) if self.r.random() < 0.7 else self.constant(t)
        deeper = depth + 1
        other = "i64" if t == "i32" else "i32"
        kinds = [
            (20, lambda: f"({t}.{self.r.choice(BINARY)} {self.value(t, deeper)} {self.value(t, deeper)})"),
            (4, lambda: f"({t}.{self.r.choice(['div_u', 'div_s', 'rem_u', 'rem_s'])}"
                        f" {self.value(t, deeper)} ({t}.const {self.r.choice([3, 7, 10, 641, 8])}))"),
            (5, lambda: f"({t}.{self.r.choice(UNARY[t])} {self.value(t, deeper)})"),
            (6, lambda: self.load(t)),
            (2, lambda: self.gather(t)),
            (2, lambda: self.reverse(t)),
            (1, lambda: self.swap(t) if depth < 2 else self.variable(t)),
            (1, lambda: self.count_bits(t)),
            (4, lambda: f"(select {self.value(t, deeper)} {self.value(t, deeper)} {self.value('i32', deeper)})"),
            (3, lambda: f"(if (result {t}) {self.value('i32', deeper)} (then {self.value(t, deeper)})"
                        f" (else {self.value(t, deeper)}))"),
            (2, lambda: self.switch(t, depth)),
            (4, lambda: self.call(t) or self.variable(t)),
            (8, lambda: self.variable(t)),
            (4, lambda: self.constant(t)),
            (2, lambda: f"(global.get ${t}_{self.r.randrange(GLOBALS)})"),
            (3, lambda: f"({'i32.wrap_i64' if t == 'i32' else self.r.choice(['i64.extend_i32_u', 'i64.extend_i32_s'])}"
                        f" {self.value(other, deeper)})"),
        ]
        if t == "i32":
            of = self.r.choice(["i32", "i64"])
            kinds += [
                (4, lambda: f"({of}.{self.r.choice(COMPARE)} {self.value(of, deeper)} {self.value(of, deeper)})"),
                (1, lambda: f"({of}.eqz {self.value(of, deeper)})"),
                (1, lambda: f"(memory.size $m{self.r.choice([0, 1, 3, 4])})"),
            ]
        return self.r.choices([k[1] for k in kinds], [k[0] for k in kinds])[0]()

    def neighbours(self):
        """Stores side by side: of zeros, of one byte, of constants, copies."""
        memory = self.r.choice([0, 0, 0, 1, 4])
        t, kind, at = self.r.choice(["i32", "i64"]), self.r.randrange(4), 16 * self.r.randrange(4)
        size = 4 if t == "i32" else 8
        index = self.variable("i32") if self.r.random() < 0.5 else "(i32.const 64)"
        values = {0: lambda k: f"({t}.const 0)", 1: lambda k: f"({t}.const {0x01010101})",
                  2: lambda k: self.constant(t),
                  3: lambda k: f"({t}.load $m{memory} offset={256 + size * k} (i32.const 0))"}[kind]
        return " ".join(f"({t}.store $m{memory} offset={at + size * k} {index} {values(k)})"
                        for k in range(self.r.choice([2, 4, 8])))

    def globals(self):
        t = self.r.choice(["i32", "i64"])
        value = f"({t}.const 0)" if self.r.random() < 0.5 else self.constant(t)
        copied = self.r.random() < 0.3
        return " ".join(f"(global.set ${t}_{k} " +
                        (f"(global.get ${t}_{(k + 3) % GLOBALS}))" if copied else f"{value})")
                        for k in range(self.r.randrange(2, GLOBALS)))

    def statement(self):
        pick = self.r.random()
        if self.writes and pick < 0.25:
            return self.neighbours()
        if self.writes and pick < 0.4:
            t = self.r.choice(["i32", "i64"])
            memory, operand = self.operand()
            return f"({self.r.choice(STORES[t])} {operand} {self.index(memory)} {self.value(t, 2)})"
        if pick < 0.5:
            return self.globals()
        if pick < 0.55:
            return self.never()
        if pick < 0.65:
            return f"(br_if 0 {self.value('i32', 2)})" if self.result is None else ""
        variables = self.params + self.locals
        if variables:
            v = self.r.randrange(len(variables))
            return f"(local.set {v} {self.value(variables[v], 1)})"
        return ""

    def alive(self):
        """All variables at once, loaded before and used after."""
        if self.r.random() < 0.7:
            return ""
        return " ".join(f"(local.set {k} ({t}.load $m0 offset={8 * k} (i32.const 0)))"
                        for k, t in enumerate(self.params + self.locals))

    def text(self):
        body = " ".join([self.alive()] + [self.statement() for _ in range(self.r.randrange(6))])
        end = self.value(self.result) if self.result else ""
        declared = " ".join(f"(param {p})" for p in self.params)
        if self.result:
            declared += f" (result {self.result})"
        declared += "".join(f" (local {x})" for x in self.locals)
        return f'  (func $f{self.number} (export "f{self.number}") {declared}\n    {body} {end})'


def tower(above, below):
    """Four functions within each other, each with so many values alive over its call, and in the lowest:
    some have the largest frames that quiet ones may have."""
    text = ""
    for level in range(4):
        n = above if level else below
        params = "(param i64)" * 6
        name = f"$tower{above}_{level}"
        loads = " ".join(f"(local.set {6 + k} (i64.load (i32.const {8 * k})))" for k in range(n))
        arguments = "(local.get 0)" * 6
        call = f"(call $tower{above}_{level - 1} {arguments})" if level else "(local.get 0)"
        sums = "".join(f"(i64.{('xor', 'add', 'mul')[k % 3]} (i64.rotl (local.get {5 + k}) (local.get {6 + k}))" for k in range(n))
        text += (f'  (func {name} (export "{name[1:]}") {params} (result i64) {"(local i64)" * n}'
                 f"\n    {loads} {sums} {call} {')' * n})\n")
    return text


def make(rng, n):
    """The text; memory 0 is exported as "memory", globals as what they are called."""
    functions, text = [], "(module\n"
    for k, (declaration, _) in enumerate(MEMORIES):
        text += "  " + (declaration.replace("$m0", '$m0 (export "memory")') if k == 0 else declaration) + "\n"
    for t in ("i32", "i64"):
        for k in range(GLOBALS):
            text += f'  (global ${t}_{k} (export "{t}_{k}") (mut {t}) ({t}.const {k}))\n'
    for k in range(n):
        f = Function(rng, k, functions)
        text += f.text() + "\n"
        functions.append(f)
    return text + "".join(tower(k, k + 16) for k in range(2, 30)) + ")\n"


if __name__ == "__main__":
    print(make(random.Random(int(sys.argv[1])), int(sys.argv[2])), end="")
