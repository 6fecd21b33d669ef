"""The nginx module under requests: nginx.py NGINX.CONF, in a folder with modules/, logs/ and the guests
echo.so, next.so and other.so."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

PATIENCE = 240  # seconds, for what must happen some time

# Whether a guest is in time must not depend on how busy the machine is.
LOCATIONS = """
        location /short/ {
            lucet_handler echo.so;
            lucet_timeout 100ms;
            lucet_memory 1m;
        }
        location /one/ {
            lucet_handler echo.so;
            lucet_timeout 0;
            lucet_memory 1m;
            lucet_instances 1;
        }
        location /inner/ {
            lucet_handler echo.so;
            lucet_timeout 600s;
            lucet_memory 1m;
            if ($arg_a) {
                set $b 1;
            }
            limit_except GET {
                allow all;
            }
        }
        location /patient/ {
            lucet_handler echo.so;
            lucet_timeout 0;
            lucet_memory 1m;
            lucet_instances 1;
        }
"""

passed = failed = 0
nginx = None


def check(what, good, *details):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print("FAILED:", what, *details)


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if nginx.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("%s: not within %d s, or nginx is gone: %s" % (what, PATIENCE, nginx.returncode))
        time.sleep(0.02)
    check(what, True)


class Connection(http.client.HTTPConnection):
    def __init__(self):
        super().__init__("localhost", timeout=PATIENCE)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect("nginx.sock")


def ask(path, method="GET", body=None, connection=None):
    """(status, headers, body)"""
    c = connection or Connection()
    c.request(method, path, body=body, headers={"User-Agent": "tests"})
    r = c.getresponse()
    answer = (r.status, r.headers, r.read().decode("latin-1"))
    if not connection:
        c.close()
    return answer


def begin(path):
    c = Connection()
    c.request("GET", path)
    return c


def configuration(text):
    with open("nginx.conf", "w") as f:
        f.write(text)


def log():
    with open("logs/error.log", errors="replace") as f:
        return f.read()


def refusals(good):
    """What `nginx -t` says of configurations that cannot work."""
    for old, new, reason in [
        ("lucet_handler echo.so", "lucet_handler missing.so", "missing.so"),
        ("lucet_handler echo.so", "lucet_handler nginx.conf", "foreign"),
        ("lucet_handler echo.so", "lucet_handler other.so", "handle"),
        ("lucet_memory 1m", "lucet_memory 64k", "the limit is 65536 bytes"),
        ("lucet_memory 1m", "lucet_memory 8000000g", "invalid value"),
        ("lucet_handler echo.so", "lucet_handler start.so", "start function"),
        ("lucet_instances 16", "lucet_instances 0", "a region without slots"),
        ("lucet_handler echo.so", "lucet_handler echo.so; lucet_handler echo.so", "duplicate"),
    ]:
        at = good.index("location / {")
        configuration(good[:at] + good[at:].replace(old, new, 1))
        r = subprocess.run(["nginx", "-t", "-p", ".", "-c", "nginx.conf"], capture_output=True, text=True)
        check("a configuration with " + new, r.returncode == 1 and reason in r.stderr, r.returncode, r.stderr)
    configuration(good)
    r = subprocess.run(["nginx", "-t", "-p", ".", "-c", "nginx.conf"], capture_output=True, text=True)
    check("the example's configuration", r.returncode == 0, r.stderr)


def answers():
    status, headers, body = ask("/some%20where?a=b")
    expected = "method GET\npath /some where\nquery a=b\nbody \nagent tests\nrequest 1\n"
    check("an answer", status == 200 and body == expected, status, body)
    check("its headers", headers["Content-Type"] == "text/plain" and headers["X-Guest"] == "echo", headers)
    status, headers, body = ask("/", "HEAD")
    check("HEAD", status == 200 and headers["Content-Length"] and body == "", status, headers, body)
    for size in 1, 1000, 60000:  # in a buffer, in one of its own, in a file
        text = "0123456789"[:size] * max(size // 10, 1)
        status, _, body = ask("/", "POST", text)
        check("a body of %d bytes" % size, status == 201 and "body " + text + "\n" in body, status, len(body))


def faults():
    status, headers, _ = ask("/crash")
    check("a crash", status == 500, status)
    check("nothing else from a guest that crashed", "Set-Cookie" not in headers, headers)
    check("its reason in the log", "out of bounds memory access in function" in log(), log())
    check("its backtrace in the log", re.search(r"#0 parse at \S*echo\.c:\d+", log()), log())
    check("its caller in the log", re.search(r"#1 handle at \S*echo\.c:\d+", log()), log())
    check("a range out of bounds", ask("/lie")[0] == 500)
    check("an answer too large", ask("/flood")[0] == 500 and "lucet_response_size" in log(), log())
    check("one that loops", ask("/short/spin")[0] == 504)
    status, headers, body = ask("/misbehave")
    refused = "refused: Content-Length\nrefused: X-Split\nrefused: Bad Name\nit did not help\n"
    check("headers that are none", status == 200 and body == refused and headers["Set-Cookie"] == "of=a-guest", status, body)
    check("a forged line of the log", "guest: nothing wrong.2026" in log() and "\n2026/01/01" not in log(), log())
    check("the next request", ask("/")[0] == 200)


def patience():
    """One that never ends, beside others; until its client goes away."""
    c = begin("/patient/spin")
    until("no room for another one", lambda: ask("/patient/")[0] == 503)
    for _ in range(20):
        check("a request beside one that loops", ask("/")[0] == 200)
    c.close()
    until("room when the client has gone away", lambda: ask("/patient/")[0] == 200)

    # The end of the connection comes with the request.
    s = socket.socket(socket.AF_UNIX)
    s.connect("nginx.sock")
    s.send(b"GET /one/spin HTTP/1.1\r\nHost: a\r\n\r\n")
    s.close()
    until("room when the client never waited", lambda: ask("/one/")[0] == 200)


def inner():
    """Conditions within a location have the location's guest."""
    check("an if", ask("/inner/?a=1")[0] == 200)
    check("beside the if", ask("/inner/")[0] == 200)
    status, _, body = ask("/inner/", "POST", "abc")
    check("a limit_except", status == 201 and "body abc\n" in body, status, body)


def workers(master):
    with open("/proc/%d/task/%d/children" % (master, master)) as f:
        return [int(pid) for pid in f.read().split()]


def measure(pid):
    """Descriptors, threads, mappings, resident KiB."""
    with open("/proc/%d/status" % pid) as f:
        status = f.read()
    with open("/proc/%d/maps" % pid) as f:
        maps = len(f.readlines())
    number = lambda name: int(re.search(name + r":\s*(\d+)", status).group(1))
    return len(os.listdir("/proc/%d/fd" % pid)), number("Threads"), maps, number("VmRSS")


def many(master):
    c = Connection()
    wrong = []
    before = None
    for n in range(10000):
        path, wanted = ("/crash", 500) if n % 10 == 9 else ("/x", 200)
        status = ask(path, connection=c)[0]
        if status != wanted:
            wrong.append((n, status))
        if n == 1000:
            before = measure(workers(master)[0])
    after = measure(workers(master)[0])
    c.close()
    check("10,000 requests", not wrong, wrong[:5])
    print("after 1,000 and 10,000 requests: %s and %s descriptors, threads, mappings, KiB" % (before, after))
    check("descriptors and threads", after[0] <= before[0] and after[1] <= before[1])
    check("mappings", after[2] <= before[2] + 2)
    check("memory", after[3] <= before[3] + 1024)


def reload(master, good):
    old = workers(master)
    running = begin("/patient/spin")
    until("one that runs", lambda: ask("/patient/")[0] == 503)
    c = Connection()
    c.putrequest("POST", "/")
    c.putheader("Content-Length", "10")
    c.putheader("Expect", "100-continue")
    c.endheaders()
    check("a request has begun", c.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n")
    c.send(b"01234")
    shutil.copyfile("next.so", "echo.new")
    os.rename("echo.new", "echo.so")
    os.kill(master, signal.SIGHUP)
    until("new workers with the new guest", lambda: ask("/")[1]["X-Guest"] == "next")
    c.send(b"56789")
    answer = c.getresponse()
    check("a request that had begun", answer.status == 201 and answer.headers["X-Guest"] == "echo", answer.status)
    check("its body", "body 0123456789\n" in answer.read().decode())
    c.close()
    time.sleep(0.5)  # in which a worker that does not wait for guests would have gone
    running.sock.settimeout(0)
    try:
        check("a guest that runs still does", False, running.sock.recv(100))
    except BlockingIOError:
        check("a guest that runs still does", True)
    running.close()
    until("the old workers are gone", lambda: not set(old) & set(workers(master)))

    configuration(good.replace("lucet_handler echo.so", "lucet_handler missing.so", 1))
    os.kill(master, signal.SIGHUP)
    until("a bad configuration is refused", lambda: "missing.so" in log())
    check("and the old one serves", ask("/")[0] == 200)

    # Without the module nginx unloads it. Its handlers of signals are the process's still.
    plain = re.sub(r"lucet_(handler|timeout|memory|response_size|instances) \S+;", "", good)
    old = workers(master)
    configuration(re.sub(r"load_module .*;", "", plain).replace("location / {", "location / { return 204;"))
    os.kill(master, signal.SIGHUP)
    until("without the module", lambda: ask("/")[0] == 204)
    until("no worker of before", lambda: not set(old) & set(workers(master)))
    os.kill(master, signal.SIGURG)
    os.kill(workers(master)[0], signal.SIGURG)
    check("a signal afterwards", ask("/")[0] == 204)
    configuration(good)
    os.kill(master, signal.SIGHUP)
    until("and with it again", lambda: ask("/")[0] == 200)


def main():
    global nginx
    with open(sys.argv[1]) as f:
        example = f.read()
    good = example.replace("listen 127.0.0.1:8080;", "listen unix:nginx.sock;" + LOCATIONS, 1)
    good = good.replace("lucet_timeout 500ms", "lucet_timeout 600s")
    refusals(good)
    nginx = subprocess.Popen(["nginx", "-p", ".", "-c", "nginx.conf"], start_new_session=True)
    try:
        until("nginx listens", lambda: os.path.exists("nginx.sock") and nginx.poll() is None)
        answers()
        faults()
        patience()
        inner()
        many(nginx.pid)
        os.rename("logs/error.log", "logs/old.log")
        os.kill(nginx.pid, signal.SIGUSR1)
        until("logs are reopened", lambda: os.path.exists("logs/error.log") and ask("/misbehave")[0] == 200)
        until("and written to", lambda: "guest: nothing" in log())
        reload(nginx.pid, good)
        os.kill(nginx.pid, signal.SIGQUIT)
        check("a graceful end", nginx.wait(PATIENCE) == 0, nginx.returncode)
        with open("logs/old.log", errors="replace") as f:
            alarms = re.findall(r".*\[(?:alert|crit)\].*", f.read() + log())
        alarms = [line for line in alarms if "forged" not in line]
        check("nothing alarming in the log", not alarms, *alarms[:5])
    finally:
        try:
            os.killpg(nginx.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    print("%d passed, %d failed, 0 skipped" % (passed, failed))
    return failed > 0


sys.exit(main())
