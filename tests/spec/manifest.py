#!/usr/bin/env python3
"""manifest.py SUITE OUT quick|full: what lucet-spectest is to run.

Reads suites.txt and files.txt beside this script and prints, for each file, the line that lucet-spectest --manifest
wants: folder, OUT/folder/file/file.json, what to do. With `quick`, only folders that are complete. On standard error: what
is left out, and why.
"""
import hashlib
import sys
from pathlib import Path


def entries(path):
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield line.split(None, 2)


def main():
    suite, out, extent = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    here = Path(__file__).parent
    special = {}
    for name, *what in entries(here / "files.txt"):
        special.setdefault(name, []).append(" ".join(what))
    listed = set()
    seen = {}
    left_out = []
    for state, folder, *reason in entries(here / "suites.txt"):
        listed.add(folder)
        files = sorted((suite / folder).glob("*.wast"))
        if not files:
            sys.exit(f"manifest.py: there is no {suite / folder}")
        if state == "none":
            left_out.append(f"{folder}: {len(files)} files not run: {reason[0]}")
            continue
        if extent == "quick" and state != "full":
            left_out.append(f"{folder}: {len(files)} files not part of this cut: not complete")
            continue
        same = {}
        for file in files:
            digest = hashlib.sha256(file.read_bytes()).digest()
            first = seen.setdefault(digest, folder)
            if first != folder:
                same[first] = same.get(first, 0) + 1
                continue
            name = f"{folder}/{file.stem}"
            what = special.get(name, ["run"]) + [f"features {features}" for features in reason]
            print(folder, out / folder / file.stem / f"{file.stem}.json", *what, sep="\t")
        for first, n in same.items():
            left_out.append(f"{folder}: {n} of {len(files)} files are the same as in {first}, and run there")
    for folder in sorted(p.name for p in suite.iterdir() if p.is_dir()):
        if folder not in listed:
            sys.exit(f"manifest.py: {folder} is not in suites.txt")
    for name in special:
        if not (suite / f"{name}.wast").exists():
            sys.exit(f"manifest.py: files.txt names {name}, which does not exist")
    print("\n".join(left_out), file=sys.stderr)


main()
