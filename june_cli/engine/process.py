"""The `process` engine: services as subprocesses of this environment, on loopback ports. No daemon."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.assistant.ports import free_port
from june_cli.engine import Running, attached, jobs, logs
from june_cli.engine import ports as listening
from june_cli.engine.child import Child, command, environ, require_packages, variables
from june_cli.engine.locks import in_use
from june_cli.engine.processes import MARK, busy_s, end_group, ending, resident_bytes, strays, tree
from june_cli.engine.record import Proc, Record, Records, boot_id, me
from june_cli.engine.signals import uninterrupted
from june_cli.spec import Job, Port, Service, Worker, Workload

if TYPE_CHECKING:
    from june_cli.output import Output

GRACE_S = 5.0  # between the polite signal and the last one


class ProcessEngine:
    """Runs the same specs as containers do, without containers."""

    name = "process"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records = Records(folder)
        self._children: dict[int, Child] = {}

    def prepare(self, workloads: Sequence[Workload], out: Output) -> None:
        """Nothing has to be made; MachineLacks names what this environment lacks, before anything starts."""
        del out
        for workload in workloads:
            require_packages(workload)

    def launch(self, service: Service, *, keep: bool) -> Running:
        """Start the service or join it; a changed spec restarts it unless another june is using it."""
        with self._records.locked(service.name):
            record, replaced = self._swept(service.name), False
            if record and (record.spec_hash, set(record.ports)) != (
                service.hash,
                {p.name for p in service.ports},
            ):
                others = [user for user in record.users if user.alive and user != me()]
                if others:
                    raise in_use(service.name)
                self._end(record)
                keep, replaced = keep or record.kept, True
                record = None
            if record is None:
                with uninterrupted():
                    record = self._spawn(service, keep=keep)
            else:
                record = record.with_user(me(), keep=keep)
                self._records.write(record)
            return replace(_running(record), replaced=replaced)

    def release(self, name: str) -> None:
        """Stop the service if nobody keeps or uses it any more."""
        with self._records.locked(name):
            record = self._records.read(name)
            if record is None:
                return
            record = record.without_user(me())
            if record.kept or record.users:
                self._records.write(record)
            else:
                self._end(record)

    def stop(self, name: str) -> bool:
        """Stop the service, whoever uses it."""
        with self._records.locked(name):
            record = self._swept(name)
            if record is None:
                return self._end_strays(name)  # its record may have been deleted under it
            self._end(record)
            return True

    def find(self, name: str) -> Running | None:
        """The service of that name, if it really runs; what a dead june left behind is ended."""
        record = self._records.read(name)
        if record is None or (record.kept and record.process and not record.alive):
            return None  # what was to stay and ended keeps its record: `ended` explains it
        if not record.alive or not (record.kept or any(user.alive for user in record.users)):
            with self._records.locked(name):
                record = self._swept(name)
        return _running(record) if record else None

    def reach(self, service: Service, port: Port, running: Running | None) -> str:
        """On loopback, like everybody else."""
        del service
        return running.address(port.name) if running else f"127.0.0.1:{port.number}"

    def names(self) -> list[str]:
        """Every service with a live record."""
        return [name for name in self._records.names() if self.find(name)]

    def alive(self, running: Running) -> str:
        """How it ended, from the exit status when it is our child; empty while it lives."""
        pid = int(running.id)
        record = self._records.read(running.service)
        if record and record.process and record.process.pid == pid and record.process.alive:
            return ""
        child = self._children.get(pid)
        if child:
            with contextlib.suppress(subprocess.TimeoutExpired):  # a zombie whose threads are still ending
                return ending(child.wait(timeout=2.0))
        return "it was stopped or killed"

    def ended(self, name: str) -> str:
        """Why a kept service does not run any more."""
        record = self._records.read(name)
        if record is None or record.process is None or not record.kept or record.alive:
            return ""
        return (
            "it was stopped or killed" if record.process.boot == boot_id() else "this machine was restarted"
        )

    def trouble(self, running: Running) -> str:
        """Nothing that can be seen from outside a process."""
        del running
        return ""

    def holder(self, port: int) -> str:
        """The program that listens there."""
        return listening.holder(port)

    def effort(self, running: Running) -> float:
        """Processor seconds plus log size: either moving means that it works on something."""
        size = running.log.stat().st_size if running.log and running.log.exists() else 0
        return busy_s(tree(int(running.id))) + size / 1000

    def memory_bytes(self, running: Running) -> int:
        """Resident memory of the process and its children."""
        return resident_bytes(tree(int(running.id)))

    def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of the service's log."""
        return logs.tail(self.log_file(name), lines)

    def follow(self, name: str) -> Iterator[str]:
        """Every line it writes from now on."""
        return logs.follow(self.log_file(name), lambda: self.find(name) is not None)

    def run_job(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> Any:
        """Run a job to its end in this environment."""
        ports = {port.name: free_port(port.number) for port in job.ports}
        return jobs.run(job, command(job), environ(job, ports), on_event)

    def attach(self, worker: Worker) -> contextlib.AbstractContextManager[attached.Attached]:
        """Start a worker; it is gone when the block is left, or with this June."""
        return attached.started(command(worker), environ(worker, {}))

    def describe(self, workload: Workload, *, keep: bool) -> str:
        """The line that starts the service by hand, with its variables in front."""
        del keep
        told = variables(workload, {port.name: port.number for port in workload.ports})
        words = [f"{key}={shlex.quote(value)}" for key, value in told.items()]
        return " ".join([*words, shlex.join(command(workload))])

    def prerequisites(self, workloads: Sequence[Workload]) -> list[str]:
        """None."""
        del workloads
        return []

    def log_file(self, name: str) -> Path:
        """Where its log is once it has ended."""
        return self._folder / "logs" / f"{name}.log"

    def _spawn(self, service: Service, *, keep: bool) -> Record:
        require_packages(service)
        ports = {port.name: free_port(port.number) for port in service.ports}
        if any(ports[port.name] != port.number for port in service.ports) and self._end_strays(service.name):
            ports = {port.name: free_port(port.number) for port in service.ports}
        log = self.log_file(service.name)
        record = Record(
            service=service.name,
            spec_hash=service.hash,
            model=service.model,
            ports=ports,
            log=str(log),
            kept=keep,
            started_at=time.time(),
            users=(me(),),
        )
        self._records.write(record)  # before the process: a june killed in between leaves a trace to follow
        try:
            with logs.opened(log) as sink:
                child = Child(
                    command(service),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env={**environ(service, ports), MARK: str(self._folder), "JUNE_LOG_FILE": str(log)},
                    cwd="/",
                    start_new_session=True,
                )
            self._children[child.pid] = child
            record = replace(record, process=Proc.of(child.pid))
            self._records.write(record)
        except BaseException:  # a full disk, for one: what cannot be written down must not stay
            self._end(record)
            raise
        return record

    def _swept(self, name: str) -> Record | None:
        """The record if it may be believed; otherwise what is left of it is cleared away. Lock held."""
        record = self._records.read(name)
        if record is None:
            return None
        if record.process is None:
            self._end(record)
            return None
        if not record.alive:
            self._records.forget(name)
            return None
        if not record.kept and not any(user.alive for user in record.users):
            self._end(record)
            return None
        return record

    def _end_strays(self, name: str) -> bool:
        """End what runs as this service of this home without a record; False when nothing does."""
        found = strays(name, str(self._folder))
        for stray in found:
            end_group(stray, 1.0)
        return bool(found)

    def _end(self, record: Record) -> None:
        if record.process is None:
            self._end_strays(record.service)
        if record.alive and record.process:
            end_group(record.process.pid, GRACE_S)
            child = self._children.pop(record.process.pid, None)
            if child:
                child.wait(timeout=5.0)
        self._records.forget(record.service)


def _running(record: Record) -> Running:
    return Running(
        service=record.service,
        engine="process",
        id=str(record.process.pid if record.process else 0),
        ports=record.ports,
        spec_hash=record.spec_hash,
        model=record.model,
        kept=record.kept,
        started_at=record.started_at,
        log=Path(record.log),
    )
