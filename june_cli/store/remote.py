"""What the writer of the store asks of a source: which files there are, and their bytes from any offset."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from june_cli.errors import JuneError


@dataclass(frozen=True)
class Remote:
    """One file as a source describes it. What it does not tell is empty, or -1 for the size.

    `git_sha1` is the object name that git gives to the content: repositories tell it of small files.
    """

    name: str
    bytes: int = -1
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True)
class Listing:
    """All files that are wanted, and the revision they belong to: empty where the source has none."""

    revision: str
    files: tuple[Remote, ...]


@dataclass(frozen=True)
class Stream:
    """Bytes of a file from `start` on: zero where the source ignored the offset that was asked for."""

    start: int
    total: int  # of the whole file; -1 where the source does not say
    pieces: Iterator[bytes]


class Interrupted(Exception):
    """The connection broke or the server was busy: worth another try, after `wait_s` if it said so."""

    def __init__(self, why: str, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Reader(Protocol):
    """A source. Its methods raise JuneError for what no second try would change, else Interrupted."""

    label: str

    def listing(self) -> Listing:
        """Which files it has."""

    def open(self, file: Remote, start: int, end: int = -1) -> AbstractContextManager[Stream]:
        """Bytes of one of them from `start` up to `end`, which is not included; -1: to its end."""

    def close(self) -> None:
        """Let go of connections."""


def safe(name: str) -> str:
    """The name itself, if a file of that name stays inside its folder. JuneError otherwise."""
    path = PurePosixPath(name)
    plain = re.fullmatch(r"[^\x00-\x1f\\:]{1,200}", name) is not None
    if not plain or path.is_absolute() or ".." in path.parts or str(path) != name or name.startswith("."):
        raise JuneError(
            "model-untrusted",
            f"the source lists a file named {name[:100]!r}, which would leave its folder.",
            hint="nothing was kept",
        )
    return name
