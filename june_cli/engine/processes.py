"""Processes of this host: how to end a group of them, how to find one whose record was lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psutil

N = TypeVar("N", int, float)

MARK = "JUNE_SERVICE_OF"  # in a service's environment: whose it is, should its record be lost


def end_group(pid: int, grace_s: float) -> None:
    """Ask a process group to end; `grace_s` later, end whatever is left of it."""
    try:
        leader = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    _signal(pid, signal.SIGTERM)
    _wait(leader, grace_s)
    _signal(pid, signal.SIGKILL)
    _wait(leader, 2.0)


def _signal(group: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


def _wait(process: psutil.Process, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while _lives(process) and time.monotonic() < deadline:
        time.sleep(0.01)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def strays(name: str, folder: str) -> list[int]:
    """Processes of a service whose june died before it could write down their number."""
    found = []
    for process in psutil.process_iter(["pid"]):
        try:
            environ = process.environ()
        except (psutil.Error, OSError):
            continue
        if environ.get(MARK) == folder and environ.get("JUNE_SERVICE") == name:
            found.append(process.pid)
    return found


def ending(returncode: int) -> str:
    """How a child ended, in words."""
    if returncode >= 0:
        return f"it ended with exit code {returncode}"
    try:
        return f"it was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"it was ended by signal {-returncode}"


def tree(pid: int) -> list[psutil.Process]:
    """A process and all below it; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def resident_bytes(processes: Iterable[psutil.Process]) -> int:
    """Memory that processes hold."""
    return sum(_read(process, lambda p: int(p.memory_info().rss)) for process in processes)


def busy_s(processes: Iterable[psutil.Process]) -> float:
    """Processor seconds that processes have used."""
    return sum(_read(process, lambda p: float(sum(p.cpu_times()[:2]))) for process in processes)


def _read(process: psutil.Process, what: Callable[[psutil.Process], N]) -> N | int:
    try:
        return what(process)
    except psutil.Error:  # it has just ended
        return 0
