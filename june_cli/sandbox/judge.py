"""Runs the tests, in a process that never runs what it judges. Samples answer it by plain data."""

from __future__ import annotations

import errno
import json
import math
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from june_cli.sandbox import comparing, plain
from june_cli.sandbox.verdict import Reason, Request, Tests, Verdict
from june_cli.sandbox.wire import REPLY_BYTES, REQUEST_BYTES, Ended, Late, Link, TooLong, frame, read_frame

CLOCK_FOR_CPU = 2.0  # seconds of the clock for one of the processor: other programs run as well
REFUSED = (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENETUNREACH)
WORDS = 300
KEPT = 4  # tasks whose reference answers are kept: samples of one come together
SLOWER = 4.0  # than the reference a solution may be, where that is more than its time


class Fault(Exception):
    """The end of a sample, decided."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


class Raised(Exception):
    """An exception of the sample's that Python does not come with."""


@dataclass(frozen=True)
class Reference:
    """What a task's reference answers to all its cases, and how long it took for them."""

    answers: tuple[Any, ...]
    seconds: float


@dataclass
class Judge:
    """One worker's judge. `spawner`: the socket to whoever starts samples."""

    spawner: socket.socket
    references: dict[str, Reference] = field(default_factory=dict)

    def serve(self, requests: int, verdicts: int) -> None:
        """Answer every request of one descriptor on the other, until it ends."""
        while True:
            try:
                content = read_frame(lambda count: os.read(requests, count), REQUEST_BYTES)
            except Ended:
                return
            answer = frame(self.judged(Request.decoded(content)).encoded())
            while answer:
                answer = answer[os.write(verdicts, answer) :]

    def judged(self, request: Request) -> Verdict:
        """Run one sample and say how it did."""
        allowed_s = request.timeout_s
        if request.tests.cases:
            allowed_s = max(allowed_s, SLOWER * self._reference(request.tests).seconds)
        began = time.monotonic()
        link = self._start(allowed_s)
        try:
            calls = Calls(link)
            link.until = began + allowed_s * CLOCK_FOR_CPU
            reason, detail = self._outcome(request, calls)
        finally:
            ended = self._end()
            link.close()
        if reason in ("exception", "wrong answer") and calls.broken:
            reason, detail = _how_it_ended(ended, allowed_s, detail)
        return Verdict(
            request.id,
            reason == "passed",
            reason,
            detail[:WORDS],
            time.monotonic() - began,
            ended["cpu_s"],
            ended["peak_bytes"],
            calls.count,
            ended["clean"],
            reason == "passed" or calls.count > request.tests.base > 0,
        )

    def _start(self, allowed_s: float) -> Link:
        ours, theirs = socket.socketpair()
        allowed = json.dumps({"cpu_s": math.ceil(allowed_s)}).encode()
        socket.send_fds(self.spawner, [allowed], [theirs.fileno()])
        theirs.close()
        if not self.spawner.recv(1 << 16):
            raise Ended
        return Link(ours)

    def _end(self) -> dict[str, Any]:
        self.spawner.send(b"end")
        answer = self.spawner.recv(1 << 16)
        if not answer:
            raise Ended
        ended: dict[str, Any] = json.loads(answer)
        return ended

    def _outcome(self, request: Request, calls: Calls) -> tuple[Reason, str]:
        try:
            calls.load(request.source)
            self._test(request.tests, calls)
        except Fault as fault:
            return fault.reason, fault.detail
        except AssertionError as error:
            if calls.failed is error:
                return "exception", f"AssertionError: {error}"
            return "wrong answer", str(error)
        except Exception as error:  # noqa: BLE001 - whatever a test stumbles over, it did not pass
            told = f"{type(error).__name__}: {error}"
            return ("exception" if calls.failed is error else "wrong answer"), told
        if calls.fault:
            return calls.fault.reason, calls.fault.detail
        return "passed", ""

    def _test(self, tests: Tests, calls: Calls) -> None:
        if tests.inside:
            return calls.inside(tests.asserts)
        if tests.cases:
            return self._compare(tests, calls)
        space: dict[str, Any] = {}
        if tests.setup:
            exec(_compiled(tests.setup), space)  # noqa: S102 - the benchmark's own
        space.update({name: calls.proxy(name) for name in tests.names})
        for text in tests.asserts:
            exec(_compiled(text), space)  # noqa: S102
        return None

    def _compare(self, tests: Tests, calls: Calls) -> None:
        """Every case against what the reference answers."""
        wanted = self._reference(tests).answers
        for number, answer in enumerate(calls.all(tests.names[0], tests.cases)):
            arguments = plain.unpack(tests.cases[number]) if tests.oracle else []
            if not comparing.same(answer, wanted[number], arguments, tests.oracle, tests.atol):
                raise AssertionError(f"case {number}: {tests.cases[number][:100]}")

    def _reference(self, tests: Tests) -> Reference:
        """Worked out once for a task. It is the benchmark's own, and trusted."""
        known = self.references.get(tests.reference)
        if known is None:
            space: dict[str, Any] = {}
            exec(_compiled(tests.reference), space)  # noqa: S102
            began = time.process_time()
            answers = tuple(space[tests.names[0]](*plain.unpack(case)) for case in tests.cases)
            known = Reference(answers, time.process_time() - began)
            while len(self.references) >= KEPT:  # answers may be large
                del self.references[next(iter(self.references))]
            self.references[tests.reference] = known
        return known


@dataclass
class Calls:
    """Calls into a sample. `failed`: what the last of them raised; `broken`: the sample is gone."""

    link: Link
    count: int = 0
    failed: BaseException | None = None
    fault: Fault | None = None
    broken: bool = False

    def load(self, source: str) -> None:
        """Have it load its source."""
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

    def all(self, name: str, cases: Sequence[str]) -> Iterator[Any]:
        """What a function answers to many cases, in their order, as the answers come."""
        number = secrets.token_hex(8)
        head = plain.pack([number, name])[:-1]
        self._send(f"{head}, [{', '.join(cases)}], null]".encode())
        while self.count < len(cases):
            answers = self._received(number)
            if not isinstance(answers, list) or not 0 < len(answers) <= len(cases) - self.count:
                raise self._faulty("forbidden", "it answered what it was not asked")
            for answer in answers:
                self.count += 1
                yield answer

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
        with self._explained():
            reply = plain.unpack(self.link.receive(REPLY_BYTES))
        match reply:
            case ["ok" | "some", said, value] if said == number:
                return value
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


def _how_it_ended(ended: Mapping[str, Any], allowed_s: float, detail: str) -> tuple[Reason, str]:
    """Why it is gone: by whom, or by itself."""
    number = ended["signal"]
    if number == signal.SIGXCPU or ended["cpu_s"] >= math.ceil(allowed_s):
        return "timeout", "it used up its time of the processor"
    if number == signal.SIGKILL:  # by the spawner, after it had closed its end
        return "exception", detail
    if number:
        return "exception", f"it was ended by {signal.Signals(number).name}"
    return "exception", f"it ended by itself with code {ended['code']}"


def _compiled(text: str) -> Any:
    return compile(text, "<test>", "exec")
