"""The `process` engine: services as subprocesses of this environment, on loopback ports. No daemon."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from june_cli.assistant.ports import free_port
from june_cli.engine import PRIVATE, Running, jobs, logs
from june_cli.engine.processes import MARK, end_group, ending, strays
from june_cli.engine.record import Proc, Record, Records, me
from june_cli.engine.signals import uninterrupted
from june_cli.errors import MachineLacks
from june_cli.spec import Job, Service, Workload

HOST = "127.0.0.1"
GRACE_S = 5.0  # between the polite signal and the last one
# What a service may see of the caller's environment. Everything else, tokens above all, stays outside.
PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
)


class ProcessEngine:
    """Runs the same specs as containers do, without containers."""

    name = "process"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._records = Records(folder)
        self._children: dict[int, _Child] = {}

    def launch(self, service: Service, *, keep: bool) -> Running:
        """Start the service or join it; a changed spec restarts it unless another june is using it."""
        with self._records.locked(service.name):
            record = self._swept(service.name)
            if record and (record.spec_hash, set(record.ports)) != (
                service.hash,
                {p.name for p in service.ports},
            ):
                others = [user for user in record.users if user.alive and user != me()]
                if others:
                    raise MachineLacks(
                        "service-in-use",
                        f"{service.name} runs with another model or setting, and another june is using it.",
                        hint="wait for it to end, or stop it: june serve stop " + service.name,
                    )
                self._end(record)
                keep = keep or record.kept
                record = None
            if record is None:
                with uninterrupted():
                    record = self._spawn(service, keep=keep)
            else:
                record = record.with_user(me(), keep=keep)
                self._records.write(record)
            return _running(record)

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
        if record is None:
            return None
        if not record.alive or not (record.kept or any(user.alive for user in record.users)):
            with self._records.locked(name):
                record = self._swept(name)
        return _running(record) if record else None

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

    def effort(self, running: Running) -> float:
        """Processor seconds plus log size: either moving means that it works on something."""
        try:
            times = psutil.Process(int(running.id)).cpu_times()
        except psutil.Error:
            return 0.0
        size = running.log.stat().st_size if running.log and running.log.exists() else 0
        return float(times.user + times.system) + size / 1000

    def memory_bytes(self, running: Running) -> int:
        """Resident memory of the process and its children."""
        try:
            process = psutil.Process(int(running.id))
            return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])
        except psutil.Error:
            return 0

    def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of the service's log."""
        return logs.tail(self._log(name), lines)

    def run_job(self, job: Job, on_event: Callable[[dict[str, Any]], None]) -> Any:
        """Run a job to its end in this environment."""
        environ = _environ(job, {port.name: free_port(port.number) for port in job.ports})
        return jobs.run(job, _command(job), environ, on_event)

    def describe(self, service: Service) -> str:
        """The line that starts the service by hand, with its variables in front."""
        variables = _variables(service, {port.name: port.number for port in service.ports})
        words = [f"{key}={shlex.quote(value)}" for key, value in variables.items()]
        return " ".join([*words, shlex.join(_command(service))])

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def _spawn(self, service: Service, *, keep: bool) -> Record:
        _require_packages(service)
        ports = {port.name: free_port(port.number) for port in service.ports}
        if any(ports[port.name] != port.number for port in service.ports) and self._end_strays(service.name):
            ports = {port.name: free_port(port.number) for port in service.ports}
        log = self._log(service.name)
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
                child = _Child(
                    _command(service),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env={**_environ(service, ports), MARK: str(self._folder), "JUNE_LOG_FILE": str(log)},
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


class _Child(subprocess.Popen[bytes]):
    """A service may outlive the june that started it; Popen would warn about every one that does."""

    def __del__(self) -> None:
        return


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


def _command(workload: Workload) -> list[str]:
    program, *rest = workload.command
    # -P: `python -m` must not import from the folder it happens to be started in
    return [sys.executable, "-P", *rest] if program == "python" else [program, *rest]


def _variables(workload: Workload, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        "JUNE_HOST": HOST,
        "JUNE_SERVICE": workload.name,
        **PRIVATE,
        **dict(workload.env),
        **{port.env: str(ports[port.name]) for port in workload.ports},
        **{mount.env: str(mount.source) for mount in workload.mounts},
        **{secret.env: str(secret.source) for secret in workload.secrets},
    }


def _environ(workload: Workload, ports: Mapping[str, int]) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k in PASSED}
    return {**inherited, **_variables(workload, ports)}


def _require_packages(workload: Workload) -> None:
    from importlib.util import find_spec

    missing = [name for name in workload.packages if find_spec(name) is None]
    if missing:
        raise MachineLacks(
            "package-missing",
            f"{workload.name} needs {', '.join(missing)}, which this Python environment does not have.",
            hint="pip install 'june-cli[local]'",
        )
