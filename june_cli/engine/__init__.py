"""From a spec to a running thing. The engines share this contract and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from june_cli.errors import MachineLacks, UsageProblem
from june_cli.spec import Job, Service

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

# What every workload is told, in whichever engine: no hub, and no library's report to its vendor.
# onnxruntime 1.29 and later uploads usage events from the moment of its import unless the variable is set.
PRIVATE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONUNBUFFERED": "1",
}
State = Literal["starting", "ready", "degraded", "failed", "stopped"]


@dataclass(frozen=True)
class Running:
    """A service that an engine runs: where it listens on this host, and what identifies it."""

    service: str
    engine: str
    id: str
    ports: Mapping[str, int]
    spec_hash: str
    model: str
    kept: bool
    started_at: float
    log: Path | None = None

    def address(self, port: str) -> str:
        """`127.0.0.1:PORT` of one of its ports."""
        return f"127.0.0.1:{self.ports[port]}"


@dataclass(frozen=True)
class Status:
    """What is known of a service right now."""

    service: str
    state: State
    reason: str = ""
    running: Running | None = None
    memory_bytes: int = 0


class Engine(Protocol):
    """Where services run."""

    name: str

    def launch(self, service: Service, *, keep: bool) -> Running:
        """Start a service, or join the one already running from the same spec. It may not be ready yet."""

    def release(self, name: str) -> None:
        """This june needs the service no longer: it stops unless it is kept or somebody else uses it."""

    def stop(self, name: str) -> bool:
        """Stop a service whoever uses it; False when it did not run."""

    def find(self, name: str) -> Running | None:
        """The running service of that name, if there is one."""

    def names(self) -> list[str]:
        """Every service this engine knows to run."""

    def alive(self, running: Running) -> str:
        """Why it has ended; empty while it lives."""

    def effort(self, running: Running) -> float:
        """A number that grows while the service works on anything: processor time and log bytes."""

    def memory_bytes(self, running: Running) -> int:
        """Resident memory."""

    def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of its log, also after it ended."""

    def run_job(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> Any:
        """Run a job to its end and return its one result."""

    def describe(self, service: Service) -> str:
        """The command line that would start it: what `--dry-run` prints."""


def of(invocation: Invocation) -> Engine:
    """The engine of this run: flag, JUNE_ENGINE or configuration, else the profile's own."""
    name = invocation.roles.engine
    if name == "process":
        from june_cli.engine.process import ProcessEngine

        return ProcessEngine(invocation.paths.state / "services")
    if name == "docker":
        raise MachineLacks(
            "engine-unavailable",
            "this version of June cannot run services in Docker yet.",
            hint="--engine process runs them as processes of this environment",
        )
    raise UsageProblem("engine-unknown", f"there is no engine {name!r}.", hint="known: process, docker")
