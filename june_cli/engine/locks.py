"""Where two junes meet: who decides about a service, who is using one. Locks end with whoever holds them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from june_cli.errors import MachineLacks
from june_cli.paths import made, writable


@contextmanager
def locked(path: Path, name: str, timeout_s: float = 60.0) -> Iterator[None]:
    """Only one june at a time decides about `name`. MachineLacks when another takes too long."""
    descriptor = _opened(path)
    try:
        deadline = time.monotonic() + timeout_s
        while not _got(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise MachineLacks(
                    "state-locked", f"another june has been busy with {name} for {timeout_s:.0f} s."
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def in_use(name: str) -> MachineLacks:
    """Why a service is not restarted with other settings now."""
    return MachineLacks(
        "service-in-use",
        f"{name} runs with another model or setting, and another june is using it.",
        hint=f"wait for it to end, or stop it: june serve stop {name}",
    )


class Uses:
    """Which services this june uses, and whether another uses them too: one shared lock a service.

    The kernel drops the lock of a june that was killed, so nobody has to tell live users from dead ones. Ask
    only while `locked` is held for the service: to look at the lock is to hold it for a moment.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def begin(self, name: str) -> None:
        """This june uses the service from now on."""
        if not self.mine(name):
            self.end(name)
            self._held[name] = descriptor = _opened(self._folder / f"{name}.use")
            fcntl.flock(descriptor, fcntl.LOCK_SH)

    def end(self, name: str) -> None:
        """It does no longer."""
        if name in self._held:
            os.close(self._held.pop(name))

    def others(self, name: str) -> bool:
        """Whether another june uses it."""
        if self.mine(name):
            descriptor = self._held[name]
            alone = _got(descriptor, fcntl.LOCK_EX)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            return not alone
        path = self._folder / f"{name}.use"
        if not path.exists():
            return False
        descriptor = _opened(path)
        try:
            return not _got(descriptor, fcntl.LOCK_EX)
        finally:
            os.close(descriptor)

    def mine(self, name: str) -> bool:
        """Whether this june uses it. What another june ended and forgot meanwhile is used no more."""
        try:
            return os.path.samestat(os.fstat(self._held[name]), (self._folder / f"{name}.use").stat())
        except (KeyError, FileNotFoundError):
            return False

    def forget(self, name: str) -> None:
        """Nobody uses it any more, because it is gone."""
        self.end(name)
        (self._folder / f"{name}.use").unlink(missing_ok=True)

    def known(self) -> set[str]:
        """Services that somebody may be using: a cheap first look, without asking the engine."""
        return {path.stem for path in self._folder.glob("*.use")}


def _opened(path: Path) -> int:
    made(path.parent)
    with writable(path.parent):
        return os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _got(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def docker_might_run(state: Path, service: str) -> bool:
    """Whether a service of this home may run in Docker: a look at a file, not at the engine."""
    return service in Uses(state / "docker").known()
