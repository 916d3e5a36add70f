"""Frames on a stream: four bytes of length, and then so many bytes. Bounded both ways, and on time."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

HEAD = struct.Struct(">I")
MIB = 1024 * 1024
REQUEST_BYTES = 64 * MIB  # a sample of 10 MB and its tests
REPLY_BYTES = 16 * MIB  # what a sample may answer at once


class Ended(Exception):
    """The other side is gone."""


class Late(Exception):
    """Nothing came in time."""


class TooLong(Exception):
    """More than is read."""


def frame(content: bytes) -> bytes:
    """What to write for it."""
    return HEAD.pack(len(content)) + content


def read_frame(read: Callable[[int], bytes], most: int) -> bytes:
    """The next frame of a stream whose `read` returns at most so many bytes, and none at its end."""
    (length,) = HEAD.unpack(_exactly(read, HEAD.size))
    if length > most:
        raise TooLong(f"{length} bytes where {most} are the most")
    return _exactly(read, length)


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    pieces, missing = [], count
    while missing:
        piece = read(min(missing, MIB))
        if not piece:
            raise Ended
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Link:
    """One side of the socket between judge and sample. `until`: when waiting ends, by the monotonic clock."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.until: float | None = None

    def send(self, content: bytes) -> None:
        """Ended or Late when it cannot be."""
        self._patience()
        try:
            self._socket.sendall(frame(content))
        except TimeoutError:
            raise Late from None
        except OSError:
            raise Ended from None

    def receive(self, most: int) -> bytes:
        """Ended, Late, or TooLong."""
        return read_frame(self._read, most)

    def close(self) -> None:
        """Nothing more is said."""
        self._socket.close()

    def _read(self, count: int) -> bytes:
        self._patience()
        try:
            return self._socket.recv(count)
        except TimeoutError:
            raise Late from None
        except OSError:
            raise Ended from None

    def _patience(self) -> None:
        if self.until is None:
            return
        left = self.until - time.monotonic()
        if left <= 0:
            raise Late
        self._socket.settimeout(left)
