"""Reads imports, exports and function types of a valid module."""

LETTERS = {0x7f: "i", 0x7e: "I", 0x7d: "f", 0x7c: "F", 0x7b: "v", 0x70: "r", 0x6f: "e"}
KINDS = ["func", "table", "memory", "global", "tag"]


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def number(self):
        result = shift = 0
        while True:
            b = self.byte()
            result |= (b & 0x7f) << shift
            shift += 7
            if b < 0x80:
                return result

    def take(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def name(self):
        return self.take(self.number()).decode()

    def valtype(self):
        """Its letter; "?" for types that plans have no values of."""
        b = self.byte()
        if b in (0x63, 0x64):
            self.number()
            return "?"
        return LETTERS.get(b, "?")

    def skip_expression(self):
        """A constant expression."""
        while (op := self.byte()) != 0x0b:
            if op in (0x41, 0x42, 0x23, 0xd0, 0xd2):
                self.number()
            elif op in (0x43, 0x44):
                self.take(4 if op == 0x43 else 8)
            elif op == 0xfd:
                self.number()
                self.take(16)

    def limits(self):
        flags = self.number()
        self.number()
        if flags & 1:
            self.number()
        if flags & 8:
            self.number()


class Module:
    def __init__(self, wasm):
        self.types = []      # (params, results): lists of letters
        self.imports = []    # (module, name, kind)
        self.functions = []  # indices of types
        self.exports = []    # (name, kind, params, results)
        self.globals = []    # letters
        self.memories = 0
        reader = Reader(wasm)
        reader.take(8)
        raw_exports = []
        while reader.at < len(wasm):
            section = reader.byte()
            body = Reader(reader.take(reader.number()))
            if section == 1:
                self.read_types(body)
            elif section == 2:
                self.read_imports(body)
            elif section == 3:
                self.functions += [body.number() for _ in range(body.number())]
            elif section == 5:
                self.memories += body.number()
            elif section == 6:
                self.read_globals(body)
            elif section == 7:
                raw_exports = [(body.name(), body.byte(), body.number()) for _ in range(body.number())]
        self.global_types = {name: self.globals[index] for name, kind, index in raw_exports if kind == 3}
        self.memory = next((name for name, kind, index in raw_exports if kind == 2 and index == 0), None)
        for name, kind, index in raw_exports:
            params, results = self.types[self.functions[index]] if kind == 0 else ([], [])
            self.exports.append((name, KINDS[kind], params, results))

    def read_types(self, body):
        left = body.number()
        while left:
            form = body.byte()
            if form == 0x4e:  # a recursion group counts as one
                left += body.number() - 1
                continue
            if form in (0x50, 0x4f):
                for _ in range(body.number()):
                    body.number()
                form = body.byte()
            if form != 0x60:
                raise ValueError(f"type form {form:#x}")
            params = [body.valtype() for _ in range(body.number())]
            results = [body.valtype() for _ in range(body.number())]
            self.types.append((params, results))
            left -= 1

    def read_globals(self, body):
        for _ in range(body.number()):
            self.globals.append(body.valtype())
            body.byte()
            body.skip_expression()

    def read_imports(self, body):
        for _ in range(body.number()):
            module, name, kind = body.name(), body.name(), body.byte()
            if kind == 0:
                self.functions.append(body.number())
            elif kind == 1:
                body.valtype()
                body.limits()
            elif kind == 2:
                body.limits()
                self.memories += 1
            elif kind == 3:
                self.globals.append(body.valtype())
                body.byte()
            else:
                body.byte()
                body.number()
            self.imports.append((module, name, KINDS[kind]))
