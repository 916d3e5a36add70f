"""Where models stand, in the store and in their server: `june model status` and `ready`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from june_cli.assistant.repository import ModelState, served_name
from june_cli.errors import JuneError, NotReady
from june_cli.output import Table
from june_model import shelf, starting
from june_model.served import PROBE_S, Server, server

if TYPE_CHECKING:
    from june_cli.engine import Running
    from june_cli.invocation import Invocation

NOWHERE = ("triton-not-running", "llm-not-running")
NOT_SERVED = "not served"


@dataclass(frozen=True)
class Standing:
    """One model. state: ready, degraded, loading, unloading, failed or unloaded, as its server has it, or
    `not served`. stored: here, partial, fetching, corrupt or missing; empty for one outside the catalog.
    """

    model: str
    state: str
    reason: str
    stored: str = ""


@dataclass(frozen=True)
class Status:
    """Models of one server; its address is empty where none runs."""

    address: str
    models: Sequence[Standing]

    def blocks(self) -> list[str | Table]:
        """A row a model."""
        rows = [(m.model, m.stored, m.state, m.reason) for m in self.models]
        title = f"served at {self.address}" if self.address else "no server of language models runs"
        return [Table(("model", "store", "state", "reason"), rows, title=title)]


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


def status(june: Invocation, name: str | None, *, url: str | None) -> Status:
    """How the server has its models, or where one model of the catalog stands, also when nothing runs.

    READY is believed only of a model that writes a token. UsageProblem for a name that neither the server nor
    the catalog knows.
    """
    try:
        address, found = _served(june, name, url)
    except NotReady as error:
        if error.code not in NOWHERE or not name:
            raise
        address, found = "", []
    if name and not found:
        june.roles.catalog.get(name)
        found = [Standing(name, NOT_SERVED, f"june model load {name}")]
    return Status(address, [replace(one, stored=_stored(june, one.model)) for one in found])


def ready(june: Invocation, name: str, *, url: str | None) -> Answering:
    """Whether a model writes a token now. UsageProblem for a name that its server does not know."""
    if not url and starting.applies(june):
        starting.require_own(june, name)
        why = _probe(_running(june))
        return Answering(name, not why, why)
    triton, target = server(june, url), served_name(name)
    state = triton.repository.state(target).state
    why = triton.repository.probe(target) if state == "READY" else "a load: it is not loaded"
    return Answering(name, not why, why)


def _served(june: Invocation, name: str | None, url: str | None) -> tuple[str, list[Standing]]:
    """The server's address, and how it has its models, or the one that was named."""
    if not url and starting.applies(june):
        running = _running(june)
        if name and name != running.model:
            return running.address("http"), []
        why = _probe(running)
        return running.address("http"), [_standing(running.model, why)]
    triton = server(june, url)
    index = triton.repository.index()
    found = [_in_triton(triton, one) for one in index if name is None or one.name == served_name(name)]
    return triton.address, sorted(found, key=lambda one: one.model)


def _in_triton(triton: Server, one: ModelState) -> Standing:
    if one.state == "READY":
        return _standing(one.name, triton.repository.probe(one.name, limit_s=PROBE_S))
    if one.state in ("LOADING", "UNLOADING"):
        return Standing(one.name, one.state.lower(), "")
    failed = one.state == "UNAVAILABLE" and one.reason not in ("", "unloaded")
    reason = one.reason.split("\n")[0] if failed else ""
    return Standing(one.name, "failed" if failed else "unloaded", reason)


def _standing(model: str, why: str) -> Standing:
    return Standing(model, "degraded" if why else "ready", f"waits for {why}" if why else "")


def _stored(june: Invocation, name: str) -> str:
    model = june.roles.catalog.models.get(name)
    return shelf.held(model, june.paths.models).state if model else ""


def _running(june: Invocation) -> Running:
    """The server that loads one model when it starts."""
    running = june.engine_of("llm").find("llm")
    if running is None:
        raise NotReady("llm-not-running", "no language model is served.", hint="june serve start llm")
    return running


def _probe(running: Running) -> str:
    """Have a server of the OpenAI API write one token: empty when it does, else what is amiss."""
    from june_cli.assistant.llm import Message, Sampling, connect

    async def ask() -> None:
        one = Sampling(max_tokens=1, temperature=0.0)
        async with connect("openai", running.address("http"), running.model, None, idle_s=PROBE_S) as llm:
            async with aclosing(llm.stream([Message("user", "Hello")], one)) as deltas:
                async for _ in deltas:
                    return

    try:
        asyncio.run(ask())
    except JuneError as error:
        return f"a token from the model (it says: {error.message})"
    return ""
