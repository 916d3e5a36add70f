"""What runs, as frozen data: the same Service becomes a container or a subprocess."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Port:
    """A port the workload listens on.

    `number` is what it listens on inside a container, and what is preferred on the host. The workload
    reads the port it really got from the variable `env`.
    """

    name: str
    number: int
    env: str


@dataclass(frozen=True)
class Mount:
    """A host folder or file the workload may see, read-only unless said otherwise.

    The workload finds it by the variable `env`: `target` in a container, `source` in a process. A folder of
    June's own that may be empty is made where it is missing; of others' it is an error that they are. Nobody
    but the workload's user may read one that is `private`.
    """

    source: Path
    target: str
    env: str
    read_only: bool = True
    made: bool = False
    private: bool = False


@dataclass(frozen=True)
class Secret:
    """A file whose content is secret. Only its path travels, in the variable `env`."""

    name: str
    source: Path
    env: str


@dataclass(frozen=True)
class Ulimit:
    """A limit of the kernel for each process, as `docker run --ulimit` has it; -1: none."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True)
class Relaxed:
    """One protection that a workload cannot live with, and why. Without a reason nothing is relaxed.

    `writable-root`: its root file system is not read-only. `exec-tmp`: programs may run from its tmpfs.
    `host-ipc`: it shares the host's shared memory. `root-user`: it runs as root inside.
    """

    what: Literal["writable-root", "exec-tmp", "host-ipc", "root-user"]
    why: str


@dataclass(frozen=True)
class Gpu:
    """A need for GPUs. A workload that asks for one and gets none stops; it never falls back."""

    count: int = 1
    memory_bytes: int = 0


@dataclass(frozen=True)
class Ready:
    """How to know that a service is ready, and how long to believe that it still will be.

    `deadline_s` is extended while the service makes progress (its log grows, its processor works), up to
    `limit_s`; `stall_s` without any progress ends the wait.
    """

    kind: Literal["http", "grpc", "log", "port", "triton"]
    port: str = ""
    path: str = "/health"  # http
    model: str = ""  # triton: the model that has to answer a real request
    service: str = ""  # grpc: the name asked of the standard health service
    pattern: str = ""  # log: a regular expression that a line must match
    deadline_s: float = 60.0
    stall_s: float = 30.0
    limit_s: float = 900.0


@dataclass(frozen=True)
class Workload:
    """What a Service and a Job share: a program, what it sees, what it needs.

    `cpu_shares` is its part of processors that several containers want at once; Docker's default is 1024.
    `inherits` names variables of the caller, by globs, that it may see too as a process: their values, which
    may be a proxy's password, appear in no spec and in no line.
    """

    name: str
    summary: str
    image: str
    command: tuple[str, ...]
    ports: tuple[Port, ...] = ()
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[Secret, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    inherits: tuple[str, ...] = ()
    gpu: Gpu | None = None
    model: str = ""
    packages: tuple[str, ...] = ()  # importable names the process engine needs in its own environment
    memory_bytes: int = 0
    cpu_shares: int = 0
    shm_bytes: int = 0
    tmpfs: tuple[tuple[str, int], ...] = (("/tmp", 64 * 1024 * 1024),)  # noqa: S108 - inside a container
    stop_s: float = 5.0  # between the polite signal and the last one
    ulimits: tuple[Ulimit, ...] = ()
    relaxed: tuple[Relaxed, ...] = ()

    @property
    def hash(self) -> str:
        """Tells a changed spec from an unchanged one, also between two runs of June."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(f"{type(self).__name__}:{text}".encode()).hexdigest()[:16]

    def source(self, env: str) -> Path | None:
        """Where on this machine the mount lies that it finds by `env`; None when it has none."""
        return next((mount.source for mount in self.mounts if mount.env == env), None)


@dataclass(frozen=True)
class Service(Workload):
    """A workload that stays, and is usable once `ready` says so.

    `api` is what a client has to speak: `openai` and `triton` tell the two servers of language models apart.
    """

    ready: Ready = field(default_factory=lambda: Ready("port"))
    api: Literal["", "grpc", "openai", "triton"] = ""


@dataclass(frozen=True)
class Job(Workload):
    """A workload that runs to its end, reporting events and one result on its stdout.

    `deadline_s` bounds the whole of it; `assistant/job.py` says how it reports.
    """

    deadline_s: float = 3600.0


@dataclass(frozen=True)
class Worker(Workload):
    """A workload that answers on its stdout what it is asked on its stdin, and ends with that.

    It has no network and shares no memory. `processes` and `cpus` are the most it may have; `rights`, the
    kernel's capabilities that it keeps of those which every container loses.
    """

    processes: int = 64
    cpus: float = 1.0
    rights: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one service may use. Zero means that the service chooses."""

    threads: int = 0
    memory_bytes: int = 0
    context_tokens: int = 0


@dataclass(frozen=True)
class Choice:
    """Which model, from where, fills a role on which hardware: what a plugin makes a Service of."""

    role: str
    model: str
    path: Path
    loader: str
    quant: str = ""
    device: Literal["cpu", "cuda"] = "cpu"
    image: str = ""  # in place of the one the service would choose
    limits: Limits = field(default_factory=Limits)
    repository: Path | None = None  # of built models, for a server that loads them on demand
    prepared: Path | None = None  # the same for one that loads one model when it starts
