"""What is done with a module: which exports are called, with what.

Values are strings: the letter of the type (i I f F v r e: i32 i64 f32 f64 v128 funcref externref) and the bits in
hexadecimal. References are 0 for null; an externref is the host's number, a funcref that is not null is 1.
"""
import random
import struct

FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, 2.5, 2147483647.0, 2147483648.0, -2147483649.0, 4294967295.0, 4294967296.0,
          9.3e18, -9.3e18, 1.9e19, 1e-40, 3.4e38, 1e300, 5e-324, float("inf"), float("-inf"), float("nan")]
INTEGERS = [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 65537,
            2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1, 2**32, 2**33, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 2, 2**64 - 65536]


def bits_f32(x):
    try:
        return struct.unpack("<I", struct.pack("<f", x))[0]
    except OverflowError:
        return 0x7f800000 if x > 0 else 0xff800000


def bits_f64(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def integer(rng, bits):
    kind = rng.random()
    n = rng.choice(INTEGERS) if kind < 0.5 else rng.getrandbits(bits) if kind < 0.8 else rng.randrange(-20, 300)
    return n & (1 << bits) - 1


def number(rng):
    return rng.choice(FLOATS) if rng.random() < 0.7 else rng.uniform(-1e6, 1e6)


def value(rng, letter):
    if letter == "i":
        return f"i{integer(rng, 32):x}"
    if letter == "I":
        return f"I{integer(rng, 64):x}"
    if letter == "f":
        return f"f{bits_f32(number(rng)):x}"
    if letter == "F":
        return f"F{bits_f64(number(rng)):x}"
    if letter == "v":
        lane = rng.choice([8, 16, 32, 64])
        bits = 0
        for _ in range(128 // lane):
            bits = bits << lane | integer(rng, 64) & (1 << lane) - 1
        return f"v{bits:x}"
    if letter == "e":
        return f"e{rng.choice([0, 1, 77])}"
    return "r0"


def make(seed, exports):
    """exports: [(name, kind, params, results)]; kind is func, global, memory, table or tag."""
    rng = random.Random(f"plan/{seed}")
    functions = [e for e in exports if e[1] == "func"]
    # wasm-opt's modules limit loops by a counter that is to be set before each call.
    limit = [["hangLimitInitializer", []]] if any(e[0] == "hangLimitInitializer" for e in functions) else []
    functions = [f for f in functions if f[0] != "hangLimitInitializer" and "?" not in f[2]][:40]
    calls = []
    for name, _, params, _ in functions:
        for _ in range(3 if params else 1):
            calls += limit + [[name, [value(rng, p) for p in params]]]
    if len(calls) > 120:
        calls = calls[:120]
    return {"calls": calls, "globals": [e[0] for e in exports if e[1] == "global"][:50]}


def canonical(text):
    """A value with its NaN made the canonical one."""
    if text[0] == "f":
        bits = int(text[1:], 16)
        return "fnan" if bits & 0x7fffffff > 0x7f800000 else text
    if text[0] == "F":
        bits = int(text[1:], 16)
        return "Fnan" if bits & (1 << 63) - 1 > 0x7ff << 52 else text
    return f"v{int(text[1:], 16):x}" if text[0] == "v" else text
