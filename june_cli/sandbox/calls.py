"""Calls into a sample, for the tests that need its answers; and everything that may come instead of one."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from june_cli.sandbox import plain
from june_cli.sandbox.sample import READY
from june_cli.sandbox.verdict import Reason
from june_cli.sandbox.wire import REPLY_BYTES, Ended, Late, Link, TooLong

REFUSED = (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENETUNREACH)


class Fault(Exception):
    """The end of a sample, decided."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Unwalled(Exception):
    """A sample's walls did not stand, so none of it ran: the sandbox failed, and not the sample."""


class Raised(Exception):
    """An exception of the sample's that Python does not come with."""


@dataclass
class Calls:
    """Calls into a sample. `failed`: what the last of them raised; `broken`: the sample is gone."""

    link: Link
    count: int = 0
    failed: BaseException | None = None
    fault: Fault | None = None
    broken: bool = False

    def load(self, source: str) -> None:
        """Have it load its source. Unwalled when it never came to that."""
        try:
            ready = self.link.receive(REPLY_BYTES) == READY
        except (Ended, Late, TooLong):
            ready = False
        if not ready:
            raise Unwalled
        try:
            self._talk(source.encode("utf-8", "surrogatepass"))
        except Exception as error:
            if isinstance(error, Fault) or self.failed is not error:
                raise
            if isinstance(error, SyntaxError) or "null byte" in str(error):
                raise Fault("syntax", str(error)) from None
            raise Fault("exception", f"{type(error).__name__}: {error}") from None

    def proxy(self, name: str) -> Callable[..., Any]:
        """Stands for a function of the sample's."""

        def candidate(*arguments: Any, **named: Any) -> Any:
            return self._call(name, list(arguments), named)

        candidate.__name__ = name
        return candidate

    def all(self, name: str, cases: Sequence[str]) -> Iterator[bytes]:
        """What a function answers to many cases, packed, in their order and as the answers come."""
        number = secrets.token_hex(8)
        head = plain.pack([number, name])[:-1]
        self._send(f"{head}, [{', '.join(cases)}], null]".encode())
        while self.count < len(cases):
            lengths, content = self._received_with(number)
            if not _are_lengths(lengths, len(cases) - self.count, len(content)):
                raise self._faulty("forbidden", "it answered what it was not asked")
            place = 0
            for length in lengths:
                self.count += 1
                yield content[place : place + length]
                place += length

    def inside(self, asserts: tuple[str, ...]) -> None:
        """Run tests where the sample is."""
        self._call("", list(asserts), {})

    def _call(self, name: str, arguments: list[Any], named: Mapping[str, Any]) -> Any:
        if self.fault:
            raise self.fault  # a test that catches exceptions does not catch the end
        self.count += 1
        number = secrets.token_hex(8)
        return self._talk(plain.pack([number, name, arguments, dict(named)]).encode(), number)

    def _talk(self, content: bytes, number: str = "") -> Any:
        self._send(content)
        return self._received(number)

    def _send(self, content: bytes) -> None:
        with self._explained():
            self.link.send(content)

    def _received(self, number: str) -> Any:
        return self._received_with(number)[0]

    def _received_with(self, number: str) -> tuple[Any, bytes]:
        """An answer; and what comes behind it, where it only says how long that is."""
        with self._explained():
            head, _, content = self.link.receive(REPLY_BYTES).partition(b"\n")
            reply = plain.unpack(head)
        match reply:
            case ["ok" | "some", said, value] if said == number:
                return value, content
            case ["raised", said, str(kind), str(text), int(code)] if said == number:
                raise self._raised(kind, text, code)
            case ["large", said, _] if said == number:
                raise self._faulty("memory", "an answer that is too long")
        raise self._faulty("forbidden", "it answered what it was not asked")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Why nothing came, or nothing that can be read."""
        try:
            yield
        except Late:
            raise self._faulty("timeout", "it did not answer in time") from None
        except TooLong as error:
            raise self._faulty("memory", f"an answer that is too long: {error}") from None
        except (Ended, plain.Unpackable) as error:
            self.broken = True
            raise self._faulty("exception", f"it ended, or spoke out of turn ({error})") from None

    def _faulty(self, reason: Reason, detail: str) -> Fault:
        self.fault = Fault(reason, detail)
        return self.fault

    def _raised(self, kind: str, text: str, code: int) -> BaseException:
        if kind == "MemoryError":
            return self._faulty("memory", text or "MemoryError")
        if code in REFUSED:
            return self._faulty("forbidden", f"{kind}: {text}")
        if kind in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
            return self._faulty("exception", f"{kind}: {text}")
        import builtins

        known = getattr(builtins, kind, None)
        usual = isinstance(known, type) and issubclass(known, Exception)
        try:
            self.failed = known(text) if usual else Raised(f"{kind}: {text}")  # type: ignore[misc]
        except TypeError:  # one that is made otherwise, of Unicode for one
            self.failed = Raised(f"{kind}: {text}")
        return self.failed


def _are_lengths(lengths: Any, most: int, total: int) -> bool:
    """Whether they are of some answers, and of all that came."""
    if not isinstance(lengths, list) or not 0 < len(lengths) <= most:
        return False
    return all(type(one) is int and one >= 0 for one in lengths) and sum(lengths) == total
