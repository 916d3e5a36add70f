"""`python -m june_cli.sandbox.worker`, in a worker's container: requests on stdin, verdicts on stdout."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from pathlib import Path

from june_cli.sandbox import confine
from june_cli.sandbox.judge import Judge
from june_cli.sandbox.spawner import Place, Spawner

JUDGE_UID = 65_533


def main() -> None:
    """Split in two: the parent becomes the judge and gives its rights away, the child stays the spawner."""
    root = os.environ.get("JUNE_SANDBOX_ROOT")
    memory = int(os.environ["JUNE_SANDBOX_MEMORY_BYTES"])
    processes = int(os.environ["JUNE_SANDBOX_PROCESSES"])
    files = int(os.environ["JUNE_SANDBOX_FILE_BYTES"])
    if root:
        return run(Place(Path(root), Path(os.environ["JUNE_SANDBOX_SCRATCH"]), memory, processes, files))
    with tempfile.TemporaryDirectory(prefix="june-sandbox-") as own:
        return run(Place(None, Path(own), memory, processes, files))


def run(place: Place) -> None:
    """Serve until stdin ends."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        _spawner(place, ours, theirs)
    theirs.close()
    requests, verdicts = os.dup(0), os.dup(1)
    confine.silence()
    if place.root:
        os.chroot(place.root)
        os.chdir("/")
        confine.become(JUDGE_UID)
    try:
        Judge(ours).serve(requests, verdicts)
    finally:
        ours.close()
        os.waitpid(child, 0)


def _spawner(place: Place, ours: socket.socket, theirs: socket.socket) -> None:
    code = 1
    try:
        ours.close()
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_IGN)  # it ends with the judge, and never before its sample
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        Spawner(place, theirs).serve()
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
