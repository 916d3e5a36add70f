"""The `docker` engine: services as hardened containers on loopback ports. Docker's own state is all there is.

What a container is follows from its labels; who uses it, from locks of the kernel; whether it is to stay,
from its restart policy, so that what was asked to stay also comes back after a reboot.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.assistant.ports import free_port
from june_cli.engine import Running, attached, docker_jobs, inspection, logs, usage
from june_cli.engine import ports as listening
from june_cli.engine.building import Builder
from june_cli.engine.container import NETWORK_LINE, Placement, body
from june_cli.engine.containers import Containers
from june_cli.engine.host import Host
from june_cli.engine.images import Images
from june_cli.engine.lines import run_line
from june_cli.engine.locks import Uses, in_use, locked
from june_cli.engine.refusals import start_explained
from june_cli.engine.signals import uninterrupted
from june_cli.errors import JuneError, MachineLacks
from june_cli.spec import Job, Port, Service, Worker, Workload

if TYPE_CHECKING:
    from docker import APIClient

    from june_cli.engine.inspection import Inspected
    from june_cli.invocation import Invocation
    from june_cli.output import Output

PORT_TRIES = 4


def of(invocation: Invocation) -> DockerEngine:
    """The engine of a command that is about Docker itself, whatever the profile runs in."""
    return DockerEngine(invocation.environ, invocation.paths.state)


class DockerEngine:
    """Runs specs as containers of the Docker Engine that the environment names."""

    name = "docker"

    def __init__(self, environ: Mapping[str, str], state: Path) -> None:
        self._environ = environ
        self._containers = Containers(environ)
        self._folder = state / "docker"
        self._home = str(state)
        self._uses = Uses(self._folder)
        self._staying: set[str] = set()  # services this june joined that stay without it
        self.images = Images.load()
        self._host = Host(environ, self._folder)

    def builder(self, out: Output) -> Builder:
        """What makes images be there."""
        return Builder(self.client, self.images, self._environ, out, self.digests)

    @property
    def client(self) -> APIClient:
        """The connection."""
        return self._containers.client

    @property
    def digests(self) -> Path:
        """Where the digests of the images of others are written down."""
        return self._folder / "digests.json"

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """Say in June's words why the engine refused."""
        return self._containers.explained()

    def prepare(self, workloads: Sequence[Workload], out: Output) -> None:
        """The images are there afterwards, and nothing of a job whose june was killed; nothing runs yet."""
        with self.explained():
            docker_jobs.sweep(self.client, self._home, self._folder / "jobs")
        self.builder(out).ensure(w.image for w in workloads)

    def launch(self, service: Service, *, keep: bool) -> Running:
        """Start the service or join it; a changed spec restarts it unless another june is using it."""
        with self._locked(service.name):
            found, replaced = self._swept(service.name), False
            if found and self._changed(found, service):
                if self._uses.others(service.name):
                    raise in_use(service.name)
                keep, replaced = keep or inspection.kept(found), inspection.lives(found)
                self._end(found)
                found = None
            with uninterrupted():
                if found is None:
                    try:
                        found = self._start(service)
                    except BaseException:
                        self._clear(service.name)
                        raise
                self._uses.begin(service.name)
            running = inspection.running(self._containers.keep(found) if keep else found)
            if running.kept:
                self._staying.add(service.name)
            return replace(running, replaced=replaced)

    def release(self, name: str) -> None:
        """Stop the service if nobody keeps or uses it any more."""
        if name in self._staying:  # until somebody stops it: there is nothing to ask the engine
            self._uses.end(name)
            return
        self._containers.require_answer()
        with self._locked(name):
            self._uses.end(name)
            found = self._found(name)
            if found and not inspection.kept(found) and not self._uses.others(name):
                self._end(found)

    def stop(self, name: str) -> bool:
        """Stop the service, whoever uses it."""
        with self._locked(name):
            ended = False
            while found := self._found(name):
                self._end(found)
                ended = True
            return ended

    def find(self, name: str) -> Running | None:
        """The service of that name, if it runs; what a dead june left behind is ended."""
        found = self._found(name)
        if found and not inspection.kept(found):
            with self._locked(name):
                found = self._swept(name)
        return inspection.running(found) if found and inspection.lives(found) else None

    def reach(self, service: Service, port: Port, running: Running | None) -> str:
        """By the container's name, on June's network, at the port inside: it outlives every restart."""
        del running
        return f"{self._name(service.name)}:{port.number}"

    def names(self) -> list[str]:
        """Every service that runs as a container of this home."""
        return [name for name in self._containers.services(self._home) if self.find(name)]

    def ended(self, name: str) -> str:
        """Why a service that was to stay does not run; empty when it runs or nobody asked for it."""
        found = self._found(name)
        return inspection.ending(found) if found and inspection.kept(found) else ""

    def alive(self, running: Running) -> str:
        """Why it has ended; empty while it lives."""
        found = self._containers.inspected(running.id)
        return inspection.ending(found) if found else "its container was removed"

    def trouble(self, running: Running) -> str:
        """What is wrong although it runs: a lost GPU, memory that ran out, restarts."""
        found = self._containers.inspected(running.id)
        return inspection.trouble(found) if found else ""

    def holder(self, port: int) -> str:
        """The container that publishes it, or the program that listens there."""
        return self._containers.publisher(port) or listening.holder(port)

    def effort(self, running: Running) -> float:
        """Processor seconds: moving means that it works on something."""
        return usage.busy_s(self.client, running.id)

    def memory_bytes(self, running: Running) -> int:
        """What it holds, page cache aside."""
        return usage.memory_bytes(self.client, running.id)

    def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of its log, also after it ended, and while no engine answers."""
        with contextlib.suppress(JuneError):
            found = self._found(name)
            if found:
                return self._containers.log_tail(found, lines)
        return logs.tail(self.log_file(name), lines)

    def follow(self, name: str) -> Iterator[str]:
        """Every line it writes from now on, until it ends or the iterator is closed."""
        found = self._found(name)
        return self._containers.follow(found) if found else iter(())

    def run_job(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> Any:
        """Run a job to its end in a container of its own, which is gone afterwards."""
        name = f"{self._name(job.name)}-{os.getpid()}"
        with self.explained(), docker_jobs.owned(self._folder / "jobs", name):
            try:
                self._host.own(job)
                self._containers.network()
                ports = {port.name: free_port(port.number) for port in job.ports}
                made = body(job, self._placement(job, ports, keep=False))
                return docker_jobs.run(self.client, job, made, name, on_event)
            finally:
                self._host.disown(job.name)
                self._containers.leave_network()

    def attach(self, worker: Worker) -> contextlib.AbstractContextManager[attached.Attached]:
        """Start a worker; it is gone when the block is left. What a killed June left is swept."""
        name = f"{self._name(worker.name)}-{os.getpid()}-{secrets.token_hex(3)}"
        made = body(worker, self._placement(worker, {}, keep=False))
        return attached.owned(self.client, worker, made, name, self._folder / "jobs")

    def describe(self, workload: Workload, *, keep: bool) -> str:
        """The `docker run` line that makes the same container by hand."""
        ports = self._running_ports(workload.name) or {p.name: free_port(p.number) for p in workload.ports}
        made = body(workload, self._placement(workload, ports, keep=keep))
        return run_line(self._name(workload.name), made)

    def _running_ports(self, name: str) -> Mapping[str, int]:
        """The ports of a container that runs already; none where no engine answers: a dry run needs none."""
        if name not in self._uses.known():
            return {}
        try:
            found = self._found(name)
        except JuneError:
            return {}
        return inspection.ports(found) if found else {}

    def prerequisites(self, workloads: Sequence[Workload]) -> list[str]:
        """What has to be there before those lines: images, network, copies of secrets."""
        builds = {b.tag: b for w in workloads for b in self.images.builds(w.image)}
        network = [] if all(isinstance(w, Worker) for w in workloads) else [NETWORK_LINE]
        return [*(build.line for build in builds.values()), *network, *self._host.lines(workloads)]

    def _locked(self, name: str) -> contextlib.AbstractContextManager[None]:
        return locked(self._folder / f"{name}.lock", name)

    def _name(self, service: str) -> str:
        """Of the container: two homes on one machine never meet."""
        return f"june-{service}-{hashlib.sha256(self._home.encode()).hexdigest()[:8]}"

    def log_file(self, name: str) -> Path:
        """Where its log is once it has ended."""
        return self._folder / "logs" / f"{name}.log"

    def _placement(self, workload: Workload, ports: Mapping[str, int], *, keep: bool) -> Placement:
        return self._host.placement(
            workload, home=self._home, image=self.images.reference(workload.image), ports=ports, keep=keep
        )

    def _found(self, name: str) -> Inspected | None:
        """The container of a service of this home, running or not, also one that was given another name."""
        found = self._containers.inspected(self._name(name))
        return found if found and self._mine(found) else self._containers.labelled(self._home, name)

    def _mine(self, found: Inspected) -> bool:
        labels = found["Config"].get("Labels") or {}
        return bool(labels.get("june.home") == self._home and "june.service" in labels)

    def _swept(self, name: str) -> Inspected | None:
        """The container if it may be joined; what ended, or a dead june left, is removed. Lock held."""
        found = self._found(name)
        if found is None:
            return None
        used = inspection.lives(found) and (self._uses.others(name) or self._uses.mine(name))
        if inspection.kept(found) or used:
            return found
        self._end(found)
        return None

    def _changed(self, found: Inspected, service: Service) -> bool:
        if inspection.ending(found) or found["Config"]["Labels"].get("june.spec") != service.hash:
            return True
        ports = {port.name: 0 for port in service.ports} | inspection.ports(found)
        edited = inspection.drift(found, body(service, self._placement(service, ports, keep=True)))
        return bool(edited and set(edited) - self._containers.discarded())

    def _start(self, service: Service) -> Inspected:
        """Create and start; a port that somebody takes in between is replaced. What fails leaves nothing."""
        self._host.own(service)
        refused: set[int] = set()
        for attempt in range(1, PORT_TRIES + 1):
            self._containers.network()
            ports = {p.name: free_port(0 if p.number in refused else p.number) for p in service.ports}
            made = body(service, self._placement(service, ports, keep=False))
            try:
                with start_explained(self._name(service.name), service):
                    return self._containers.run(made, self._name(service.name))
            except MachineLacks as error:
                if error.code not in ("port-taken", "network-moved") or attempt == PORT_TRIES:
                    raise
                refused |= {p.number for p in service.ports} if error.code == "port-taken" else set()
        raise AssertionError("unreachable")

    def _end(self, found: Inspected) -> None:
        """End a container and take away what was made for it."""
        name = found["Config"]["Labels"]["june.service"]
        self._containers.end(found, self.log_file(name))
        self._clear(name)

    def _clear(self, name: str) -> None:
        """Take away what was made for a service that does not run."""
        self._host.disown(name)
        self._uses.forget(name)
        self._containers.leave_network()
