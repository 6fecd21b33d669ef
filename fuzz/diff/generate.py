"""Modules from seeds. The same seed, generator and tools give the same module."""
import json
import random
import subprocess
import sys
from pathlib import Path

import expressions
import signatures

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent.parent / "tests" / "run"))
import integer_module  # noqa: E402
HOST = None  # path of host.wat in binary form

# What wasm-tools smith may use, as far as Lucet and wasmtime both have it.
ON = ["bulk-memory", "multi-value", "reference-types", "saturating-float-to-int", "sign-extension-ops"]
SOMETIMES = ["simd", "tail-call", "wide-arithmetic", "exceptions", "memory64", "custom-page-sizes"]
OFF = ["gc", "compact-imports", "custom-descriptors", "relaxed-simd", "threads", "extended-const", "shared-everything-threads"]


# What our own generator may use beyond what is in every module.
OPS_FEATURES = {"SIMD", "WIDE_ARITHMETIC", "TAIL_CALL", "EXCEPTIONS", "MULTI_MEMORY", "MEMORY64", "THREADS"}


class NoModule(Exception):
    """The generator made nothing of this seed."""


def run(command, stdin=None, timeout=60):
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as e:
        raise NoModule(f"{command[0]} took too long") from e
    if done.returncode != 0:
        raise NoModule(f"{command[0]}: {done.stderr.decode(errors='replace')[:300]}")
    return done.stdout


def smith(rng, path):
    """wasm-tools smith."""
    choice = rng.choice
    config = {
        "max_instructions": choice([20, 100, 300, 1000]),
        "max_funcs": choice([1, 4, 12]),
        "min_funcs": 1,
        "max_types": choice([2, 8, 20]),
        "max_globals": choice([0, 4, 10]),
        "max_memories": choice([1, 1, 3]),
        "min_memories": choice([0, 1, 1, 1]),
        "max_tables": choice([0, 1, 3]),
        "max_data_segments": choice([0, 3]),
        "max_element_segments": choice([0, 4]),
        "max_elements": 8,
        "max_table_elements": 200,
        "max_memory32_bytes": choice([65536, 131072, 262144]),
        "max_memory64_bytes": 131072,
        "memory_max_size_required": True,
        "table_max_size_required": True,
        "max_imports": choice([0, 4, 14]),
        "canonicalize_nans": True,
        "disallow_traps": choice([True, True, False]),
        "export_everything": True,
        "allow_start_export": choice([True, False, False]),
        "memory_offset_choices": choice([[90, 9, 1], [75, 20, 5], [100, 0, 0]]),
    }
    for name in ON:
        config[f"{name}_enabled"] = True
    for name in SOMETIMES:
        config[f"{name}_enabled"] = choice([True, False])
    for name in OFF:
        config[f"{name}_enabled"] = False
    with_imports = rng.random() < 0.8
    if with_imports:  # with less room smith gives up more often
        config |= {"max_types": 30, "max_imports": 30, "max_funcs": config["max_funcs"] + 8,
                   "max_globals": config["max_globals"] + 5, "max_tables": 3}
    else:
        config["max_imports"] = 0
    config_path = path.with_suffix(".json")
    config_path.write_text(json.dumps({key.replace("_", "-"): value for key, value in config.items()}))
    command = ["wasm-tools", "smith", "-c", str(config_path), "--ensure-termination", "--fuel", str(choice([20, 300, 3000])),
               "-o", str(path)]
    if with_imports:
        command += ["--available-imports", str(HOST)]
    for attempt in range(5):
        try:
            run(command, rng.randbytes(choice([200, 1000, 4000, 12000, 30000])))
            return
        except NoModule:
            if attempt == 4:
                raise


def ttf(rng, path):
    """wasm-opt -ttf, the fuzzer of Binaryen."""
    seed_path = path.with_suffix(".seed")
    seed_path.write_bytes(rng.randbytes(rng.choice([300, 2000, 8000, 20000])))
    features = ["--enable-mutable-globals", "--enable-sign-ext", "--enable-nontrapping-float-to-int", "--enable-bulk-memory",
                "--enable-multivalue"]
    if rng.random() < 0.7:
        features.append("--enable-simd")
    level = rng.choice([[], [], ["-O1"], ["-O3"], ["-Os", "--flatten", "--rereloop"]])
    run(["wasm-opt", str(seed_path), "-ttf", *level, "--denan", *features, "-o", str(path)])


def csmith(rng, path):
    """A C program of csmith's, compiled by clang."""
    source = path.with_suffix(".c")
    options = ["--seed", str(rng.randrange(1, 2**31)), "--no-argc", "--max-funcs", str(rng.choice([3, 6, 10])),
               "--max-block-depth", str(rng.choice([3, 5])), "--output", str(source)]
    if rng.random() < 0.3:
        options.append("--float")
    run(["csmith", *options], timeout=30)
    level = rng.choice(["-O0", "-O1", "-O2", "-O3", "-Os"])
    extra = rng.choice([[], [], ["-msimd128"], ["-mbulk-memory"]])
    run(["clang-22", "--target=wasm32-wasi", "--sysroot=/usr", level, *extra, "-w", "-Wno-error=incompatible-pointer-types",
         "-I/usr/include/csmith",
         "-include", str(HERE / "csmith.h"), "-nostartfiles", "-Wl,--no-entry", "-o", str(path), str(source)])


def ops(rng, path):
    """Our own, expressions.py."""
    text = path.with_suffix(".wat")
    text.write_text(expressions.make(rng, OPS_FEATURES))
    run(["wasm-tools", "parse", str(text), "-o", str(path)])


def calls(rng, path):
    """Our own, signatures.py."""
    text = path.with_suffix(".wat")
    text.write_text(signatures.make(rng))
    run(["wasm-tools", "parse", str(text), "-o", str(path)])


def closed(rng, path):
    """tests/run/integer_module.py: functions that are called in the quickest way, by handle."""
    text = path.with_suffix(".wat")
    text.write_text(integer_module.make(rng, 12).replace(" shared)", ")"))  # which wasmtime is not set to have
    run(["wasm-tools", "parse", str(text), "-o", str(path)])


GENERATORS = {"ops": ops, "calls": calls, "closed": closed, "smith": smith, "ttf": ttf, "csmith": csmith}
NEEDS = {"ops": "wasm-tools", "calls": "wasm-tools", "closed": "wasm-tools", "smith": "wasm-tools", "ttf": "wasm-opt", "csmith": "csmith"}
WEIGHTS = {"ops": 30, "calls": 5, "closed": 5, "smith": 30, "ttf": 30, "csmith": 5}


def make(name, seed, directory):
    """Writes a module and returns its path. Raises NoModule."""
    rng = random.Random(f"{name}/{seed}")
    path = directory / f"{name}-{seed}.wasm"
    GENERATORS[name](rng, path)
    return path


def pick(seed, names):
    """The generator of a seed."""
    rng = random.Random(f"pick/{seed}")
    return rng.choices(names, [WEIGHTS[n] for n in names])[0]
