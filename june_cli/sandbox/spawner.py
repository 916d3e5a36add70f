"""Gives each sample a process of its own, and takes away all that is left of it. Inside a container, as root.

It sees neither tests nor sources: what it forks has to read its source itself. So no sample can find in its
memory what an earlier one left there.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from june_cli.sandbox import confine, sample, seccomp
from june_cli.sandbox.confine import Walls
from june_cli.sandbox.seccomp import prctl

FIRST_UID = 100_000
UIDS = 60_000  # a user for so many samples, before the first comes again
SWEEP_S = 2.0
KIB = 1024
WARM = (
    *("typing", "collections", "itertools", "functools", "operator", "copy", "dataclasses", "enum"),
    *("math", "cmath", "fractions", "decimal", "statistics", "random", "heapq", "bisect"),
    *("string", "re", "datetime", "hashlib", "numpy"),
)


@dataclass(frozen=True)
class Place:
    """Where samples run. `root`: what becomes their root; `scratch`: where their folders are made."""

    root: Path | None
    scratch: Path
    memory_bytes: int
    processes: int
    file_bytes: int


@dataclass
class Spawned:
    """A sample's process."""

    pid: int
    uid: int
    folder: Path


class Spawner:
    """Serves the judge: one sample at a time."""

    def __init__(self, place: Place, judge: socket.socket) -> None:
        self._place, self._judge = place, judge
        self._calls = seccomp.program(os.uname().machine, processes=place.root is not None)
        self._count = 0

    def serve(self) -> None:
        """Until the judge is gone. A request is the time a sample has, with the socket it is to use."""
        prctl(confine.PR_SET_CHILD_SUBREAPER, 1)
        _warm()
        gc.freeze()  # so that collecting in a child does not copy every page
        current: Spawned | None = None
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._judge, 1 << 16, 1)
            if not message:
                break
            if descriptors:
                current = self._spawn(socket.socket(fileno=descriptors[0]), json.loads(message)["cpu_s"])
                self._judge.send(b"{}")
            elif current:
                self._judge.send(json.dumps(self._clear(current)).encode())
                current = None
        if current:
            self._clear(current)

    def _spawn(self, connected: socket.socket, cpu_s: int) -> Spawned:
        self._count += 1
        uid = FIRST_UID + self._count % UIDS if self._place.root else os.getuid()
        folder = self._place.scratch / str(self._count)
        folder.mkdir(mode=0o700)
        if self._place.root:
            os.chown(folder, uid, uid)
        pid = os.fork()
        if pid == 0:
            self._become(connected, uid, folder, cpu_s)
        connected.close()
        return Spawned(pid, uid, folder)

    def _become(self, connected: socket.socket, uid: int, folder: Path, cpu_s: int) -> None:
        """The child: never returns."""
        code = 70
        try:
            os.setsid()
            _only(connected)
            place = self._place
            seen = f"/{folder.relative_to(place.root)}" if place.root else str(folder)
            walls = Walls(
                uid=uid,
                root=place.root,
                folder=seen,
                memory_bytes=place.memory_bytes,
                cpu_s=cpu_s,
                processes=place.processes,
                file_bytes=place.file_bytes,
                calls=self._calls,
            )
            confine.enter(walls)
            for one in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
                signal.signal(one, signal.SIG_DFL)
            gc.enable()
            sample.serve(connected)
            code = 0
        finally:
            os._exit(code)

    def _clear(self, one: Spawned) -> dict[str, Any]:
        """End it with all it has started, and remove what it wrote. `clean`: nothing is left."""
        with suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
        status, usage = os.wait4(one.pid, 0)[1:]
        clean = self._swept(one)
        with suppress(OSError):
            one.folder.chmod(0o700)
        shutil.rmtree(one.folder, ignore_errors=True)
        return {
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * KIB,
            "clean": clean and not one.folder.exists(),
        }

    def _swept(self, one: Spawned) -> bool:
        """Whether nothing of it runs any more."""
        until = time.monotonic() + SWEEP_S
        while True:
            _reap()
            left = list(self._left(one))
            if not left:
                return True
            if time.monotonic() > until:
                return False
            if self._place.root:
                self._kill_all_of(one.uid)
            else:
                for pid in left:
                    with suppress(OSError):
                        os.kill(pid, signal.SIGKILL)

    def _kill_all_of(self, uid: int) -> None:
        """At once, from a process of the same user, so that none can start another meanwhile."""
        pid = os.fork()
        if pid == 0:
            try:
                confine.become(uid)
                os.kill(-1, signal.SIGKILL)
            finally:
                os._exit(0)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)

    def _left(self, one: Spawned) -> Iterator[int]:
        """Processes of its user; without users of their own, this process's children but for the judge."""
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) in (os.getpid(), os.getppid()):
                continue
            with suppress(OSError, ValueError, IndexError):
                known = _status(entry)
                mine = known["Uid"] == one.uid if self._place.root else known["PPid"] == os.getpid()
                if mine and known["State"] != "Z":
                    yield int(entry.name)


def _status(process: Path) -> dict[str, Any]:
    """User, parent and state of a process, by its folder in /proc."""
    found: dict[str, Any] = {}
    for line in (process / "status").read_text("utf-8", "replace").splitlines():
        name, _, value = line.partition(":")
        if name == "State":
            found[name] = value.split()[0]
        elif name in ("Uid", "PPid"):
            found[name] = int(value.split()[0])
            if name == "Uid":
                break
    return found


def _reap() -> None:
    """Wait for all that has ended; what a sample started and left is this process's child by now."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


def _only(connected: socket.socket) -> None:
    """Of all open files keep the connection, and nothing to read from or write to."""
    confine.silence()
    keep = connected.fileno()
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)
    os.set_inheritable(keep, False)


def _warm() -> None:
    """Import what most solutions import, once for all of them; and load what the walls need."""
    ctypes.CDLL(None)
    for name in WARM:
        with suppress(ImportError):
            importlib.import_module(name)
