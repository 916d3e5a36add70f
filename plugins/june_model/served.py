"""Where a Triton is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.assistant.repository import Repository
from june_cli.engine import Engine, Running
from june_cli.errors import NotReady, UsageProblem

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
