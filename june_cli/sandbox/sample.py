"""Inside a sample's own process: load its source, and call what it defines when the judge asks for it.

Whatever runs from the first line of the source on may have changed anything here. Nothing here is relied on.
"""

from __future__ import annotations

import socket
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from june_cli.sandbox import plain
from june_cli.sandbox.wire import REPLY_BYTES, REQUEST_BYTES, Link

NAME = "solution"
READY = b"ready"
TEXT = 300
PIECE_BYTES, MARGIN = 1 << 16, 1024


def serve(connected: socket.socket) -> None:
    """Says that its walls stand. Then the first frame is the source; each after it a call."""
    link = Link(connected)
    link.send(READY)
    module = types.ModuleType(NAME)
    sys.modules[NAME] = module
    space = module.__dict__
    source = link.receive(REQUEST_BYTES)
    try:
        exec(compile(source.decode("utf-8", "surrogatepass"), "<solution>", "exec"), space)  # noqa: S102
    except BaseException as error:  # noqa: BLE001 - all that it raises is its own
        link.send(plain.pack(["raised", "", *_told(error)]).encode())
        return
    finally:
        del source
    link.send(plain.pack(["ok", "", None]).encode())
    while True:
        _answer(link, space)


def _answer(link: Link, space: Mapping[str, Any]) -> None:
    number, name, arguments, named = plain.unpack(link.receive(REQUEST_BYTES))
    try:
        if named is None:
            return _answer_all(link, space[name], number, arguments)
        if name:
            value = space[name](*arguments, **named)
        else:  # tests that can only run here, where what they look at is
            value = None
            for text in arguments:
                exec(compile(text, "<test>", "exec"), space)  # type: ignore[arg-type]  # noqa: S102
        reply = plain.pack(["ok", number, value])
    except BaseException as error:  # noqa: BLE001
        reply = plain.pack(["raised", number, *_told(error)])
    if len(reply) > REPLY_BYTES:
        reply = plain.pack(["large", number, None])
    link.send(reply.encode())
    return None


def _answer_all(link: Link, function: Callable[..., Any], number: str, cases: list[list[Any]]) -> None:
    """Many calls at once. The answers go out in pieces, as they come."""
    pieces: list[bytes] = []
    size = 0
    for case in cases:
        piece = plain.pack(function(*case)).encode()
        if len(piece) > REPLY_BYTES - MARGIN:
            piece = plain.TOO_LONG + plain.digest(piece).encode()
        if pieces and size + len(piece) > PIECE_BYTES:
            _send_some(link, number, pieces)
            pieces, size = [], 0
        pieces.append(piece)
        size += len(piece)
    if pieces:
        _send_some(link, number, pieces)


def _send_some(link: Link, number: str, pieces: list[bytes]) -> None:
    head = plain.pack(["some", number, [len(piece) for piece in pieces]]).encode()
    link.send(b"\n".join([head, b"".join(pieces)]))


def _told(error: BaseException) -> tuple[str, str, int]:
    """An exception's type, its words, and the kernel's number where it has one."""
    try:
        text = str(error)[:TEXT]
    except BaseException:  # noqa: BLE001
        text = ""
    errno = getattr(error, "errno", 0)
    return type(error).__name__, text, errno if type(errno) is int else 0
