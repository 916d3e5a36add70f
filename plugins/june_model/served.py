"""Where a Triton is, and how it has its models: `june model status` and `ready`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.assistant.repository import ModelState, Repository, served_name
from june_cli.engine import Engine, Running
from june_cli.errors import NotReady, UsageProblem
from june_cli.output import Table

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
PROBE_S = 60.0  # the first token of a large model comes after kernels were compiled


@dataclass(frozen=True)
class Server:
    """A Triton: where it listens, and what runs it where that is June."""

    address: str
    engine: Engine | None = None
    running: Running | None = None

    @property
    def repository(self) -> Repository:
        """Its model control."""
        if self.engine is None:
            return Repository(self.address, restart="restart that Triton", log="its log says more")
        return Repository(self.address)

    def log_since(self, lines: int) -> list[str]:
        """The end of its log; nothing of a server that June does not run."""
        return self.engine.log_tail("llm", lines) if self.engine else []


@dataclass(frozen=True)
class Served:
    """A model as its server has it. state: ready, degraded, loading, unloading, failed or unloaded."""

    model: str
    state: str
    reason: str


@dataclass(frozen=True)
class Status:
    """Models of one server."""

    address: str
    models: Sequence[Served]

    def blocks(self) -> list[str | Table]:
        """A row a model."""
        rows = [(m.model, m.state, m.reason) for m in self.models]
        return [Table(("model", "state", "reason"), rows, title=f"Triton at {self.address}")]


@dataclass(frozen=True)
class Answering:
    """Whether a model writes a token; exit code 4 when it does not."""

    model: str
    ready: bool
    reason: str

    @property
    def exit_code(self) -> int:
        """4 when it is not ready."""
        return 0 if self.ready else NotReady.exit_code

    def blocks(self) -> list[str]:
        """One line."""
        return [f"{self.model}: {'ready' if self.ready else f'not ready, waits for {self.reason}'}"]


def server(june: Invocation, url: str | None) -> Server:
    """The Triton to talk to. NotReady when none runs, UsageProblem when what serves is another kind."""
    if url:
        address = url.removeprefix("http://").rstrip("/")
        host, _, port = address.rpartition(":")
        if not HOST.fullmatch(host) or not port.isdigit() or not 0 < int(port) < 65_536:
            raise UsageProblem(
                "url-invalid", f"{url!r} is no address of a Triton.", hint="http://127.0.0.1:8000"
            )
        return Server(address)
    engine = june.engine_of("llm")
    running = engine.find("llm")
    if running is None:
        raise NotReady("triton-not-running", "no Triton runs.", hint="june serve start llm --engine docker")
    found = Server(running.address("http"), engine, running)
    if not found.repository.live() and june.roles.service("llm", engine.name).api != "triton":
        raise UsageProblem(
            "no-model-control",
            f"{running.model} is served by a server that loads one model when it starts: load and unload are "
            "june serve start llm and june serve stop llm there.",
            hint='profile tiny in Docker, or service = "llm-triton", has model control',
        )
    return found


def status(june: Invocation, name: str | None, *, url: str | None) -> Status:
    """How the server has its models. READY is believed only of one that writes a token."""
    triton = server(june, url)
    if name:
        triton.repository.state(served_name(name))
    index = triton.repository.index()
    found = [_served(triton, one) for one in index if name is None or one.name == served_name(name)]
    return Status(triton.address, sorted(found, key=lambda one: one.model))


def _served(triton: Server, one: ModelState) -> Served:
    if one.state == "READY":
        why = triton.repository.probe(one.name, limit_s=PROBE_S)
        return Served(one.name, "degraded" if why else "ready", f"waits for {why}" if why else "")
    if one.state in ("LOADING", "UNLOADING"):
        return Served(one.name, one.state.lower(), "")
    failed = one.state == "UNAVAILABLE" and one.reason not in ("", "unloaded")
    return Served(one.name, "failed" if failed else "unloaded", one.reason.split("\n")[0] if failed else "")


def ready(june: Invocation, name: str, *, url: str | None) -> Answering:
    """Whether a model writes a token now."""
    triton, target = server(june, url), served_name(name)
    state = triton.repository.state(target).state
    why = triton.repository.probe(target) if state == "READY" else "a load: it is not loaded"
    return Answering(name, not why, why)
