#!/usr/bin/env python3
"""Differential test: generated modules, compiled by Lucet at every level of optimisation and run, against wasmtime and V8.

docs/testing.md says what is compared. A case is a generator and a seed; `diff.py --generator smith --seed 17 --count 1`
does one again, `diff.py --check MODULE --seed 17` a module from a file (exit code 0: there is a difference, as
wasm-tools shrink wants it).
"""
import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODES = ["0", "1", "2", "0p", "1p", "2p"]


def parse():
    p = argparse.ArgumentParser(description="Compares Lucet with other engines on generated modules.")
    p.add_argument("--build", default=os.environ.get("LUCET_BUILD", "build"), help="build directory")
    p.add_argument("--time", type=float, default=60, metavar="S", help="seconds to run; default 60")
    p.add_argument("--count", type=int, default=0, metavar="N", help="modules to make; default: as many as time allows")
    p.add_argument("--seed", type=int, default=None, metavar="N", help="first seed; default: from the clock")
    p.add_argument("--generator", action="append", metavar="NAME", help="smith, ttf, csmith; repeatable; default: all")
    p.add_argument("--modes", default=",".join(MODES), help="levels of optimisation, p: precise traps; default: " + ",".join(MODES))
    p.add_argument("--some-modes", type=int, default=0, metavar="N", help="N of these modes for each module, chosen by its seed")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="processes; default: one for each processor")
    p.add_argument("--v8", type=int, default=10, metavar="N", help="every Nth module with V8 too; 0: only when there is a difference")
    p.add_argument("--timeout", type=float, default=60, metavar="S", help="for compiling and running a module in a mode")
    p.add_argument("--failures", default=None, metavar="DIR", help="where failing modules go; default: BUILD/fuzz/failures")
    p.add_argument("--no-shrink", action="store_true", help="do not make failing modules smaller")
    p.add_argument("--check", metavar="MODULE", help="compare this module only")
    o = p.parse_args()
    o.build = str(Path(o.build).resolve())
    o.failures = Path(o.failures or f"{o.build}/fuzz/failures").resolve()
    o.modes = o.modes.split(",")
    if o.seed is None:
        o.seed = int(time.time()) % 1_000_000 * 1000
    return o


def prepare(o):
    """Finds modules of ours, and puts those that are text into binary form."""
    sys.path[:0] = [str(HERE), f"{o.build}/corpora/wasmtime/python"]
    import generate
    for name in ("host", "v128"):
        binary = f"{o.build}/fuzz/{name}.wasm"
        temporary = f"{binary}.{os.getpid()}"
        subprocess.run(["wasm-tools", "parse", f"{HERE}/{name}.wat", "-o", temporary], check=True)
        os.replace(temporary, binary)
    generate.HOST = f"{o.build}/fuzz/host.wasm"
    missing = [n for n in o.generator or generate.GENERATORS if not shutil.which(generate.NEEDS[n])]
    for name in missing:
        print(f"generator {name} is left out: {generate.NEEDS[name]} is not installed")
    o.generator = [n for n in o.generator or generate.GENERATORS if n not in missing]


class Case:
    """One module: what became of it."""

    def __init__(self, name):
        self.name = name
        self.skipped = None
        self.failures = []  # (mode or "v8", words)
        self.calls = self.traps = self.modes = 0
        self.notes = Counter()
        self.times = Counter()


class Runner:
    """The engines, in one process."""

    def __init__(self, o, directory):
        import engines
        import wasmtime_engine
        self.o, self.directory = o, directory
        self.reference = wasmtime_engine.Engine()
        self.lucet = engines.lucet(o.build, o.timeout)
        self.v8 = engines.v8(o.build, 20) if shutil.which("node") else None
        self.asked = 0

    def close(self):
        self.lucet.stop()
        if self.v8:
            self.v8.stop()

    def run_lucet(self, path, plan, mode):
        import engines
        request = {"wasm": str(path), "artifact": f"{self.directory}/artifact.so", "opt": int(mode[0]), "precise": mode.endswith("p"),
                   "timeout": 5000, **plan}
        self.asked += 1
        if self.asked % 500 == 0:  # whatever LLVM may have kept
            self.lucet.stop()
        try:
            return self.lucet.ask(request)
        except engines.Gone as e:
            return {"refused": "timeout" if str(e) == "timeout" else "crash", "message": str(e)}

    def run_v8(self, path, plan, described):
        import engines
        types = {e[0]: e for e in described.exports}
        calls = [[name, args, types[name][3]] for name, args in plan["calls"]]
        if not self.v8 or any("v" in types[c[0]][2] + types[c[0]][3] for c in calls):
            return None
        try:
            return self.v8.ask({"wasm": str(path), "calls": calls, "globals": plan["globals"], "memory": plan["memory"],
                                "global_types": plan["global_types"]})
        except engines.Gone as e:
            return {"refused": str(e)}

    def judge_mode(self, case, plan, expected, got, mode):
        import judge
        if "refused" in got:
            if got["refused"] in ("unsupported", "limit", "timeout"):
                case.notes[f"mode {mode}: {got['refused']}: {got['message'][:60]}"] += 1
            else:
                case.failures.append((mode, f"{got['refused']}: {got['message']}"))
            return
        verdict = judge.compare(plan, expected, got, mode.endswith("p"))
        if verdict.lost:
            case.notes[f"mode {mode}: the trap of a load that nothing depends on was lost"] += 1
        if verdict.skipped:
            case.skipped = verdict.skipped
            return
        case.modes += 1
        case.calls += verdict.calls
        case.traps += verdict.traps
        if verdict.dropped:
            case.notes[f"comparison ended by {verdict.dropped}"] += 1
        case.failures += [(mode, words) for words in verdict.differences]

    def judge_v8(self, case, path, plan, described, expected):
        import judge
        got = self.run_v8(path, plan, described)
        if got is None or "refused" in got:
            case.notes["V8: not comparable" if got is None else f"V8: {got['message' if 'message' in got else 'refused'][:60]}"] += 1
            return
        verdict = judge.compare(plan, expected, got, False)
        if verdict.lost:
            verdict.differences.append("V8 reads where wasmtime traps")
        case.notes["V8: compared"] += 1
        case.failures += [("v8", words) for words in verdict.differences]

    def compare(self, case, path, seed, modes, with_v8):
        import module
        import plan as plans
        import wasmtime
        wasm = path.read_bytes()
        start = time.time()
        try:
            loaded = self.reference.load(wasm)
            described = module.Module(wasm)
        except (wasmtime.WasmtimeError, ValueError) as e:
            case.skipped = f"wasmtime refuses it: {str(e).splitlines()[-1].strip()[:60]}"
            return
        plan = plans.make(seed, described.exports)
        plan["memory"] = described.memory
        plan["global_types"] = [described.global_types[name] for name in plan["globals"]]
        expected = self.reference.run(loaded, described, plan)
        case.times["wasmtime"] += time.time() - start
        for mode in modes:
            start = time.time()
            got = self.run_lucet(path, plan, mode)
            case.times["Lucet"] += time.time() - start
            self.judge_mode(case, plan, expected, got, mode)
            if case.skipped:
                return
        if with_v8 or case.failures:
            start = time.time()
            self.judge_v8(case, path, plan, described, expected)
            case.times["V8"] += time.time() - start


def modes_of(o, seed):
    import random
    if not o.some_modes:
        return o.modes
    return random.Random(f"modes/{seed}").sample(o.modes, min(o.some_modes, len(o.modes)))


def shrink(o, case, seed, path, directory):
    """A smaller module that fails in the same mode."""
    mode = case.failures[0][0]
    if mode == "v8":
        return
    predicate = directory / "predicate.sh"
    predicate.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE}/diff.py --build {o.build} --seed {seed} --modes {mode} '
                         f'--v8 0 --timeout 20 --check "$1" >/dev/null 2>&1\n')
    predicate.chmod(0o755)
    try:
        subprocess.run(["wasm-tools", "shrink", "--attempts", "400", str(predicate), str(path), "-o",
                        str(directory / "small.wasm")], capture_output=True, timeout=240, check=False)
    except subprocess.TimeoutExpired:
        pass


def save(o, case, seed, path):
    directory = o.failures / case.name
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / "module.wasm"
    shutil.copyfile(path, kept)
    (directory / "report.txt").write_text(
        "".join(f"mode {mode}: {words}\n" for mode, words in case.failures) +
        f"\nreproduce: fuzz/diff/diff.py --check {kept} --seed {seed}\n")
    if not o.no_shrink:
        shrink(o, case, seed, kept, directory)
    return directory


def one_case(o, runner, seed, directory):
    import generate
    name = generate.pick(seed, o.generator)
    case = Case(f"{name}-{seed}")
    start = time.time()
    try:
        path = generate.make(name, seed, directory)
    except generate.NoModule as e:
        case.skipped = f"{name}: no module: {str(e).strip().splitlines()[-1][:60]}"
        return case, None
    case.times[f"generator {name}"] += time.time() - start
    runner.compare(case, path, seed, modes_of(o, seed), o.v8 and seed % o.v8 == 0)
    return case, path


def shard(o, k, until, queue):
    directory = Path(tempfile.mkdtemp(prefix="lucet-diff-"))
    runner = Runner(o, directory)
    seeds = range(o.seed + k, o.seed + o.count, o.jobs) if o.count else iter(range(o.seed + k, 1 << 62, o.jobs))
    try:
        for seed in seeds:
            if time.time() > until:
                break
            case, path = one_case(o, runner, seed, directory)
            if case.failures:
                case.saved = str(save(o, case, seed, path))
            queue.put(case)
            for file in directory.iterdir():
                file.unlink()
    except KeyboardInterrupt:
        pass
    except Exception as e:  # a shard that breaks is a failure of the run
        traceback.print_exc()
        queue.put(e)
    finally:
        runner.close()
        shutil.rmtree(directory, ignore_errors=True)
        queue.put(None)


class Totals:
    def __init__(self, processes):
        self.open = processes
        self.start = time.time()
        self.passed = self.failed = self.skipped = self.calls = self.traps = self.runs = 0
        self.notes, self.reasons, self.times, self.generators = Counter(), Counter(), Counter(), Counter()

    def add(self, case):
        self.times.update(case.times)
        self.notes.update(case.notes)
        self.calls += case.calls
        self.traps += case.traps
        self.runs += case.modes
        self.generators[case.name.split("-")[0]] += not case.skipped
        if case.failures:
            self.failed += 1
            print(f"\nDIFFERENCE {case.name}, kept in {case.saved}")
            for mode, words in case.failures[:8]:
                print(f"    mode {mode}: {words[:400]}")
        elif case.skipped:
            self.skipped += 1
            self.reasons[case.skipped] += 1
        else:
            self.passed += 1

    def progress(self):
        spent = time.time() - self.start
        print(f"{spent:7.0f} s: {self.passed} modules without difference, {self.failed} with, {self.skipped} skipped, "
              f"{self.calls} calls, {self.traps} traps compared, {(self.passed + self.failed) / max(spent, 1):.1f} modules/s", flush=True)

    def summary(self):
        print()
        for reason, n in self.reasons.most_common(12):
            print(f"skipped {n:7}: {reason}")
        for note, n in sorted(self.notes.items()):
            print(f"noted   {n:7}: {note}")
        print("modules: " + ", ".join(f"{n} by {g}" for g, n in sorted(self.generators.items())))
        print("time:    " + ", ".join(f"{t:.0f} s {name}" for name, t in sorted(self.times.items())))
        print(f"{self.runs} compilations, {self.calls} calls compared, of which {self.traps} trapped, in "
              f"{time.time() - self.start:.0f} s")
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")


def check(o):
    directory = Path(tempfile.mkdtemp(prefix="lucet-diff-"))
    case = Case("check")
    runner = Runner(o, directory)
    try:
        runner.compare(case, Path(o.check).resolve(), o.seed, o.modes, o.v8 != 0)
    finally:
        runner.close()
        shutil.rmtree(directory, ignore_errors=True)
    for mode, words in case.failures:
        print(f"mode {mode}: {words}")
    print(case.skipped or f"{case.calls} calls compared; {dict(case.notes)}")
    # V8 differing from wasmtime is not what is being looked for.
    return 0 if any(mode != "v8" for mode, _ in case.failures) else 1


def collect(totals, queue):
    shown = time.time()
    while totals.open:
        case = queue.get()
        if case is None:
            totals.open -= 1
        elif isinstance(case, Exception):
            totals.failed += 1
        else:
            totals.add(case)
        if time.time() - shown > 20:
            shown = time.time()
            totals.progress()


def main():
    o = parse()
    prepare(o)
    if o.check:
        return check(o)
    print(f"seeds from {o.seed}, {o.jobs} processes, modes {' '.join(o.modes)}"
          f"{f' ({o.some_modes} of them for each module)' if o.some_modes else ''}", flush=True)
    queue = multiprocessing.Queue()
    until = time.time() + (o.time if not o.count else 1e9)
    shards = [multiprocessing.Process(target=shard, args=(o, k, until, queue)) for k in range(o.jobs)]
    for s in shards:
        s.start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    totals = Totals(len(shards))
    try:
        collect(totals, queue)
    except KeyboardInterrupt:
        for s in shards:
            os.kill(s.pid, signal.SIGINT)
        collect(totals, queue)
    for s in shards:
        s.join()
    totals.summary()
    return 1 if totals.failed or not totals.passed else 0


if __name__ == "__main__":
    sys.exit(main())
