"""What the process engine writes down about a service, so that the next june finds it again."""

from __future__ import annotations

import contextlib
import json
import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import psutil

from june_cli.engine.locks import locked
from june_cli.paths import writable


@dataclass(frozen=True)
class Proc:
    """A process, told apart from a later one of the same number: by its start, and by the boot."""

    pid: int
    started: float
    boot: str

    @classmethod
    def of(cls, pid: int) -> Proc | None:
        """The process of that number, or None if there is none."""
        started = _started(pid)
        return None if started is None else cls(pid, started, boot_id())

    @property
    def alive(self) -> bool:
        """Whether that very process still runs: same boot, same start, not a zombie."""
        if self.boot != boot_id() or _started(self.pid) != self.started:
            return False
        try:
            return bool(psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


def _started(pid: int) -> float | None:
    """When a process began, in a measure that never changes while it lives.

    On Linux that is the 22nd field of /proc/PID/stat, in clock ticks since the boot. psutil adds the time of
    the boot to it, which moves whenever the clock is set: a live process would be taken for another.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return float(fields[19])
    except (OSError, IndexError, ValueError):
        pass
    try:
        return psutil.Process(pid).create_time() if not Path("/proc/self/stat").exists() else None
    except psutil.Error:
        return None


@cache
def boot_id() -> str:
    """Changes at every boot: a record of before it cannot speak of a process of now."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


@dataclass(frozen=True)
class Record:
    """One service: who it is, who uses it, whether it is to stay."""

    service: str
    spec_hash: str
    model: str
    ports: dict[str, int]
    log: str
    kept: bool
    started_at: float
    process: Proc | None = None  # None: its june was killed between deciding to start it and starting it
    users: tuple[Proc, ...] = field(default=())

    @property
    def alive(self) -> bool:
        """Whether the recorded process still runs."""
        return self.process is not None and self.process.alive

    def with_user(self, user: Proc, *, keep: bool) -> Record:
        """The record after one more june uses it; dead users are forgotten."""
        others = tuple(u for u in self.users if u.alive and u != user)
        return replace(self, users=(*others, user), kept=self.kept or keep)

    def without_user(self, user: Proc) -> Record:
        """The record after one june is done with it."""
        return replace(self, users=tuple(u for u in self.users if u.alive and u != user))


def me() -> Proc:
    """This june."""
    mine = Proc.of(os.getpid())
    assert mine is not None  # noqa: S101 - this process exists
    return mine


class Records:
    """The folder `state/services`: one JSON file a service, replaced whole, each under a lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Every service that has a record."""
        return sorted(path.stem for path in self.folder.glob("*.json")) if self.folder.is_dir() else []

    def read(self, name: str) -> Record | None:
        """The record of a service, or None; a file that is no record counts as none."""
        try:
            raw = json.loads((self.folder / f"{name}.json").read_text("utf-8"))
            process = Proc(**raw.pop("process")) if raw["process"] else raw.pop("process")
            users = tuple(Proc(**user) for user in raw.pop("users"))
            found = Record(**raw, process=process, users=users)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = isinstance(found.ports, dict) and isinstance(found.log, str)
        return found if whole and all(isinstance(port, int) for port in found.ports.values()) else None

    def write(self, record: Record) -> None:
        """Replace the record in one step, so that a reader never sees half of one."""
        temporary = self.folder / f".{record.service}.{os.getpid()}"
        with writable(self.folder):
            temporary.write_text(json.dumps(asdict(record)), "utf-8")
            temporary.replace(self.folder / f"{record.service}.json")

    def forget(self, name: str) -> None:
        """Remove the record."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / f"{name}.json").unlink()

    def locked(self, name: str, timeout_s: float = 60.0) -> AbstractContextManager[None]:
        """Only one june at a time decides about a service."""
        return locked(self.folder / f"{name}.lock", name, timeout_s)
