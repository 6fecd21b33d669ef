"""Runs plans with wasmtime, in this process."""
import ctypes
import struct
import threading
import zlib
from pathlib import Path

import wasmtime
from wasmtime import _ffi as ffi

KINDS = {"i": 0, "I": 1, "f": 2, "F": 3, "v": 4, "r": 5, "e": 6}
TRAPS = {
    "STACK_OVERFLOW": "stack_overflow", "MEMORY_OUT_OF_BOUNDS": "heap_out_of_bounds", "HEAP_MISALIGNED": "heap_misaligned",
    "TABLE_OUT_OF_BOUNDS": "table_out_of_bounds", "INDIRECT_CALL_TO_NULL": "indirect_call_to_null",
    "BAD_SIGNATURE": "bad_signature", "INTEGER_OVERFLOW": "integer_overflow",
    "INTEGER_DIVISION_BY_ZERO": "integer_div_by_zero", "BAD_CONVERSION_TO_INTEGER": "bad_conversion_to_integer",
    "NULL_REFERENCE": "null_reference", "UNREACHABLE": "unreachable", "INTERRUPT": "timeout",
}
TIMEOUT = 5.0


def write(ctx, raw):
    """A wasmtime_val_t as text."""
    kind = raw.kind
    if kind == ffi.WASMTIME_EXTERNREF.value:
        if raw.of.externref.store_id == 0:
            return "e0"
        data = ffi.wasmtime_externref_data(ctx, ctypes.byref(raw.of.externref))
        return f"e{data or 0:x}"
    if kind == ffi.WASMTIME_FUNCREF.value:
        return f"r{int(raw.of.funcref.store_id != 0)}"
    if kind > 4:
        return "?"  # references of other kinds
    data = bytes(raw.of.v128)
    size = [4, 8, 4, 8, 16][kind]
    return f"{'iIfFv'[kind]}{int.from_bytes(data[:size], 'little'):x}"


def read(ctx, text, raw):
    """Text to a wasmtime_val_t."""
    bits = int(text[1:], 16)
    raw.kind = {"r": ffi.WASMTIME_FUNCREF.value, "e": ffi.WASMTIME_EXTERNREF.value}.get(text[0], KINDS[text[0]])
    if text[0] == "r":
        raw.of.funcref.store_id = 0
    elif text[0] == "e":
        raw.of.externref.store_id = 0
        if bits:
            ffi.wasmtime_externref_new(ctx, bits, FINALIZER, ctypes.byref(raw.of.externref))
    else:
        ctypes.memmove(ctypes.byref(raw.of), bits.to_bytes(16, "little"), 16)


@ctypes.CFUNCTYPE(None, ctypes.c_void_p)
def FINALIZER(_):
    pass


# ---- Host functions: see host.c -----------------------------------------------------------------

I, L, F, D, R, E = (wasmtime.ValType.i32(), wasmtime.ValType.i64(), wasmtime.ValType.f32(), wasmtime.ValType.f64(),
                    wasmtime.ValType.funcref(), wasmtime.ValType.externref())
TYPES = {"i": I, "I": L, "f": F, "F": D, "r": R, "e": E}
FUNCTIONS = [("h", "f0", "", ""), ("h", "f1", "i", "i"), ("h", "f2", "IF", "f"), ("h", "f3", "f", "FI"),
             ("h", "f4", "iIfFiIfF", "I"), ("h", "f5", "ei", "e"), ("h", "f6", "r", "i"),
             ("fuzzing-support", "log-i32", "i", ""), ("fuzzing-support", "log-i64", "I", ""),
             ("fuzzing-support", "log-f32", "f", ""), ("fuzzing-support", "log-f64", "F", ""),
             ("h", "halves", "II", "")]


class Trace:
    value = 0

    @classmethod
    def add(cls, bits):
        h = cls.value
        for byte in bits.to_bytes(8, "little"):
            h = (h ^ byte) * 16777619 & 0xffffffff
        cls.value = h

    @classmethod
    def result(cls, kind):
        h = cls.value
        if kind == "i":
            return f"i{h:x}"
        if kind == "I":
            return f"I{h << 32 | h:x}"
        if kind == "f":
            return f"f{int.from_bytes(struct.pack('<f', float((h & 0xffff ^ 0x8000) - 0x8000)), 'little'):x}"
        if kind == "F":
            return f"F{int.from_bytes(struct.pack('<d', float((h ^ 0x80000000) - 0x80000000)), 'little'):x}"
        return f"e{h & 0xff:x}"


def canonical_bits(text):
    bits = int(text[1:], 16)
    if text[0] == "f" and bits & 0x7fffffff > 0x7f800000:
        return 0x7fc00000
    if text[0] == "F" and bits & (1 << 63) - 1 > 0x7ff << 52:
        return 0x7ff8 << 48
    return bits


@ffi.wasmtime_func_callback_t
def host_function(index, caller, params, nparams, results, nresults):
    context = ffi.wasmtime_caller_context(caller)
    index = index or 0
    Trace.add(index)
    for i in range(nparams):
        Trace.add(canonical_bits(write(context, params[i])))
    for i, kind in enumerate(FUNCTIONS[index][3]):
        read(context, Trace.result(kind), results[i])
    return 0


class Imports:
    """A store with what host.wat names, made for one instance."""

    def __init__(self, engine, v128):
        self.store = wasmtime.Store(engine)
        self.v128 = v128
        self.context = self.store._context()
        self.items = {}
        Trace.value = 2166136261

    def get(self, module, name):
        """Raises KeyError."""
        for i, (m, n, params, results) in enumerate(FUNCTIONS):
            if (m, n) == (module, name):
                kind = wasmtime.FuncType([TYPES[p] for p in params], [TYPES[r] for r in results])
                raw = ffi.wasmtime_func_t()
                ffi.wasmtime_func_new(self.context, kind.ptr(), host_function, i, FINALIZER, ctypes.byref(raw))
                return wasmtime.Func._from_raw(raw)
        if (module, name) == ("fuzzing-support", "log-v128"):
            helper = wasmtime.Instance(self.store, self.v128, [self.get("h", "halves")])
            return helper.exports(self.store)["log-v128"]
        if module != "h":
            raise KeyError(name)
        store, limits = self.store, wasmtime.Limits
        if name == "mem":
            return wasmtime.Memory(store, wasmtime.MemoryType(limits(1, 3)))
        if name == "tab":
            return wasmtime.Table(store, wasmtime.TableType(R, limits(8, 16)), None)
        kind, mutable, text = {"gi": (I, False, "ifffffff9"), "gI": (L, True, "I123456789abcdef"), "gf": (F, True, "f3fc00000"),
                               "gF": (D, False, "F8000000000000000"), "ge": (E, False, "e9")}[name]
        raw, out = ffi.wasmtime_val_t(), ffi.wasmtime_global_t()
        read(self.context, text, raw)
        error = ffi.wasmtime_global_new(self.context, wasmtime.GlobalType(kind, mutable).ptr(), ctypes.byref(raw),
                                        ctypes.byref(out))
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)
        return wasmtime.Global._from_raw(out)


# ---- Running ------------------------------------------------------------------------------------

def trap_name(trap):
    if "thrown Wasm exception" in trap.message:
        return "exception"
    try:
        code = trap.trap_code
    except ValueError:
        code = None
    return TRAPS.get(code.name, code.name) if code else f"trap: {trap.message}"


class Engine:
    def __init__(self):
        config = wasmtime.Config()
        config.epoch_interruption = True
        config.cranelift_opt_level = "speed"
        config.max_wasm_stack = 900 * 1024
        config.parallel_compilation = False
        self.configure(config)
        self.engine = wasmtime.Engine(config)
        self.v128 = wasmtime.Module.from_file(self.engine, Path(__file__).with_name("v128.wat"))

    @staticmethod
    def configure(config):
        config.wasm_multi_memory = True
        config.wasm_memory64 = True
        config.wasm_tail_call = True
        config.wasm_wide_arithmetic = True
        config.wasm_exceptions = True
        config.wasm_threads = True
        config.wasm_custom_page_sizes = True

    def load(self, wasm):
        """Raises wasmtime.WasmtimeError."""
        return wasmtime.Module(self.engine, wasm)

    def instantiate(self, module, imported):
        """Returns (imports, instance) or (None, why not)."""
        imports = Imports(self.engine, self.v128)
        imports.store.set_epoch_deadline(1)
        try:
            items = [imports.get(m, n) for m, n, _ in imported]
            return imports, wasmtime.Instance(imports.store, module, items)
        except wasmtime.Trap as trap:
            return None, trap_name(trap)
        except (wasmtime.WasmtimeError, KeyError) as e:
            return None, f"link: {e}"

    @staticmethod
    def state(imports, instance, plan):
        exports = instance.exports(imports.store)
        memory = exports[plan["memory"]] if plan["memory"] is not None else None
        data = b""
        if memory:
            size = memory.data_len(imports.store)
            pointer = ffi.wasmtime_memory_data(imports.context, ctypes.byref(memory._memory))
            data = ctypes.string_at(pointer, size) if size else b""
        names = []
        for name in plan["globals"]:
            raw = ffi.wasmtime_val_t()
            ffi.wasmtime_global_get(imports.context, ctypes.byref(exports[name]._global), ctypes.byref(raw))
            names.append(write(imports.context, raw))
        return {"size": len(data) if memory else None, "crc": zlib.crc32(data) if data else 0, "globals": names}

    @staticmethod
    def call(imports, func, args, nresults):
        """Returns (values, None) or (None, trap)."""
        params = (ffi.wasmtime_val_t * len(args))()
        results = (ffi.wasmtime_val_t * nresults)()
        trap = ctypes.POINTER(ffi.wasm_trap_t)()
        for raw, text in zip(params, args):
            read(imports.context, text, raw)
        error = ffi.wasmtime_func_call(imports.context, ctypes.byref(func._func), params, len(args), results, nresults,
                                       ctypes.byref(trap))
        if error:
            return None, f"error: {wasmtime.WasmtimeError._from_ptr(error)}"
        if trap:
            return None, trap_name(wasmtime.Trap._from_ptr(trap))
        return [write(imports.context, r) for r in results], None

    def run(self, module, described, plan):
        """`described` is a module.Module."""
        timer = threading.Timer(TIMEOUT, self.engine.increment_epoch)
        timer.start()
        try:
            return self.run_plan(module, described, plan)
        finally:
            timer.cancel()

    def run_plan(self, module, described, plan):
        nresults = {e[0]: len(e[3]) for e in described.exports if e[1] == "func"}
        answer = {"calls": [], "state": None, "start": None}
        imports, instance = self.instantiate(module, described.imports)
        if not imports:
            answer["start"] = instance
            return answer
        for name, args in plan["calls"]:
            if not imports:
                imports, instance = self.instantiate(module, described.imports)
            func = instance.exports(imports.store)[name]
            values, trap = self.call(imports, func, args, nresults[name])
            if trap is None:
                answer["calls"].append({"r": values, "h": Trace.value})
                continue
            answer["calls"].append({"t": trap, "h": Trace.value, "s": self.state(imports, instance, plan)})
            imports = None
        if imports:
            answer["state"] = self.state(imports, instance, plan)
        return answer
