"""Logs of services that run as processes: appended to, kept over starts, never without bound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from june_cli.paths import made, writable

KEPT = 3


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A fresh log to append to; the logs of the last starts move to `.1`, `.2`, `.3`."""
    made(path.parent)
    with writable(path.parent):
        rotate(path)
        sink = path.open("ab")
    with sink:
        yield sink


def rotate(path: Path) -> None:
    """Move NAME.log to NAME.log.1 and so on, dropping the oldest."""
    for number in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        with suppress(FileNotFoundError):
            newer.replace(older)


def tail(path: Path, lines: int, window: int = 256 * 1024) -> list[str]:
    """The last lines of a log, reading at most `window` bytes of it."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - window))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
