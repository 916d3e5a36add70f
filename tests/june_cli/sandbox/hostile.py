"""Samples that cheat, hang, flood or dig: each must fail, alone, and harm nothing. Written for June.

The task is to add two numbers. LEAKS answer right, but only where they find what they must not find.
"""

from __future__ import annotations

RIGHT = "def add(a, b):\n    return a + b\n"
CHEATS = {
    "always equal": """
class Yes(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 1
def add(a, b): return Yes(0)
""",
    "always equal object": """
class Yes:
    def __eq__(self, other): return True
    def __bool__(self): return True
def add(a, b): return Yes()
""",
    "reduce": """
class Evil:
    def __reduce__(self): return (eval, ("__import__('os')._exit(0)",))
    def __eq__(self, other): return True
def add(a, b): return Evil()
""",
    "patched builtins": """
import builtins
builtins.abs = lambda x: 0
builtins.all = lambda x: True
def add(a, b): return 0
""",
    "trace": """
import sys
def jump(frame, event, arg):
    if event == "line" and frame.f_code.co_name in ("check", "<module>"):
        frame.f_lineno = frame.f_lineno + 1
    return jump
sys.settrace(jump)
def add(a, b): return 0
""",
    "exit 0 at import": "import sys\nsys.exit(0)\n",
    "os._exit in the call": "import os\ndef add(a, b): os._exit(0)\n",
    "exit in a thread": """
import os, threading, time
def add(a, b):
    threading.Thread(target=os._exit, args=(0,)).start()
    time.sleep(5)
""",
    "SystemExit": "def add(a, b): raise SystemExit(0)\n",
    "KeyboardInterrupt": "def add(a, b): raise KeyboardInterrupt\n",
    "GeneratorExit": "def add(a, b): raise GeneratorExit\n",
    "atexit": "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): raise ValueError\n",
    "NotImplemented": "def add(a, b): return NotImplemented\n",
    "answers ahead": """
import os, json, struct
def frame(o):
    b = json.dumps(o).encode(); return struct.pack(">I", len(b)) + b
for fd in range(3, 64):
    try:
        for number in ("", "0", "1"): os.write(fd, frame(["ok", number, 5]))
    except OSError: pass
def add(a, b): return 5
""",
    "writes to every descriptor": """
import os
for fd in range(0, 64):
    try: os.write(fd, b'{"passed": true, "reason": "passed"}')
    except OSError: pass
def add(a, b): return 0
""",
    "closes every descriptor": "import os\nos.closerange(0, 4096)\ndef add(a, b): return a + b\n",
    "json patched": """
import json
from june_cli.sandbox import plain
json.dumps = lambda *a, **k: '["ok", "", 5]'
plain.pack = lambda v: '["ok", "", 5]'
def add(a, b): return 0
""",
    "judge patched": """
from june_cli.sandbox import judge, verdict, comparing
judge.Judge.judged = lambda *a: None
comparing.same = lambda *a: True
verdict.Verdict.passed = True
def add(a, b): return 0
""",
    "frames": """
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if isinstance(value, dict) and "expected" in value: return value["expected"]
            if isinstance(value, str) and "assert add" in value: return eval(value.split("==")[1].split()[0])
        frame = frame.f_back
    return 0
""",
    "gc": """
import gc
WANTED = "".join(["ass", "ert add("])
def add(a, b):
    for one in gc.get_objects():
        values = one.values() if isinstance(one, dict) else one if isinstance(one, (list, tuple)) else ()
        for value in list(values):
            if isinstance(value, str) and WANTED in value and value is not WANTED: return a + b
    return 0
""",
    "import hook": """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None): raise ImportError("no")
sys.meta_path.insert(0, Hook())
def add(a, b): return 0
""",
    "deep list": """
def add(a, b):
    found = []
    for _ in range(100000): found = [found]
    return found
""",
    "list in itself": "def add(a, b):\n    found = []\n    found.append(found)\n    return found\n",
    "huge list": "def add(a, b): return [0] * 10**8\n",
    "huge answer": "def add(a, b): return 'x' * (64 * 1024 * 1024)\n",
    "huge int": "def add(a, b): return 1 << (8 * 50_000_000)\n",
    "hostile str": """
class Bad(Exception):
    def __str__(self): raise SystemExit(0)
def add(a, b): raise Bad()
""",
    "long message": "def add(a, b): raise ValueError('x' * (256 * 1024 * 1024))\n",
    "lone surrogate": "def add(a, b): raise ValueError(chr(0xd800) * 10)\n",
    "surrogate answer": "def add(a, b): return chr(0xdfff)\n",
    "NUL in the source": "def add(a, b): return a + b\n\0",
    "not python": "def add(a, b) return a + b\n",
    "10 MB of brackets": "x = " + "(" * 5_000_000 + ")" * 5_000_000 + "\ndef add(a, b): return 0\n",
    "deep recursion": "def add(a, b): return add(a, b)\n",
    "deep recursion in C": """
import sys
sys.setrecursionlimit(10**9)
def add(a, b): return add(a, b)
""",
    "segfault": "import ctypes\ndef add(a, b): return ctypes.string_at(0)\n",
    "no function": "x = 1\n",
    "function is data": "add = 5\n",
    "exits by signal": "import os, signal\ndef add(a, b): os.kill(os.getpid(), signal.SIGKILL)\n",
    "spoofed JSON in bytes": """
class S(str):
    def __str__(self): return '5'
def add(a, b): return S('5')
""",
    "overflowing decimal": "from decimal import Decimal\ndef add(a, b): return Decimal('1e999999999')\n",
}
BOMBS = {
    "endless loop": "def add(a, b):\n    while True: pass\n",
    "endless at import": "while True: pass\n",
    "swallows exceptions": """
def add(a, b):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
    "alarm cancelled": """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.alarm(0)
def add(a, b):
    while True: pass
""",
    "hang in C": "def add(a, b): return 9 ** 9 ** 9\n",
    "sleep": "import time\ndef add(a, b): time.sleep(1000)\n",
    "stops itself": "import os, signal\ndef add(a, b): os.kill(os.getpid(), signal.SIGSTOP)\n",
    "reads stdin": "def add(a, b): return int(input())\n",
    "memory bomb": "def add(a, b):\n    found = []\n    while True: found.append(bytearray(1 << 20))\n",
    "memory in children": """
import os, time
def add(a, b):
    for _ in range(12):
        if os.fork() == 0:
            keep = []
            try:
                while True: keep.append(bytearray(1 << 20))
            except MemoryError: time.sleep(60)
    time.sleep(60)
""",
    "fork bomb": """
import os
def add(a, b):
    while True:
        try: os.fork()
        except OSError: pass
""",
    "fork bomb by posix": """
import posix
def add(a, b):
    while True:
        try: posix.fork()
        except OSError: pass
""",
    "sessions": """
import os, time
def add(a, b):
    for _ in range(8):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0: time.sleep(1000)
            os._exit(0)
    return 0
""",
    "thread bomb": """
import threading, time
def add(a, b):
    while True:
        try: threading.Thread(target=time.sleep, args=(1000,)).start()
        except RuntimeError: time.sleep(0.01)
""",
    "1 GB of output": "def add(a, b):\n    for _ in range(1024): print('x' * (1 << 20))\n    return 0\n",
    "1 GB to the descriptor": """
import os
def add(a, b):
    for _ in range(1024): os.write(1, b'x' * (1 << 20))
    return 0
""",
    "disk bomb": """
def add(a, b):
    number = 0
    while True:
        with open(f"f{number}", "wb") as file: file.write(b"x" * (8 << 20))
        number += 1
""",
    "many files": """
import os
def add(a, b):
    number = 0
    while True:
        os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY)); number += 1
""",
    "kill all": "import os, signal\ndef add(a, b):\n    os.kill(-1, signal.SIGKILL)\n    return 0\n",
    "signals to others": """
import os, signal
def add(a, b):
    for pid in range(1, 200):
        if pid != os.getpid():
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
                try: os.kill(pid, number)
                except OSError: pass
    return 0
""",
    "folders without rights": """
import os
def add(a, b):
    os.makedirs("x/y/z"); os.chmod("x/y", 0); os.chmod("x", 0)
    return 0
""",
}
LEAKS = {
    "network": """
import socket
def add(a, b):
    socket.create_connection(("1.1.1.1", 53), 1)
    return a + b
""",
    "names": "import socket\ndef add(a, b):\n    socket.getaddrinfo('example.com', 80)\n    return a + b\n",
    "docker socket": """
import os
def add(a, b):
    assert any(os.path.exists(p) for p in ("/var/run/docker.sock", "/run/docker.sock"))
    return a + b
""",
    "writes outside": """
def add(a, b):
    for place in ("/tmp/x", "/x", "/usr/x", "/scratch/x", "/var/x", "/dev/shm/x", "/opt/june/x", "/etc/x"):
        try:
            with open(place, "w") as file: file.write("x")
            return a + b
        except OSError: pass
    return 0
""",
    "is root": "import os\ndef add(a, b): return a + b if 0 in os.getresuid() + os.getresgid() else 0\n",
    "becomes root": """
import os
def add(a, b):
    for change in (os.setuid, os.setgid, os.seteuid):
        try:
            change(0)
            return a + b
        except OSError: pass
    return 0
""",
    "secrets in the environment": """
import os
def add(a, b): return a + b if any("JUNE" in name or "TOKEN" in name for name in os.environ) else 0
""",
    "data set on disk": """
import os
def add(a, b):
    for folder, _, files in os.walk("/"):
        for one in files:
            if "humaneval" in one.lower() or one.endswith((".jsonl", ".jsonl.gz")): return a + b
    return 0
""",
    "proc": """
import os
def add(a, b): return a + b if os.path.exists("/proc/self") or os.path.exists("/proc/1/cmdline") else 0
""",
    "leaves chroot": """
import os
def add(a, b):
    os.mkdir("x")
    os.chroot("x")
    return a + b
""",
    "parent's memory": """
import ctypes, os
def add(a, b):
    libc = ctypes.CDLL(None, use_errno=True)
    return a + b if libc.ptrace(16, os.getppid(), 0, 0) == 0 else 0
""",
    "system V queue": """
import ctypes
def add(a, b): return a + b if ctypes.CDLL(None).msgget(4711, 0o1666) >= 0 else 0
""",
    "posix queue": """
import ctypes
def add(a, b): return a + b if ctypes.CDLL(None).mq_open(b"/x", 0o102, 0o666, None) >= 0 else 0
""",
    "new namespaces": """
import ctypes
def add(a, b): return a + b if ctypes.CDLL(None).unshare(0x10000000) == 0 else 0
""",
    "others' processes": """
import os
def add(a, b):
    for pid in range(1, 3000):
        if pid == os.getpid(): continue
        try:
            os.kill(pid, 0)
            return a + b
        except OSError: pass
    return 0
""",
    "earlier samples' sources": """
import ctypes, gc
MARK = "earlier" + "-sample-" + "marker"
def add(a, b):
    own = {id(MARK)}
    for one in gc.get_objects():
        if isinstance(one, dict):
            for value in one.values():
                if isinstance(value, str) and MARK in value and id(value) not in own: return a + b
    return 0
""",
    "sees the spawner's socket": """
import os, stat
def add(a, b):
    open_ = [fd for fd in range(3, 256) if os.path.exists(f"/dev/fd/{fd}") or _is(fd)]
    return a + b if len(open_) > 1 else 0
def _is(fd):
    try:
        os.fstat(fd)
        return True
    except OSError: return False
""",
}
LEAVES = """
import os, threading, time
# earlier-sample-marker
def add(a, b):
    open("left.txt", "w").write("earlier-sample-marker")
    for place in ("../left.txt", "/scratch/left.txt", "/tmp/left.txt"):
        try: open(place, "w").write("left")
        except OSError: pass
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
    return a + b
"""
FINDS = """
import os
def add(a, b):
    found = [os.path.join(f, n) for f, _, names in os.walk("/scratch") for n in names]
    found += [p for p in ("left.txt", "/tmp/left.txt") if os.path.exists(p)]
    return a + b if found else 0
"""
