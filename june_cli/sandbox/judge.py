"""Runs the tests, in a process that never runs what it judges. Samples answer it by plain data."""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from june_cli.sandbox import comparing, plain
from june_cli.sandbox.calls import Calls, Fault, Unwalled
from june_cli.sandbox.verdict import Reason, Request, Tests, Verdict
from june_cli.sandbox.wire import REQUEST_BYTES, Ended, Link, frame, read_frame

CLOCK_FOR_CPU = 2.0  # seconds of the clock for one of the processor: other programs run as well
WORDS = 300
SLOWER = 4.0  # than the reference a solution may be, where that is more than its time


@dataclass(frozen=True)
class Reference:
    """What a task's reference answers, as digests, and how long it took. Answers may be too large to keep."""

    digests: tuple[str, ...]
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
        tests, reference_s = request.tests, request.tests.reference_s
        learned: tuple[str, ...] = ()
        if tests.cases and not tests.known:
            reference = self._reference(tests)
            learned, reference_s = reference.digests, reference.seconds
        allowed_s = max(request.timeout_s, SLOWER * reference_s)
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
            id=request.id,
            passed=reason == "passed",
            reason=reason,
            detail=detail[:WORDS],
            seconds=time.monotonic() - began,
            cpu_s=ended["cpu_s"],
            peak_bytes=ended["peak_bytes"],
            calls=calls.count,
            clean=ended["clean"],
            base_passed=reason == "passed" or calls.count > tests.base > 0,
            learned=learned,
            reference_s=reference_s,
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
        except Unwalled:
            return "infrastructure", "the sandbox could not be put up around the sample"
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
        """Every case against what the reference answers; where digests differ, it is asked itself."""
        known = tests.known or self._reference(tests).digests
        reference = _function(tests)
        for number, packed in enumerate(calls.all(tests.names[0], tests.cases)):
            if known[number] and known[number] == plain.digest(packed):
                continue
            case = tests.cases[number]
            if packed.startswith(plain.TOO_LONG):
                raise AssertionError(f"case {number}: {case[:100]}")
            wanted = None if tests.oracle == "root" else reference(*plain.unpack(case))
            if not comparing.same(plain.unpack(packed), wanted, plain.unpack(case), tests.oracle, tests.atol):
                raise AssertionError(f"case {number}: {case[:100]}")

    def _reference(self, tests: Tests) -> Reference:
        """Worked out once for a task. It is the benchmark's own, and trusted."""
        known = self.references.get(tests.reference)
        if known is None:
            function = _function(tests)
            digests, seconds = [], 0.0
            for case in tests.cases:
                arguments = plain.unpack(case)
                began = time.process_time()
                answer = function(*arguments)
                seconds += time.process_time() - began
                digests.append(_digest_of(answer))
            known = self.references[tests.reference] = Reference(tuple(digests), seconds)
        return known


def _function(tests: Tests) -> Callable[..., Any]:
    """The reference's function, made anew: what it keeps between calls is its own affair."""
    space: dict[str, Any] = {}
    exec(_compiled(tests.reference), space)  # noqa: S102
    function: Callable[..., Any] = space[tests.names[0]]
    return function


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


def _digest_of(answer: Any) -> str:
    try:
        return plain.digest(plain.pack(answer).encode())
    except RecursionError:
        return ""


@lru_cache(maxsize=2000)
def _compiled(text: str) -> Any:
    return compile(text, "<test>", "exec")
