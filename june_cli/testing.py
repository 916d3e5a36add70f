"""For tests of plugins: run a command line as people do, with an engine that starts nothing.

Put `pytest_plugins = ["june_cli.testing"]` into a conftest.py: it brings the fixtures `june` and `engine`.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from june_cli.engine import Running
from june_cli.engine.attached import Attached
from june_cli.errors import JuneError
from june_cli.main import run
from june_cli.output import Output
from june_cli.spec import Job, Port, Service, Worker, Workload

NOWHERE = 1  # the port of a protocol nobody serves: what connects there is refused at once


@dataclass(frozen=True)
class Done:
    """How a command line ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Stdout as the one JSON value it must be."""
        return json.loads(self.stdout)


@dataclass
class FakeEngine:
    """An engine that starts nothing and remembers what it was asked.

    `addresses` says on which loopback port each service answers, for tests that bring their own server. Any
    other answers nowhere: another June on the machine may hold the usual ports.
    """

    addresses: dict[str, int] = field(default_factory=dict)
    launched: list[Service] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    endings: dict[str, str] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    job_result: Any = None
    age_s: float = 0.0  # how long what runs has been running
    name: str = "fake"

    def launch(self, service: Service, *, keep: bool) -> Running:
        """Pretend that it runs."""
        self.launched.append(service)
        self.kept |= {service.name} if keep else set()
        return self._running(service)

    def _running(self, service: Service) -> Running:
        ports = {port.name: self._where(service) for port in service.ports}
        return Running(
            service=service.name,
            engine=self.name,
            id=service.name,
            ports=ports,
            spec_hash=service.hash,
            model=service.model,
            kept=service.name in self.kept,
            started_at=time.time() - self.age_s,
        )

    def release(self, name: str) -> None:
        """Remember it."""
        self.released.append(name)

    def stop(self, name: str) -> bool:
        """Remember it; True if it was launched."""
        self.stopped.append(name)
        return name in self.names()

    def find(self, name: str) -> Running | None:
        """The service if it was launched and not stopped."""
        service = next((s for s in reversed(self.launched) if s.name == name), None)
        return self._running(service) if service and name not in self.stopped else None

    def reach(self, service: Service, port: Port, running: Running | None) -> str:
        """On loopback."""
        return running.address(port.name) if running else f"127.0.0.1:{self._where(service)}"

    def _where(self, service: Service) -> int:
        return self.addresses.get(service.name, NOWHERE)

    def names(self) -> list[str]:
        """What was launched and not stopped."""
        return sorted({s.name for s in self.launched} - set(self.stopped))

    def alive(self, running: Running) -> str:
        """What `endings` says of it."""
        return self.endings.get(running.service, "")

    def ended(self, name: str) -> str:
        """What `endings` says of it."""
        return self.endings.get(name, "")

    def holder(self, port: int) -> str:
        """Nobody in particular."""
        del port
        return ""

    def effort(self, running: Running) -> float:
        """Always busy."""
        del running
        return time.monotonic()

    def memory_bytes(self, running: Running) -> int:
        """Nothing."""
        del running
        return 0

    def log_tail(self, name: str, lines: int) -> list[str]:
        """A log of one line."""
        return [f"{name} said nothing"][:lines]

    def run_job(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> Any:
        """The prepared result."""
        del on_event
        self.jobs.append(job)
        return self.job_result

    def attach(self, worker: Worker) -> contextlib.AbstractContextManager[Attached]:
        """A worker that has ended already."""
        raise JuneError("fake-engine", f"{worker.name} cannot be spoken to: nothing runs here.")

    def describe(self, workload: Workload, *, keep: bool) -> str:
        """Its command."""
        del keep
        return " ".join(workload.command)

    def prerequisites(self, workloads: Sequence[Workload]) -> list[str]:
        """None."""
        del workloads
        return []

    def prepare(self, workloads: Sequence[Workload], out: Output) -> None:
        """Nothing is needed."""

    def trouble(self, running: Running) -> str:
        """What `troubles` says of it."""
        return self.troubles.get(running.service, "")

    def log_file(self, name: str) -> Path:
        """Nowhere."""
        return Path("/nonexistent", name)

    def follow(self, name: str) -> Iterator[str]:
        """Nothing more is said."""
        del name
        return iter(())


@dataclass
class June:
    """Runs command lines in a home of its own."""

    home: Path
    engine: FakeEngine
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str) -> Done:
        """Run `june WORDS…` in this process and return what it printed."""
        stdout, stderr = io.StringIO(), io.StringIO()
        environ = {
            "JUNE_HOME": str(self.home),
            "HOME": str(self.home),
            "PATH": "/usr/bin:/bin",
            **self.environ,
        }
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):  # help is printed there
            code = run(list(words), environ, Output(stdout=stdout, stderr=stderr), self.engine)
        return Done(code, stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def engine() -> FakeEngine:
    """The engine that `june` uses."""
    return FakeEngine()


@pytest.fixture
def june(tmp_path: Path, engine: FakeEngine) -> June:
    """Run command lines: `june("stt", "--help").stdout`."""
    return June(tmp_path / "june-home", engine)
