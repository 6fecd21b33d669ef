#!/usr/bin/env python3
"""measure.py FILE COMMAND...: runs a command and writes "SECONDS PEAK_KIB" to FILE; the exit code is
the command's. The peak is that of its largest process."""
import resource
import subprocess
import sys
import time

start = time.monotonic()
code = subprocess.call(sys.argv[2:])
seconds = time.monotonic() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open(sys.argv[1], "w") as out:
    print(f"{seconds:.3f} {peak}", file=out)
sys.exit(code if code >= 0 else 128 - code)
