"""Brings services up together, and down again when nobody asked to keep them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from june_cli.assistant.ports import PORT_TAKEN_EXIT
from june_cli.engine import Engine, Running
from june_cli.engine.ready import POLL_S, Wait
from june_cli.engine.signals import uninterrupted
from june_cli.errors import JuneError, NotReady, UsageProblem
from june_cli.spec import Service
from june_cli.store import fetch, where

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

PORT_TRIES = 3
EAGER_S, LATE_POLL_S = 5.0, 0.25  # what has not come by then is not there a moment sooner for being asked
STARTING_S = 2.0  # what a service that is being started when somebody interrupts has left
K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True)
class Placed:
    """A service and the engine that runs it."""

    engine: Engine
    service: Service

    @classmethod
    def of(cls, invocation: Invocation, name: str) -> Placed:
        """The service of a role, or a companion, made for the engine that runs it or would."""
        engine = invocation.engine_of(name)
        companion = invocation.companions.get(name)
        if companion is None:
            return cls(engine, invocation.roles.service(name, engine.name))
        near = {role: _reached(invocation, role, engine, name) for role in companion.needs}
        return cls(engine, companion.make(invocation, near))


def _reached(invocation: Invocation, role: str, engine: Engine, companion: str) -> str:
    """Where a companion reaches the service of a role: at the service's first port."""
    needed = Placed.of(invocation, role)
    if needed.engine.name != engine.name:
        raise UsageProblem(
            "engines-differ",
            f"{companion} would run in engine {engine.name!r}, and {role} runs in {needed.engine.name!r}.",
            hint=f"june serve stop {role}, or --engine {needed.engine.name}",
        )
    return engine.reach(needed.service, needed.service.ports[0], engine.find(role))


def with_needed(invocation: Invocation, names: Sequence[str]) -> list[str]:
    """The roles among some names, and those that the companions among them need."""
    asked = [name for name in names if name not in invocation.companions]
    needed = [role for name in names if name not in asked for role in invocation.companions[name].needs]
    return list(dict.fromkeys([*asked, *needed]))


@contextmanager
def using(
    invocation: Invocation, names: Sequence[str], *, keep: bool = False, force: bool = False
) -> Iterator[dict[str, Running]]:
    """The services of some roles, and companions with what they need, ready for the length of the block.

    Models are fetched first, if the memory of this machine is enough for what has to be started, or `force`
    is set. Services that run already are joined. Afterwards this run lets go of them: those it started end,
    unless `keep`, or another june uses them.
    """
    beside = [name for name in names if name in invocation.companions]
    for name in beside:
        Placed.of(invocation, name)  # what its settings lack is said before anything starts
    services = prepared(invocation, with_needed(invocation, names), force=force)
    try:
        running = start(services, invocation)
        placed = {name: Placed.of(invocation, name) for name in beside}
        for one in placed.values():
            one.engine.prepare([one.service], invocation.out)
        services |= placed
        running |= start(placed, invocation)
        if keep:
            passing = {role: placed for role, placed in services.items() if not running[role].kept}
            running |= side_by_side(lambda p: p.engine.launch(p.service, keep=True), passing)
        yield running
    except BaseException:
        try:
            _let_go(services)
        except JuneError as error:  # what went wrong first is what the caller has to hear
            names = ", ".join(placed.service.name for placed in services.values())
            invocation.out.note(f"{names}: not let go of, the next june does that: {error.message}")
        raise
    _let_go(services)


def _let_go(services: Mapping[str, Placed]) -> None:
    with uninterrupted():  # a first Ctrl-C that comes this late must not leave half of them running
        side_by_side(lambda p: p.engine.release(p.service.name), services)


def side_by_side(act: Callable[[K], T], services: Mapping[str, K]) -> dict[str, T]:
    """Do something about every service at once, for each may take its seconds.

    All have ended when this returns; the first error is raised, in the order of the services. After a Ctrl-C
    they have a moment to end, for only what has been started can be let go of. The threads are no pool's,
    whose end would wait for an engine that hangs as long as that does.
    """
    from concurrent.futures import Future, wait

    ends: dict[str, Future[T]] = {role: Future() for role in services}

    def work(role: str) -> None:
        try:
            ends[role].set_result(act(services[role]))
        except BaseException as error:  # noqa: BLE001 - raised below, where somebody can hear it
            ends[role].set_exception(error)

    begun: list[str] = []
    try:
        for role in services:
            begun.append(role)
            threading.Thread(target=work, args=(role,), name=role, daemon=True).start()
        wait(ends.values())
    except BaseException:
        wait([ends[role] for role in begun], timeout=STARTING_S)
        raise
    return {role: end.result() for role, end in ends.items()}


def require_fit(invocation: Invocation, roles: Sequence[str], *, restart: bool = False) -> None:
    """MachineLacks when the services that have to be started do not fit this machine together.

    Those that run are there already, and cost nothing here. Before a `restart` they are judged as well, as if
    nothing ran: what could never start is no reason to stop what does run.
    """
    starting = [role for role in roles if restart or invocation.engine_of(role).find(role) is None]
    if starting:
        from june_cli.planning import together

        together.require(invocation.roles, starting, idle=restart)


def prepared(invocation: Invocation, roles: Sequence[str], *, force: bool = False) -> dict[str, Placed]:
    """The Service of each role and its engine; its model fetched and whole, its image there."""
    for role in roles:
        invocation.roles.refuse_large_on_cpu(role)
    if not force:
        require_fit(invocation, roles)
    found = {}
    for role in roles:
        model = invocation.roles.model(role)
        if model:
            fetch.ensure(model, invocation.roles.models, invocation.out)
        else:
            where.checked(invocation.roles.own_folder(role))
        found[role] = Placed.of(invocation, role)
    for engine in {id(placed.engine): placed.engine for placed in found.values()}.values():
        engine.prepare([p.service for p in found.values() if p.engine is engine], invocation.out)
    return found


def start(services: Mapping[str, Placed], invocation: Invocation) -> dict[str, Running]:
    """Launch all, then wait for all together. NotReady names the first that failed, with its log.

    The one with the most to load goes first, for it will be ready last.
    """
    names = ", ".join(placed.service.name for placed in services.values())
    services = dict(sorted(services.items(), key=lambda entry: -_weight(entry[1].service)))
    if not services:
        return {}
    with invocation.out.progress(f"Starting {names}") as bar:
        running = side_by_side(lambda p: p.engine.launch(p.service, keep=False), services)
        for launched in running.values():
            if launched.replaced:
                invocation.out.note(f"{launched.service} did not run as it should run now; it was restarted.")
        waits = {role: Wait(p.engine, p.service, running[role]) for role, p in services.items()}
        tries = dict.fromkeys(waits, 1)
        pending = dict(waits)
        while pending:
            for role, wait in list(pending.items()):
                try:
                    if not wait.poll():
                        invocation.out.event(
                            "service-ready", service=role, seconds=time.monotonic() - wait.started
                        )
                        del pending[role]
                except NotReady as error:
                    if f"exit code {PORT_TAKEN_EXIT}" not in error.message or tries[role] >= PORT_TRIES:
                        raise
                    tries[role] += 1  # somebody took the port between our look and the service's bind
                    again = Wait(wait.engine, wait.service, wait.engine.launch(wait.service, keep=False))
                    waits[role] = pending[role] = again
            if pending:
                bar.update(
                    text="; ".join(f"{n} waits for {w.reason}" for n, w in pending.items() if w.reason)
                )
                early = any(time.monotonic() - wait.started < EAGER_S for wait in pending.values())
                time.sleep(POLL_S if early else LATE_POLL_S)
    for wait in waits.values():
        _tell_moved(invocation, wait)
    return {role: wait.running for role, wait in waits.items()}


def _weight(service: Service) -> int:
    """Bytes of its model."""
    files = [file for mount in service.mounts for file in mount.source.glob("*")]
    return sum(file.stat().st_size for file in files if file.is_file())


def _tell_moved(invocation: Invocation, wait: Wait) -> None:
    """Say who has the port that a service would rather have had."""
    if wait.joined:
        return
    for port in wait.service.ports:
        got = wait.running.ports.get(port.name, port.number)
        if got != port.number:
            who = wait.engine.holder(port.number) or "something else"
            invocation.out.note(
                f"{wait.service.name}: port {port.number} is taken by {who}; it listens on {got}."
            )


@dataclass(frozen=True)
class Planned:
    """What `--dry-run` prints: what has to be there first, then the line that starts each service."""

    profile: str
    engine: str
    fetch: tuple[str, ...]
    prerequisites: tuple[str, ...]
    run: tuple[str, ...]

    def blocks(self) -> list[str]:
        """Prerequisites first, then the lines, each of which a shell takes."""
        return [*(f"# fetch model {name}" for name in self.fetch), *self.prerequisites, *self.run]


def planned(invocation: Invocation, names: Sequence[str], *, keep: bool = False) -> Planned:
    """What `using` would do for these roles and companions, without doing any of it."""
    roles = with_needed(invocation, names)
    models = [invocation.roles.model(role) for role in roles]
    missing = [m.name for m in models if m and where.damage(m.folder(invocation.roles.models))]
    for role in roles:
        invocation.roles.refuse_large_on_cpu(role)
    beside = [name for name in names if name not in roles]
    placed = [Placed.of(invocation, name) for name in [*roles, *beside]]
    engines = {p.engine.name: p.engine for p in placed}
    before = [
        line
        for name, engine in engines.items()
        for line in engine.prerequisites([p.service for p in placed if p.engine.name == name])
    ]
    lines = tuple(p.engine.describe(p.service, keep=keep) for p in placed)
    return Planned(invocation.roles.profile, ", ".join(engines), tuple(missing), tuple(before), lines)
