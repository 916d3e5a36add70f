"""Short stretches in which a signal has to wait."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP for the length of the block; what came is delivered at its end.

    For the moments in which a process exists that nothing has written down yet, and in which
    services are let go.
    """
    held: list[int] = []
    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):  # not the main thread: signals do not interrupt it anyway
        for signum in ENDING:
            before[signum] = signal.signal(signum, lambda number, _: held.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in held[:1]:
            signal.raise_signal(number)
