"""Samples that cheat: each must fail. The task is to add two numbers. Written for June."""

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
