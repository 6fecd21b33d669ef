"""Modules of functions with random signatures, up to 40 parameters of all types, that call each other in every way: direct,
indirect, by reference, as tail calls or not. Parameters are passed on, moved, and reinterpreted, never computed with, so
that every bit of them counts; a hash of all that arrived is in a global.
"""

TYPES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "v": "v128"}
# The result type comes last in the text: an expression of its operand.
CONVERSIONS = {
    ("i", "I"): "(i64.extend_i32_s {})", ("i", "f"): "(f32.reinterpret_i32 {})", ("i", "v"): "(i32x4.splat {})",
    ("I", "i"): "(i32.wrap_i64 {})", ("I", "F"): "(f64.reinterpret_i64 {})", ("I", "v"): "(i64x2.splat {})",
    ("f", "i"): "(i32.reinterpret_f32 {})", ("f", "v"): "(f32x4.splat {})",
    ("F", "I"): "(i64.reinterpret_f64 {})", ("F", "v"): "(f64x2.splat {})",
    ("v", "i"): "(i32x4.extract_lane 1 {})", ("v", "I"): "(i64x2.extract_lane 1 {})",
    ("v", "f"): "(f32x4.extract_lane 3 {})", ("v", "F"): "(f64x2.extract_lane 0 {})",
}
TO_I64 = {"i": "(i64.extend_i32_u {})", "I": "{}", "f": "(i64.extend_i32_u (i32.reinterpret_f32 {}))",
          "F": "(i64.reinterpret_f64 {})",
          "v": "(i64.xor (i64x2.extract_lane 0 {0}) (i64.rotl (i64x2.extract_lane 1 {0}) (i64.const 7)))"}


def constant(rng, t):
    bits = rng.getrandbits(64) if rng.random() < 0.7 else rng.choice([0, 1, 1 << 63, 0x7fa00000ffc00001, (1 << 64) - 1])
    if t == "i":
        return f"(i32.const {bits & 0xffffffff:#x})"
    if t == "f":
        return f"(f32.reinterpret_i32 (i32.const {bits & 0xffffffff:#x}))"
    if t == "F":
        return f"(f64.reinterpret_i64 (i64.const {bits:#x}))"
    return f"(i64.const {bits:#x})" if t == "I" else f"(v128.const i64x2 {bits:#x} {bits ^ 0x1234567:#x})"


class Module:
    def __init__(self, rng):
        self.rng = rng
        letters = rng.choice(["iIfFv", "iIfF", "iI", "fFv", "i", "IF", "iiiIv"])
        self.results = [self.types(letters, rng.choice([0, 1, 1, 2, 3, 4, 5, 12])) for _ in range(rng.choice([1, 1, 2]))]
        self.functions = []
        for _ in range(rng.randrange(3, 12)):
            n = rng.choice([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 14, 15, 20, 40]) if rng.random() < 0.8 else rng.randrange(41)
            self.functions.append((self.types(letters, n), rng.randrange(len(self.results))))
        self.tail = rng.random() < 0.8  # the others have none, and pass parameters otherwise

    def types(self, letters, n):
        return "".join(self.rng.choice(letters) for _ in range(n))

    def value(self, t, params):
        """An expression of type t, of a parameter where there is one that fits."""
        fitting = [i for i, p in enumerate(params) if p == t]
        others = [i for i, p in enumerate(params) if (p, t) in CONVERSIONS]
        if fitting and self.rng.random() < 0.75:
            return f"(local.get {self.rng.choice(fitting)})"
        if others and self.rng.random() < 0.7:
            i = self.rng.choice(others)
            return CONVERSIONS[params[i], t].format(f"(local.get {i})")
        return constant(self.rng, t)

    def call(self, caller):
        """A call to some function, and the return of what it gives."""
        params, group = self.functions[caller]
        callee = self.rng.choice([k for k, f in enumerate(self.functions) if f[1] == group])
        arguments = " ".join(self.value(t, params) for t in self.functions[callee][0])
        tail = self.tail and self.rng.random() < 0.8
        way = self.rng.randrange(3 if self.tail else 2)  # call_ref where there are tail calls, since it came with them
        if way == 0:
            what = f"call $f{callee} {arguments}"
        elif way == 1:
            what = f"call_indirect $t (type $t{callee}) {arguments} (i32.const {callee})"
        else:
            what = f"call_ref $t{callee} {arguments} (ref.func $f{callee})"
        return f"(return_{what})" if tail else f"({what}) (call $note (i64.const {self.rng.getrandbits(20)})) (return)"

    def function(self, k):
        params, group = self.functions[k]
        yield f"(func $f{k} (export \"f{k}\") (type $t{k})"
        for i, p in enumerate(params):
            yield "  (call $note %s)" % TO_I64[p].format(f"(local.get {i})")
        yield "  (global.set $fuel (i32.sub (global.get $fuel) (i32.const 1)))"
        yield "  (if (i32.le_s (global.get $fuel) (i32.const 0)) (then %s (return)))" % " ".join(
            self.value(t, params) for t in self.results[group])
        if self.rng.random() < 0.2:
            yield f"  (drop (i32.load (i32.and (i32.wrap_i64 (global.get $hash)) (i32.const {self.rng.choice([0xffff, 0x1ffff])}))))"
        for _ in range(self.rng.randrange(3)):
            yield f"  (if (i64.eqz (i64.and (global.get $hash) (i64.const {1 << self.rng.randrange(8)}))) (then {self.call(k)}))"
        yield f"  {self.call(k)})"

    def text(self):
        yield "(module (memory 1)"
        yield '(global $fuel (export "fuel") (mut i32) (i32.const 0)) (global $hash (export "hash") (mut i64) (i64.const 0))'
        for k, (params, group) in enumerate(self.functions):
            yield "(type $t%d (func (param %s) (result %s)))" % (
                k, " ".join(TYPES[p] for p in params), " ".join(TYPES[r] for r in self.results[group]))
        shared = ' (export "table")' if self.rng.random() < 0.4 else ""
        yield f"(table $t{shared} funcref (elem %s))" % " ".join(f"$f{k}" for k in range(len(self.functions)))
        yield "(func $note (param i64) (global.set $hash (i64.add (i64.mul (global.get $hash) (i64.const 31)) (local.get 0))))"
        yield '(func (export "refuel") (param i32) (global.set $fuel (i32.and (local.get 0) (i32.const 1023))))'
        for k, (params, group) in enumerate(self.functions):
            yield from self.function(k)
            # Whatever the host cannot pass or take: constants, and the hash.
            yield f'(func (export "run{k}") (param i32) (result i64)'
            results = self.results[group]
            yield "  " + " ".join(f"(local $r{i} {TYPES[r]})" for i, r in enumerate(results))
            yield "  (global.set $fuel (i32.and (local.get 0) (i32.const 1023)))"
            yield "  (call $f%d %s)" % (k, " ".join(constant(self.rng, t) for t in params))
            yield "  " + " ".join(f"(local.set $r{i})" for i in reversed(range(len(results))))
            yield "  %s (global.get $hash))" % " ".join(
                "(call $note %s)" % TO_I64[r].format(f"(local.get $r{i})") for i, r in enumerate(results))
        yield ")"


def make(rng):
    return "\n".join(Module(rng).text())
