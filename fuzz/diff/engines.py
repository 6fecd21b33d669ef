"""Engines that run as processes of their own and answer a line of JSON with another."""
import json
import os
import select
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


class Gone(Exception):
    """The process died or did not answer in time; the message says which."""


class Worker:
    def __init__(self, command, timeout):
        self.command, self.timeout = command, timeout
        self.process = self.errors = None

    def start(self):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                                        bufsize=0)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.errors.close()
            self.process = None

    def died(self):
        status = self.process.wait()
        self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, self.errors.tell() - 2000))
        said = self.errors.read().decode(errors="replace").strip()
        self.stop()
        return Gone(f"died with {'signal' if status < 0 else 'status'} {abs(status)}: {said}")

    def ask(self, request):
        if not self.process:
            self.start()
        line = b""
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            out = self.process.stdout.fileno()
            while not line.endswith(b"\n"):
                if not select.select([out], [], [], self.timeout)[0]:
                    self.stop()
                    raise Gone("timeout")
                part = os.read(out, 1 << 20)
                if not part:
                    raise self.died()
                line += part
        except BrokenPipeError:
            raise self.died() from None
        return json.loads(line)


def lucet(build, timeout):
    return Worker([f"{build}/fuzz/lucet-difftest"], timeout)


def v8(build, timeout):
    return Worker(["node", "--stack-size=900", str(HERE / "v8.js"), f"{build}/fuzz/v128.wasm"], timeout)
