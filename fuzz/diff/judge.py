"""Compares what two engines made of a plan."""
from plan import canonical

# After these nothing is compared: where they strike is each engine's own affair.
LIMITS = {"stack_overflow", "timeout", "interrupt"}


class Verdict:
    def __init__(self):
        self.differences = []
        self.calls = self.traps = 0
        self.dropped = None  # why the comparison ended early
        self.skipped = None  # why there was none
        self.lost = 0        # traps of loads whose values are not needed, which only precise traps promise


def same_trap(a, b):
    """Lucet tells references to exceptions that are null from others."""
    return a == b or (a, b) == ("null_reference", "null_exception")


def same_values(a, b):
    return len(a) == len(b) and all("?" in (x[0], y[0]) or canonical(x) == canonical(y) for x, y in zip(a, b))


def compare_state(a, b):
    """Words about the first difference, or None."""
    if a is None or b is None:
        return None if a == b else f"one has no state: {a} {b}"
    if a["size"] is not None and b["size"] is not None:
        if a["size"] != b["size"]:
            return f"memory size {a['size']}, {b['size']}"
        if a["crc"] != b["crc"]:
            return f"memory contents (CRC {a['crc']:08x}, {b['crc']:08x})"
    for i, (x, y) in enumerate(zip(a["globals"], b["globals"])):
        if not same_values([x], [y]):
            return f"exported global {i}: {x}, {y}"
    return None


def is_lost_load(expected, got, exact):
    """By default the trap of a load may be lost when nothing depends on its value (docs/architecture.md)."""
    return not exact and expected == "heap_out_of_bounds" and got is None


def compare_call(verdict, words, a, b, exact):
    """False when nothing after it can be compared."""
    traps = a.get("t"), b.get("t")
    if LIMITS & set(traps):
        verdict.dropped = next(t for t in traps if t in LIMITS)
        return False
    verdict.calls += 1
    if traps == (None, None):
        if not same_values(a["r"], b["r"]):
            verdict.differences.append(f"{words}: results {a['r']}, {b['r']}")
        elif a["h"] != b["h"]:
            verdict.differences.append(f"{words}: the trace of host calls")
    elif is_lost_load(*traps, exact):
        verdict.lost += 1
        return False
    elif None in traps:
        verdict.differences.append(f"{words}: {traps[0] or a['r']}, {traps[1] or b['r']}")
        return False
    else:
        verdict.traps += 1
        compare_endings(verdict, words, a, b, exact)
    return True


def compare_endings(verdict, words, a, b, exact):
    """An exception is not a trap: nothing may be missing before it in any mode."""
    traps = a["t"], b["t"]
    threw = [t == "exception" for t in traps]
    if is_lost_load(traps[0], None if threw[1] else "", exact):
        verdict.lost += 1
        return
    exact = exact or threw[0]
    if (exact or threw[1]) and not same_trap(*traps):
        verdict.differences.append(f"{words}: traps {traps[0]}, {traps[1]}")
    elif exact and a["h"] != b["h"]:
        verdict.differences.append(f"{words}: the trace of host calls before {traps[0]}")
    elif exact and (state := compare_state(a["s"], b["s"])):
        verdict.differences.append(f"{words}: after {traps[0]}: {state}")


def compare(plan, a, b, exact):
    """`a` is the reference, `b` Lucet or V8. With `exact`, traps and the state after them are compared too."""
    verdict = Verdict()
    if a["start"] or b["start"]:
        starts = a["start"], b["start"]
        if LIMITS & set(starts):
            verdict.dropped = "stack overflow or time limit"
        elif str(starts[0]).startswith("link: "):
            verdict.skipped = f"does not link: {starts[0]}"
        elif is_lost_load(*starts, exact):
            verdict.lost += 1
        elif None in starts or (exact and not same_trap(*starts)):
            verdict.differences.append(f"instantiation: {starts[0]}, {starts[1]}")
        else:
            verdict.traps += 1
        return verdict
    for i, ((name, args), x, y) in enumerate(zip(plan["calls"], a["calls"], b["calls"])):
        if not compare_call(verdict, f"call {i}, {name!r}({', '.join(args)})", x, y, exact):
            return verdict
    if len(a["calls"]) != len(b["calls"]):
        verdict.differences.append(f"{len(a['calls'])} calls, {len(b['calls'])}")
    elif state := compare_state(a["state"], b["state"]):
        verdict.differences.append(f"at the end: {state}")
    return verdict
