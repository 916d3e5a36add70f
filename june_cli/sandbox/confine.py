"""The walls around a sample, put up in its own process before a line of it runs. Linux.

The container is the outer wall: no network, a read-only root, no rights, limits of its control group. These
are the inner ones, between a sample and its neighbours: a user of its own, a root folder without /proc, and
limits for each process.
"""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from june_cli.sandbox import seccomp
from june_cli.sandbox.seccomp import prctl

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 1, 38, 36
STACK_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Walls:
    """What holds one sample. `root`: a folder that becomes its root; without one only the limits hold it."""

    uid: int
    root: Path | None
    folder: str  # as it sees it
    memory_bytes: int
    cpu_s: int
    processes: int
    file_bytes: int
    calls: bytes  # seccomp's program


def become(uid: int) -> None:
    """Another user, for good, and of no group."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def silence() -> None:
    """There is nothing to read any more, and what is written goes nowhere."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)


def enter(walls: Walls) -> None:
    """Put the walls up around this process, for good. OSError where one cannot stand."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _first_for_the_killer()
    if walls.root:
        os.chroot(walls.root)
    os.chdir(walls.folder)
    _limits(walls)
    if walls.root:
        become(walls.uid)
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user takes it back
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(walls.calls, os.getpid())
    os.environ.clear()
    os.environ.update(HOME=walls.folder, TMPDIR=walls.folder, LANG="C.UTF-8", OPENBLAS_NUM_THREADS="1")
    os.umask(0o077)


def _first_for_the_killer() -> None:
    """When memory runs out, the kernel takes a sample and neither the judge nor the spawner."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def _limits(walls: Walls) -> None:
    for which, value in (
        (resource.RLIMIT_AS, walls.memory_bytes),
        (resource.RLIMIT_FSIZE, walls.file_bytes),
        (resource.RLIMIT_NPROC, walls.processes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_STACK, STACK_BYTES),
    ):
        most = resource.getrlimit(which)[1]
        wanted = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(which, (wanted, wanted))
    resource.setrlimit(resource.RLIMIT_CPU, (walls.cpu_s, walls.cpu_s + 1))
