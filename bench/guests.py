#!/usr/bin/env python3
"""Benchmarks of compiled guests: what compiling costs, how fast the code is, how soon it begins.

guests.py [--json] [--quick] [--only PART] BUILD CORPORA WASMTIME
Called by run.sh, which fetches what is needed. All figures are medians of runs in turns, so that whatever
else the machine does meets all engines; of a kernel, each run's best round counts.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = [("ripgrep", "ripgrep/rg.wasm"), ("python", "python/python.wasm"), ("yosys", "yosys/gen/yosys.core.wasm")]
CLANG = os.environ.get("WASM_CC", "clang-22")


def say(text):
    print(text, file=sys.stderr, flush=True)


def measured(command, env=None):
    """Runs a command: its output, seconds, processor seconds and peak KiB of its largest process."""
    code = (
        "import resource, subprocess, sys, time\n"
        "start = time.monotonic()\n"
        "code = subprocess.call(sys.argv[1:])\n"
        "r = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(time.monotonic() - start, r.ru_utime + r.ru_stime, r.ru_maxrss, file=sys.stderr)\n"
        "sys.exit(code if code >= 0 else 128 - code)\n"
    )
    p = subprocess.run([sys.executable, "-c", code, *command], env=env, text=True, capture_output=True)
    lines = p.stderr.splitlines()
    if p.returncode != 0 or not lines:
        raise SystemExit(f"{' '.join(command)} failed with {p.returncode}:\n{p.stderr}")
    seconds, cpu, peak = lines[-1].split()
    return p.stdout, {"seconds": float(seconds), "cpu": float(cpu), "peak_mib": int(peak) / 1024}


def table(head, rows):
    widths = [max(len(str(r[i])) for r in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))))
    print(flush=True)


class Bench:
    def __init__(self, args):
        self.args = args
        self.bin = os.path.join(args.build, "bin")
        self.work = tempfile.mkdtemp(prefix="lucet-bench-")
        self.wasmtime_env = dict(os.environ, PYTHONPATH=args.wasmtime)
        self.with_wasmtime = [sys.executable, os.path.join(HERE, "with_wasmtime.py")]
        self.node = shutil.which("node")

    # ---- What compiling costs ----

    def compile_once(self, engine, module, out):
        if engine == "lucetc":
            result = measured([os.path.join(self.bin, "lucetc"), "--wasi", module, "-o", out])[1]
        else:
            said, result = measured([*self.with_wasmtime, "compile", module, out], self.wasmtime_env)
            result["seconds"] = float(said)
        result["artifact_mib"] = os.path.getsize(out) / 2**20
        return result

    def compile(self):
        results, rows = [], []
        modules = MODULES[:1] if self.args.quick else MODULES
        for name, path in modules:
            module = os.path.join(self.args.corpora, path)
            for engine in ("lucetc", "wasmtime"):
                say(f"compiling {name} with {engine}")
                r = self.compile_once(engine, module, os.path.join(self.work, "out"))
                r.update(program=name, engine=engine, module_mib=os.path.getsize(module) / 2**20)
                results.append(r)
                rows.append([name, f"{r['module_mib']:.1f} MiB", engine, f"{r['seconds']:.1f} s", f"{r['cpu']:.1f} s",
                             f"{r['peak_mib']:.0f} MiB", f"{r['artifact_mib']:.1f} MiB"])
        if not self.args.json:
            table(["compile", "module", "by", "time", "processor", "peak", "artifact"], rows)
        return results

    # ---- How fast the code is ----

    def engines(self, name):
        """Commands that run a kernel, by engine."""
        base = os.path.join(self.work, name)
        commands = {
            "clang -O2": [base + ".native"],
            "lucet": [os.path.join(self.bin, "lucet-wasi"), base + ".so"],
            "wasmtime": [*self.with_wasmtime, "run", base + ".wasm"],
        }
        if self.node:
            commands["node"] = [self.node, "--no-warnings", os.path.join(HERE, "with_node.mjs"), base + ".wasm"]
        return commands

    def build_kernel(self, name):
        source, base = os.path.join(HERE, "kernels", name + ".c"), os.path.join(self.work, name)
        wasm = ["--target=wasm32-wasi", "--sysroot=/usr", "-Wno-deprecated"]
        for command in (
            [CLANG, "-O2", "-o", base + ".native", source, "-lm"],
            [CLANG, *wasm, "-O2", "-o", base + ".wasm", source, "-lm"],
            [os.path.join(self.bin, "lucetc"), "--wasi", base + ".wasm", "-o", base + ".so"],
        ):
            subprocess.run(command, check=True)

    def run_kernel(self, command):
        p = subprocess.run(command, env=self.wasmtime_env, text=True, capture_output=True)
        if p.returncode != 0 or len(p.stdout.split()) != 2:
            raise SystemExit(f"{' '.join(command)} failed with {p.returncode}:\n{p.stdout}{p.stderr}")
        checksum, nanoseconds = p.stdout.split()
        return checksum, int(nanoseconds) / 1e6

    def kernels(self):
        names = sorted(f[:-2] for f in os.listdir(os.path.join(HERE, "kernels")) if f.endswith(".c"))
        if self.args.quick:
            names = names[:2]
        for name in names:
            self.build_kernel(name)
        times = {(n, e): [] for n in names for e in self.engines(n)}
        for turn in range(1 if self.args.quick else 5):
            say(f"kernels, turn {turn + 1}")
            for name in names:
                sums = set()
                for engine, command in self.engines(name).items():
                    checksum, ms = self.run_kernel(command)
                    sums.add(checksum)
                    times[name, engine].append(ms)
                if len(sums) != 1:
                    raise SystemExit(f"{name}: the engines disagree: {sums}")
        return self.show_kernels(names, {k: statistics.median(v) for k, v in times.items()})

    def show_kernels(self, names, median):
        engines = list(self.engines(names[0]))
        results, rows = [], []
        for name in names:
            ratios = [median[name, e] / median[name, engines[0]] for e in engines]
            results.append({"kernel": name, "ms": {e: median[name, e] for e in engines}})
            rows.append([name, f"{median[name, engines[0]]:.1f} ms", *(f"{r:.2f}" for r in ratios[1:])])
        means = [statistics.geometric_mean(median[n, e] / median[n, engines[0]] for n in names) for e in engines]
        rows.append(["geometric mean", "", *(f"{m:.2f}" for m in means[1:])])
        if not self.args.json:
            table(["kernel (native = 1)", *engines], rows)
        return results

    # ---- How soon it begins ----

    def start_once(self, command):
        start = time.monotonic()
        p = subprocess.run(command, text=True, capture_output=True)
        found = re.search(r"began after [0-9.]+ ms, at ([0-9.]+); ran for", p.stderr)
        if not found:
            raise SystemExit(f"{' '.join(command)} failed with {p.returncode}:\n{p.stderr}")
        return (float(found[1]) - start) * 1e3

    def startup(self):
        """From before fork and exec of lucet-wasi to the first instruction of the guest, the program being in the
        cache (.wasm), and from the artifact itself (.so)."""
        name, path = MODULES[0] if self.args.quick else MODULES[1]
        module, cache = os.path.join(self.args.corpora, path), os.path.join(self.work, "cache")
        wasi, artifact = os.path.join(self.bin, "lucet-wasi"), os.path.join(self.work, "start.so")
        cached = [wasi, "--time", "--cache-dir", cache, module, "--version"]
        say(f"compiling {name} into the cache")
        subprocess.run(cached, check=True, capture_output=True)
        shutil.copy(next(e.path for e in os.scandir(cache) if e.name.endswith(".so")), artifact)
        direct = [wasi, "--time", artifact, "--version"]
        times = {"cache": [], "artifact": []}
        for _ in range(5 if self.args.quick else 21):
            times["cache"].append(self.start_once(cached))
            times["artifact"].append(self.start_once(direct))
        results = [{"program": name, "from": k, "median_ms": statistics.median(v), "best_ms": min(v)}
                   for k, v in times.items()]
        if not self.args.json:
            table(["first instruction after exec", "from", "median", "best"],
                  [[name, r["from"], f"{r['median_ms']:.1f} ms", f"{r['best_ms']:.1f} ms"] for r in results])
        return results


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--json", action="store_true")
    p.add_argument("--quick", action="store_true", help="a small cut that shows that it works")
    p.add_argument("--only", choices=["compile", "kernels", "startup"])
    p.add_argument("build")
    p.add_argument("corpora")
    p.add_argument("wasmtime")
    bench = Bench(p.parse_args())
    parts = [bench.args.only] if bench.args.only else ["startup", "kernels", "compile"]
    try:
        results = {part: getattr(bench, part)() for part in parts}
    finally:
        shutil.rmtree(bench.work)
    if bench.args.json:
        json.dump(results, sys.stdout, indent=2)
        print()


main()
