"""Logs of services that run as processes: appended to, kept over starts, never without bound."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from june_cli.paths import made, writable

KEPT = 3
FOLLOW_S = 0.2


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


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Whole lines out of a stream that comes in pieces."""
    buffer = b""
    for piece in pieces:
        *whole, buffer = (buffer + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if buffer:
        yield buffer.decode("utf-8", "replace")


def follow(path: Path, alive: Callable[[], bool], every_s: float = FOLLOW_S) -> Iterator[str]:
    """Every line appended from now on, while somebody may append; a log begun anew is read from its start."""

    def pieces() -> Iterator[bytes]:
        position, file_number = (path.stat().st_size, path.stat().st_ino) if path.exists() else (0, 0)
        while True:
            living = alive()
            try:
                with path.open("rb") as file:
                    seen = os.fstat(file.fileno())
                    if seen.st_ino != file_number or seen.st_size < position:
                        position, file_number = 0, seen.st_ino
                    file.seek(position)
                    piece = file.read(1 << 16)
            except FileNotFoundError:
                piece = b""
            position += len(piece)
            yield piece
            if not piece:
                if not living:
                    return
                time.sleep(every_s)

    yield from lines(pieces())


def sentence(line: str) -> str:
    """What a log line says; of one that is a JSON object, its event and why."""
    line = line.strip()
    if not line.startswith("{"):
        return line
    try:
        said = json.loads(line)
        words = [str(said[key]).rstrip(".") for key in ("event", "why") if key in said]
        return ": ".join(words) or line
    except (ValueError, TypeError):
        return line
