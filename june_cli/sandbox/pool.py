"""A pool of warm workers: hand in samples and take out verdicts as they come, whatever a sample did."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.errors import JuneError
from june_cli.sandbox.verdict import Reason, Request, Verdict
from june_cli.sandbox.wire import MIB, Ended, TooLong, frame, read_frame

if TYPE_CHECKING:
    from june_cli.engine import Engine
    from june_cli.engine.attached import Attached
    from june_cli.spec import Worker

VERDICT_BYTES = MIB
START_S, JUDGING_S = 30.0, 20.0  # a first verdict may wait for imports; a judge may work on an answer
OUT_OF_MEMORY = "memory"


@dataclass(frozen=True)
class Pool:
    """`size` workers of one kind. `every`: after so many samples a worker is replaced by a fresh one."""

    engine: Engine
    worker: Worker
    size: int
    every: int = 500

    def grade(self, requests: Iterable[Request]) -> Generator[Verdict]:
        """Verdicts in the order in which they are reached. JuneError when workers cannot be started.

        Requests are taken as workers become free, so they may come from something slow. Closing the
        iterator ends everything.
        """
        run = _Run(self, iter(requests))
        try:
            yield from run.verdicts()
        finally:
            run.stop()


class _Run:
    """One use of a pool: a thread a worker."""

    def __init__(self, pool: Pool, requests: Iterator[Request]) -> None:
        self._pool, self._requests = pool, requests
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._done: queue.Queue[Verdict | BaseException | None] = queue.Queue()
        self._attached: dict[int, Attached] = {}
        self._threads = [
            threading.Thread(target=self._work, args=(number,), name=f"sandbox-{number}", daemon=True)
            for number in range(pool.size)
        ]

    def verdicts(self) -> Iterator[Verdict]:
        for thread in self._threads:
            thread.start()
        working = len(self._threads)
        while working:
            match self._done.get():
                case None:
                    working -= 1
                case BaseException() as error:
                    raise error
                case verdict:
                    yield verdict

    def stop(self) -> None:
        """End the workers, busy or not, and wait until nothing is left of them."""
        self._stopped.set()
        with self._lock:
            for one in self._attached.values():
                one.cut()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self, number: int) -> None:
        try:
            request = self._next()
            while request is not None:
                request = self._with_one_worker(number, request)
        except BaseException as error:  # noqa: BLE001 - it is raised where the verdicts are waited for
            if not self._stopped.is_set():
                self._done.put(error)
        finally:
            self._done.put(None)

    def _with_one_worker(self, number: int, request: Request) -> Request | None:
        """Have one worker grade until it has graded enough, or cannot be trusted; returns what is next."""
        with self._worker(number) as worker:
            for _ in range(self._pool.every):
                verdict = _asked(worker, request)
                if verdict is None or verdict.reason == "infrastructure":
                    break
                self._done.put(verdict)
                following = self._next()
                if following is None or not verdict.clean:
                    return following
                request = following
            else:
                return request
        if self._stopped.is_set():
            return None
        self._again(number, request)
        return self._next()

    def _again(self, number: int, request: Request) -> None:
        """A sample whose worker was lost, alone on another: if that is lost too, it was the sample."""
        with self._worker(number) as worker:
            verdict = _asked(worker, request)
            if verdict is not None:
                return self._done.put(verdict)
            why = worker.ending()
        if self._stopped.is_set():
            return None
        reason: Reason = "memory" if OUT_OF_MEMORY in why else "timeout"
        return self._done.put(Verdict(request.id, False, reason, f"it took its worker down: {why}"))

    @contextlib.contextmanager
    def _worker(self, number: int) -> Iterator[Attached]:
        with self._pool.engine.attach(self._pool.worker) as worker:
            with self._lock:
                if self._stopped.is_set():
                    raise JuneError("interrupted", "the sandbox was ended.")
                self._attached[number] = worker
            try:
                yield worker
            finally:
                with self._lock:
                    self._attached.pop(number, None)

    def _next(self) -> Request | None:
        with self._lock:
            if self._stopped.is_set():
                return None
            return next(self._requests, None)


def _asked(worker: Attached, request: Request) -> Verdict | None:
    """A worker's verdict; None when the worker is lost, or says what it was not asked."""
    worker.patience(START_S + 2 * request.timeout_s + JUDGING_S)
    try:
        worker.write(frame(request.encoded()))
        verdict = Verdict.decoded(read_frame(worker.read, VERDICT_BYTES))
    except (OSError, Ended, TooLong, ValueError, TypeError):
        return None
    return verdict if verdict.id == request.id else None
