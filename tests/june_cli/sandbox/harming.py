"""Samples that hang, flood or dig: each must fail, alone, and harm nothing. Written for June.

LEAKS answer right, but only where they find what they must not find.
"""

from __future__ import annotations

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
