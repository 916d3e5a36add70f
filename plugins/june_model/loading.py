"""`june model load` and `unload`, against the profile's Triton or one at --url.

Triton calls a model ready whose process is dead, answers "done" to what it only begins, and keeps the cause
of a failure in its log. So a load is done when the model has written a token, an unload when the index has
settled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.assistant.repository import LOADED, served_name
from june_cli.errors import JuneError, NotReady, UsageProblem
from june_cli.planning.plan import CONTEXT, Demand
from june_model import building, current, identity, validation
from june_model.served import PROBE_S, Server, server

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_cli.progress import Progress

LOOK_S = 0.05
UNLOADING_S = 15.0  # an answer under way is written to its end first
EFFORT_S = 1.0  # between two questions whether the server works: each costs an engine something
STALL_S = 30.0  # without a sign of work, and past the first deadline
DEADLINE_S, LIMIT_S = 60.0, 3600.0
IDLE_EFFORT = 0.02  # what a server that loads nothing spends in a second


@dataclass(frozen=True)
class Loaded:
    """A model that has written a token; `loaded` is False when it was there before."""

    model: str
    address: str
    loaded: bool
    load_s: float
    probe_s: float
    unloaded: Sequence[str] = ()
    by: str = ""

    def blocks(self) -> list[str]:
        """One line."""
        how = f"loaded in {self.load_s:.1f} s, "
        how += f"by a start ({self.by})" if self.by else f"first token after {self.probe_s:.2f} s"
        how = how if self.loaded else "loaded already"
        gone = f"; unloaded: {', '.join(self.unloaded)}" if self.unloaded else ""
        return [f"{self.model}: {how}{gone}"]


@dataclass(frozen=True)
class Unloaded:
    """What was unloaded, and how much memory came back where June can see it."""

    models: Sequence[str]
    address: str
    seconds: float
    freed_bytes: int
    by: str = ""

    def blocks(self) -> list[str]:
        """One line."""
        if not self.models:
            return ["nothing was loaded"]
        freed = f", {self.freed_bytes / 1e6:.0f} MB came back" if self.freed_bytes > 0 else ""
        by = f", by a stop ({self.by})" if self.by else ""
        return [f"unloaded: {', '.join(self.models)} in {self.seconds:.1f} s{freed}{by}"]


def load(
    june: Invocation, name: str, *, url: str | None, swap: bool, repair: bool, force: bool = False
) -> Loaded:
    """Load a model and have it write a token; what is loaded and does so is left alone."""
    try:
        triton, target = server(june, url), served_name(name)
    except (UsageProblem, NotReady):
        from june_model import starting

        if url or not starting.applies(june):
            raise
        return starting.load(june, name, force=force)
    state = triton.repository.state(target)
    if not url:
        _require_current(june, target, swap=swap, force=force)
    if state.state == "UNLOADING":
        triton = _let_go(june, triton, target, repair=repair)
    elif state.state == "READY":
        began = time.monotonic()
        why = triton.repository.probe(target, limit_s=PROBE_S)
        if not why:
            return Loaded(name, triton.address, False, 0.0, time.monotonic() - began)
        if not repair:
            raise NotReady(
                "model-degraded",
                f"{name} is called ready and does not answer: it waits for {why}.",
                hint=f"june model load {name} --repair",
            )
        triton = _revived(june, triton, target)
    gone = _make_room(triton, target) if swap else []
    began = time.monotonic()
    with june.out.progress(f"Loading {name}") as bar:
        _loaded(triton, target, bar)
        loaded_s = time.monotonic() - began
        bar.update(text="its first token")
        probing = time.monotonic()
        why = triton.repository.probe(target, limit_s=PROBE_S)
    if why:
        kind = JuneError if triton.repository.live() else NotReady
        raise kind(
            "model-does-not-answer",
            f"{name} was loaded and writes nothing: it waits for {why}.{_cause(triton, target)}",
            hint="june serve logs llm" if triton.engine else "its log says more",
        )
    return Loaded(name, triton.address, True, loaded_s, time.monotonic() - probing, gone)


def _let_go(june: Invocation, triton: Server, target: str, *, repair: bool) -> Server:
    """Wait for an unload under way. A request that hangs in it, or a process that died, takes a repair."""
    deadline = time.monotonic() + UNLOADING_S
    while triton.repository.state(target).state == "UNLOADING":
        if time.monotonic() > deadline:
            if repair:
                return _restarted(june, triton, target)
            raise NotReady(
                "model-not-unloaded",
                f"{target} is still being unloaded: a request hangs in it, or its process died.",
                hint=f"june model load {target} --repair",
            )
        time.sleep(LOOK_S)
    return triton


def _make_room(triton: Server, target: str) -> list[str]:
    """Unload everything else first: two large models at once would not fit."""
    others = [m.name for m in triton.repository.index() if m.state in LOADED and m.name != target]
    for name in others:
        triton.repository.unload(name)
    return others


def _loaded(triton: Server, target: str, bar: Progress) -> None:
    """Ask for the load, and wait for as long as the server works on it."""
    ends: list[BaseException | None] = []

    def ask() -> None:
        try:
            triton.repository.load(target, limit_s=LIMIT_S)
            ends.append(None)
        except BaseException as error:  # noqa: BLE001 - raised where somebody waits
            ends.append(error)

    thread = threading.Thread(target=ask, name=f"load-{target}", daemon=True)
    thread.start()
    began = moved = looked = time.monotonic()
    effort = 0.0
    while True:
        thread.join(LOOK_S)
        if ends:
            break
        now = time.monotonic()
        if now - looked < EFFORT_S:
            continue
        spent = triton.engine.effort(triton.running) if triton.engine and triton.running else 0.0
        if spent - effort > (now - looked) * IDLE_EFFORT:
            moved = now
        effort, looked = max(effort, spent), now
        doing = "the server works" if moved == now else "waiting for the server"
        bar.update(text=f"{doing}, {now - began:.0f} s")
        watched = triton.engine is not None  # whether another's server works cannot be seen from here
        if watched and now - began > DEADLINE_S and now - moved > STALL_S:
            raise NotReady(
                "model-not-loaded",
                f"{target} was not loaded after {now - began:.0f} s, and the server does nothing."
                f"{_cause(triton, target)}",
                hint="june model repo validate; june serve restart llm",
            )
    error = ends[0]
    if isinstance(error, JuneError):
        cause = _cause(triton, target) if "only in its log" in error.message else ""
        raise type(error)(error.code, f"{error.message}{cause}", hint=error.hint) from error
    if error:
        raise error


def _cause(triton: Server, target: str) -> str:
    """The last complaint of the server's log about the model; empty where there is none to be seen."""
    lines = [line for line in triton.log_since(100) if line[:1] in "EW" and target in line]
    return f" Its log: {lines[-1].split('] ', 1)[-1].strip()[:300]}" if lines else ""


def _revived(june: Invocation, triton: Server, target: str) -> Server:
    """Get rid of a model whose process is dead: by unloading it, or by restarting the server."""
    try:
        triton.repository.unload(target, limit_s=UNLOADING_S)
    except NotReady:
        if triton.engine is None:
            raise
        return _restarted(june, triton, target)
    return triton


def _restarted(june: Invocation, triton: Server, target: str) -> Server:
    from june_cli.engine.up import using

    if triton.engine is None:
        raise NotReady("model-not-unloaded", f"{target} is still being unloaded.", hint="restart that Triton")
    june.out.note(f"{target} cannot be unloaded; the server is restarted.")
    triton.engine.stop("llm")
    with using(june, ["llm"], keep=True, force=True):  # it ran a moment ago
        pass
    return server(june, None)


def _require_current(june: Invocation, target: str, *, swap: bool, force: bool) -> None:
    """An entry that June built has to be valid, for what is here, and to fit: after a swap, alone."""
    repository = june.paths.repository
    if target not in validation.names(repository):
        return  # the service's own model, or one that somebody else put there
    building.require_valid(repository, target)
    made = identity.read(repository / target)
    if made is None:
        return
    known = june.roles.catalog.models.get(made.model)
    if known is None:
        return
    demand, machine = Demand(made.context_tokens or CONTEXT), current.machine(june)
    current.require(june, made, known, machine)
    building.require_fit(june, known, demand, machine.idle() if swap else machine, force=force)


def unload(june: Invocation, name: str | None, *, url: str | None) -> Unloaded:
    """Unload a model, or all, and wait until the index has settled and memory is back."""
    try:
        triton = server(june, url)
    except (UsageProblem, NotReady):
        from june_model import starting

        if url or not starting.applies(june):
            raise
        return starting.unload(june, name)
    before = _memory(triton)
    began = time.monotonic()
    index = triton.repository.index()
    wanted = [served_name(name)] if name else sorted({m.name for m in index if m.state in LOADED})
    gone: list[str] = []
    with june.out.progress(f"Unloading {', '.join(wanted) or 'nothing'}"):
        gone.extend(one for one in wanted if triton.repository.unload(one))
    return Unloaded(gone, triton.address, time.monotonic() - began, max(0, before - _memory(triton)))


def _memory(triton: Server) -> int:
    return triton.engine.memory_bytes(triton.running) if triton.engine and triton.running else 0
