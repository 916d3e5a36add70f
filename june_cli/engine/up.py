"""Brings services up together, and down again when nobody asked to keep them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.assistant.ports import PORT_TAKEN_EXIT
from june_cli.engine import Engine, Running
from june_cli.engine.ready import POLL_S, Wait
from june_cli.engine.signals import uninterrupted
from june_cli.errors import NotReady
from june_cli.spec import Service
from june_cli.store import fetch, where

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

PORT_TRIES = 3


@contextmanager
def using(
    invocation: Invocation, roles: Sequence[str], *, keep: bool = False
) -> Iterator[dict[str, Running]]:
    """The services of some roles, by role, ready for the length of the block.

    Models are fetched first. Services that run already are joined. Afterwards this run lets go of them:
    those it started end, unless `keep`, or another june uses them.
    """
    services = prepared(invocation, roles)
    engine = invocation.engine
    try:
        running = start(engine, list(services.values()), invocation)
        if keep:
            for service in services.values():
                engine.launch(service, keep=True)
        yield {role: running[service.name] for role, service in services.items()}
    finally:
        with uninterrupted():  # a first Ctrl-C that comes this late must not leave half of them running
            for service in services.values():
                engine.release(service.name)


def prepared(invocation: Invocation, roles: Sequence[str]) -> dict[str, Service]:
    """The Service of each role, its model fetched and whole."""
    found = {}
    for role in roles:
        model = invocation.roles.model(role)
        if model:
            fetch.ensure(model, invocation.roles.models, invocation.out)
        else:
            where.checked(invocation.roles.own_folder(role))
        found[role] = invocation.roles.service(role)
    return found


def start(engine: Engine, services: Sequence[Service], invocation: Invocation) -> dict[str, Running]:
    """Launch all, then wait for all together. NotReady names the first that failed, with its log."""
    names = ", ".join(service.name for service in services)
    with invocation.out.progress(f"Starting {names}") as bar:
        waits = {s.name: Wait(engine, s, engine.launch(s, keep=False)) for s in services}
        tries = dict.fromkeys(waits, 1)
        pending = dict(waits)
        while pending:
            for name, wait in list(pending.items()):
                try:
                    if not wait.poll():
                        invocation.out.event(
                            "service-ready", service=name, seconds=time.monotonic() - wait.started
                        )
                        del pending[name]
                except NotReady as error:
                    if f"exit code {PORT_TAKEN_EXIT}" not in error.message or tries[name] >= PORT_TRIES:
                        raise
                    tries[name] += 1  # somebody took the port between our look and the service's bind
                    again = Wait(engine, wait.service, engine.launch(wait.service, keep=False))
                    waits[name] = pending[name] = again
            if pending:
                bar.update(
                    text="; ".join(f"{n} waits for {w.reason}" for n, w in pending.items() if w.reason)
                )
                time.sleep(POLL_S)
        return {name: wait.running for name, wait in waits.items()}


@dataclass(frozen=True)
class Planned:
    """What `--dry-run` prints: per service the models it would fetch and the line that would start it."""

    profile: str
    engine: str
    fetch: tuple[str, ...]
    run: tuple[str, ...]

    def blocks(self) -> list[str]:
        """Prerequisites first, then the lines, each of which a shell takes."""
        return [*(f"# fetch model {name}" for name in self.fetch), *self.run]


def planned(invocation: Invocation, roles: Sequence[str]) -> Planned:
    """What `using` would do for these roles, without doing any of it."""
    engine, all_roles = invocation.engine, invocation.roles
    models = [all_roles.model(role) for role in roles]
    missing = [m.name for m in models if m and where.damage(m.folder(all_roles.models))]
    lines = tuple(engine.describe(all_roles.service(role)) for role in roles)
    return Planned(all_roles.profile, engine.name, tuple(missing), lines)
