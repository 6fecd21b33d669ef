#!/usr/bin/env python3
"""measure.py FILE COMMAND...: runs a command and writes "SECONDS PEAK_KIB PROCESSOR_SECONDS" to FILE; the exit code is
the command's. The peak is that of its largest process."""
import resource
import subprocess
import sys
import time

start = time.monotonic()
code = subprocess.call(sys.argv[2:])
seconds = time.monotonic() - start
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
processor = usage.ru_utime + usage.ru_stime
with open(sys.argv[1], "w") as out:
    print(f"{seconds:.3f} {usage.ru_maxrss} {processor:.1f}", file=out)
sys.exit(code if code >= 0 else 128 - code)
