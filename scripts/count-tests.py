#!/usr/bin/env python3
"""count-tests.py FILE…: adds up test results and prints the closing line.

FILE is what `ctest --output-junit` wrote (.xml), or the log of a runner whose last line of the
form "N passed, N failed, N skipped" counts (anything else). A test program that counts its own
cases, by such a line or as cmocka does, stands for these cases, any other for one. Exits 1 if
anything failed, or if nothing ran.
"""

import re
import sys
import xml.etree.ElementTree as ET

CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", re.M)
CMOCKA = re.compile(r"^\[  (PASSED|FAILED|SKIPPED) \s*\] (\d+) test\(s\)", re.M)


def from_closing_line(text):
    found = CLOSING.findall(text)
    return [int(n or 0) for n in found[-1]] if found else None


def from_cmocka(text):
    """cmocka prints a summary for each group of tests; a program may have several groups."""
    found = CMOCKA.findall(text)
    if not found:
        return None
    total = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for kind, n in found:
        total[kind] += int(n)
    return [total["PASSED"], total["FAILED"], total["SKIPPED"]]


def from_case(case):
    name, status = case.get("name"), case.get("status")
    text = case.findtext("system-out") or ""
    skipped = case.find("skipped")
    if status == "run":
        counts = from_closing_line(text) or from_cmocka(text) or [1, 0, 0]
        if counts[1]:
            print(f"inconsistent: {name} reports {counts[1]} failures and exits with success")
    elif status == "disabled" or (
        skipped is not None and (skipped.get("message") or "").startswith("SKIP_")
    ):
        why = (text.strip().splitlines() or ["no reason given"])[-1]
        print(f"skipped: {name}: {why}")
        counts = [0, 0, 1]
    else:
        # A crash after the last summary has no count of its own.
        counts = from_closing_line(text) or from_cmocka(text) or [0, 1, 0]
        counts[1] = max(counts[1], 1)
        print(f"failed: {name}")
    return counts


def from_file(path):
    try:
        if path.endswith(".xml"):
            return [from_case(case) for case in ET.parse(path).getroot().iter("testcase")]
        with open(path, encoding="utf-8", errors="replace") as log:
            counts = from_closing_line(log.read())
    except (OSError, ET.ParseError) as error:
        print(f"failed: {path}: {error}")
        return [[0, 1, 0]]
    if counts is None:
        print(f"failed: {path} has no closing line")
        counts = [0, 1, 0]
    return [counts]


def main(paths):
    passed, failed, skipped = 0, 0, 0
    for path in paths:
        for counts in from_file(path):
            passed, failed, skipped = (
                passed + counts[0],
                failed + counts[1],
                skipped + counts[2],
            )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
