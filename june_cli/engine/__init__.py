"""From a spec to a running thing. The engines share this contract and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from june_cli import nearest
from june_cli.errors import JuneError, UsageProblem
from june_cli.spec import Job, Port, Service, Worker, Workload

if TYPE_CHECKING:
    from june_cli.engine.attached import Attached
    from june_cli.invocation import Invocation
    from june_cli.output import Output

# What every workload is told, in whichever engine: no hub, and no library's report to its vendor.
# onnxruntime 1.29 and later uploads usage events from the moment of its import unless the variable is set.
PRIVATE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}
# And what else. numpy's OpenBLAS starts a thread a core to be idle, which took a tenth of a second of two
# cores from every start: what multiplies here are the runtimes of the models, with threads of their own.
TOLD = {**PRIVATE, "PYTHONUNBUFFERED": "1", "OPENBLAS_NUM_THREADS": "1"}
State = Literal["starting", "ready", "degraded", "failed", "stopped"]


@dataclass(frozen=True)
class Running:
    """A service that an engine runs: where it listens on this host, and what identifies it.

    `replaced`: the launch that returned this ended one that ran from another spec, or edited by hand.
    """

    service: str
    engine: str
    id: str
    ports: Mapping[str, int]
    spec_hash: str
    model: str
    kept: bool
    started_at: float
    log: Path | None = None
    image: str = ""
    replaced: bool = False

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

    def prepare(self, workloads: Sequence[Workload], out: Output) -> None:
        """Have all that they need to start, images for example; nothing runs yet."""

    def launch(self, service: Service, *, keep: bool) -> Running:
        """Start a service, or join the one already running from the same spec. It may not be ready yet."""

    def release(self, name: str) -> None:
        """This june needs the service no longer: it stops unless it is kept or somebody else uses it."""

    def stop(self, name: str) -> bool:
        """Stop a service whoever uses it; False when it did not run."""

    def find(self, name: str) -> Running | None:
        """The running service of that name, if there is one."""

    def reach(self, service: Service, port: Port, running: Running | None) -> str:
        """`host:port` where other services of this engine reach one, or would if it ran."""

    def names(self) -> list[str]:
        """Every service this engine knows to run."""

    def alive(self, running: Running) -> str:
        """Why it has ended; empty while it lives."""

    def ended(self, name: str) -> str:
        """Why a service that was to stay does not run any more; empty when it runs or was stopped."""

    def trouble(self, running: Running) -> str:
        """What is wrong with a service that runs, a lost GPU for one; empty when nothing is known to be."""

    def holder(self, port: int) -> str:
        """Who listens on a port of this host, in a few words; empty when that cannot be known."""

    def effort(self, running: Running) -> float:
        """A number that grows while the service works on anything: processor time and log bytes."""

    def memory_bytes(self, running: Running) -> int:
        """Resident memory."""

    def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of its log, also after it ended."""

    def log_file(self, name: str) -> Path:
        """Where its log is once it has ended."""

    def follow(self, name: str) -> Iterator[str]:
        """Every line it writes from now on, until it ends or the iterator is closed."""

    def run_job(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> Any:
        """Run a job to its end and return its one result."""

    def attach(self, worker: Worker) -> AbstractContextManager[Attached]:
        """Start a worker of its own, and speak to it; it is gone afterwards."""

    def describe(self, workload: Workload, *, keep: bool) -> str:
        """The command line that would start it: what `--dry-run` prints."""

    def prerequisites(self, workloads: Sequence[Workload]) -> list[str]:
        """The command lines that have to come before those."""


NAMES = ("process", "docker")


def named(name: str, invocation: Invocation) -> Engine:
    """One engine by name."""
    if name == "process":
        from june_cli.engine.process import ProcessEngine

        return ProcessEngine(invocation.paths.state / "services")
    if name == "docker":
        from june_cli.engine import docker

        return docker.of(invocation)
    hint = nearest.hint(name, NAMES) or f"known: {', '.join(NAMES)}"
    raise UsageProblem("engine-unknown", f"there is no engine {name!r}.", hint=hint)


def that_logged(invocation: Invocation, role: str) -> Engine:
    """The engine whose service of a role spoke last: that runs it, or has the younger log of it."""
    engine = invocation.engine_of(role)
    if invocation.roles.engine_asked or engine.find(role):
        return engine
    engines = [invocation.engine_named(name) for name in NAMES]
    written = [(e.log_file(role).stat().st_mtime, e) for e in engines if e.log_file(role).exists()]
    return max(written, key=lambda entry: entry[0])[1] if written else engine


def chosen(invocation: Invocation, role: str) -> Engine:
    """The engine of one role: what was asked for, else the one that runs it, else the profile's.

    Asked for by flag, JUNE_ENGINE or configuration. One that was to keep a service running, and where it has
    ended, still is its engine.

    Services of a profile that is for GPUs run in Docker, always. Looking for the other engine costs nothing
    where it never ran anything, and a Docker Engine that does not answer runs nothing.
    """
    asked = invocation.roles.engine_asked
    own = invocation.engine_named(asked or invocation.roles.engine)
    if asked or own.name == "docker":
        return own
    from june_cli.engine.locks import docker_might_run

    if own.find(role) is None and docker_might_run(invocation.paths.state, role):
        docker = invocation.engine_named("docker")
        try:
            if docker.find(role) or docker.ended(role):
                return docker
        except JuneError as error:
            invocation.out.remark(f"What was left running in Docker is out of reach: {error.message}")
    return own
