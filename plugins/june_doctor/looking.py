"""The real machine behind `june_cli.checks.Host`: everything is asked once, and nobody waits for ever."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from june_cli import engine
from june_cli.checks import Host, Needs
from june_cli.engine import daemon, run
from june_cli.engine.run import Finished
from june_cli.errors import JuneError, MachineLacks

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

T = TypeVar("T")
DOCKER_S = 2 * daemon.ANSWER_S  # one answer to find it there, one to hear what it is
LATE_S = 2.0  # how much longer than its limit a program may take to be ended


@contextmanager
def looking(june: Invocation) -> Iterator[Host]:
    """This machine, for the length of the block; programs that still run at its end are ended."""
    from june_doctor.listening import listeners

    needs = needs_of(june)
    tools = Tools(june.environ)
    docker = Once(partial(daemon.info, june.environ), DOCKER_S, _silent(june.environ))
    ports = {port.number for service in needs.services.values() for port in service.ports}
    try:
        yield Host(
            environ=june.environ,
            paths=june.paths,
            needs=needs,
            tool=tools,
            docker=docker,
            listeners=partial(listeners, ports, june.paths.state, june.environ, docker),
            free_bytes=_free_bytes,
            now=time.time,
        )
    finally:
        tools.end()


def needs_of(june: Invocation) -> Needs:
    """What the profile asks for. A role that cannot be served is among the problems, and stops nothing."""
    roles = june.roles
    name = roles.engine_asked or roles.engine
    if name not in engine.NAMES:
        engine.named(name, june)  # its error names the nearest
    services, models, folders, problems = {}, [], [], {}
    for role in roles.roles:
        try:
            model = roles.model(role)
            roles.refuse_large_on_cpu(role)
            services[role] = roles.service(role, name)
        except JuneError as error:
            problems[role] = error
            continue
        if model:
            models.append(model)
        else:
            folders.append(roles.own_folder(role))
    words = [f"--{key} {value}" for key in ("profile", "engine") if (value := getattr(june.words, key))]
    return Needs(
        profile=roles.profile,
        engine=name,
        services=services,
        models=tuple(models),
        folders=tuple(folders),
        cuda={role: _quantization(june, role) for role, one in roles.roles.items() if one.device == "cuda"},
        problems=problems,
        june=" ".join(["june", *words]),
    )


def _quantization(june: Invocation, role: str) -> str:
    try:
        model = june.roles.model(role)
    except JuneError:
        model = None
    return june.roles.roles[role].quant or (model.quant if model else "")


class Once(Generic[T]):
    """Asks once, however many threads want to know. `late` is raised when no answer comes in time."""

    def __init__(self, ask: Callable[[], T], limit_s: float, late: JuneError) -> None:
        self._ask, self._limit_s, self._late = ask, limit_s, late
        self._lock = Lock()
        self._answer: Future[T] | None = None

    def __call__(self) -> T:
        """The answer, or the error it was."""
        with self._lock:
            if self._answer is None:
                self._answer = Future()
                Thread(target=self._find_out, args=(self._answer,), daemon=True).start()
        try:
            return self._answer.result(self._limit_s)
        except TimeoutError:
            raise self._late from None

    def _find_out(self, answer: Future[T]) -> None:
        try:
            answer.set_result(self._ask())
        except BaseException as error:  # noqa: BLE001 - whoever asks gets it
            answer.set_exception(error)


class Tools:
    """Runs programs, the same one only once. After `end` none runs any more."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {**environ, "LC_ALL": "C"}  # what they say is compared with English
        self._asked: dict[tuple[str, ...], Once[Finished]] = {}
        self._lock = Lock()
        self._ended = Event()
        self._running = 0

    def __call__(self, command: Sequence[str], limit_s: float) -> Finished:
        """How it ended. JuneError `timeout` also when the kernel would not let it end."""
        words = tuple(command)
        late = JuneError("timeout", f"{words[0]!r} took longer than {limit_s:.0f} s.")
        with self._lock:
            once = self._asked.setdefault(
                words, Once(partial(self._run, words, limit_s), limit_s + LATE_S, late)
            )
        return once()

    def end(self) -> None:
        """End what still runs. A program that the kernel holds is not waited for longer than a moment."""
        self._ended.set()
        deadline = time.monotonic() + LATE_S
        while self._running and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run(self, words: tuple[str, ...], limit_s: float) -> Finished:
        with self._lock:
            self._running += 1
        try:
            self._require_wanted()
            return run.run(words, timeout_s=limit_s, env=self._environ, on_tick=self._require_wanted)
        except OSError as error:
            raise MachineLacks("program-missing", f"{words[0]!r} cannot be run: {error.strerror}.") from error
        finally:
            with self._lock:
                self._running -= 1

    def _require_wanted(self) -> None:
        if self._ended.is_set():
            raise JuneError("interrupted", "nobody waits for the answer any more.")


def _silent(environ: Mapping[str, str]) -> MachineLacks:
    return MachineLacks(
        "docker-silent", f"the Docker Engine at {daemon.where(environ)} does not answer in time."
    )


def _free_bytes(path: Path) -> int | None:
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None
