"""What runs, and how it is."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from june_cli.engine.ready import BROKEN, ready_now
from june_cli.engine.up import Placed, side_by_side
from june_cli.errors import JuneError
from june_cli.output import Table
from june_cli.spec import Port, Ready, Service

if TYPE_CHECKING:
    from june_cli.engine import Engine, Running
    from june_cli.invocation import Invocation

WATCH_S = 2.0


@dataclass(frozen=True)
class ServiceStatus:
    """One service. state: starting, ready, degraded, failed, stopped; `reason` says why it is not ready."""

    service: str
    engine: str
    state: str
    reason: str
    ports: Mapping[str, int]
    model: str
    kept: bool
    uptime_s: float
    memory_bytes: int
    gpu: str
    image: str


@dataclass(frozen=True)
class Statuses:
    """All services of the profile."""

    profile: str
    services: Sequence[ServiceStatus]

    def blocks(self) -> list[Table]:
        """A row a service; a column that would be empty for all is left out."""
        rows = [
            (
                s.service,
                s.engine,
                f"{s.state}{f' ({s.reason})' if s.reason else ''}",
                ", ".join(f"{name} {port}" for name, port in s.ports.items()),
                s.model,
                _age(s.uptime_s),
                f"{s.memory_bytes / 1e6:.0f} MB" if s.memory_bytes else "",
                s.gpu,
                s.image,
            )
            for s in self.services
        ]
        names = ("service", "engine", "state", "port", "model", "up", "memory", "GPU", "image")
        shown = [i for i in range(len(names)) if i < 5 or any(row[i] for row in rows)]
        return [Table([names[i] for i in shown], [[row[i] for i in shown] for row in rows])]


def _age(seconds: float) -> str:
    if not seconds:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def status_all(june: Invocation, answered: Mapping[str, Running] | None = None) -> Statuses:
    """Services of the profile as they are now, and companions that run or were to stay, side by side.

    Those that have `answered` a moment ago are not asked again.
    """
    known = answered or {}
    looks = {
        role: partial(_status, june, role, _placed(june, role), known.get(role))
        for role in [*june.roles.roles, *(answered or ()), *beside(june)]
    }
    return Statuses(june.roles.profile, list(side_by_side(lambda look: look(), looks).values()))


def beside(june: Invocation) -> list[str]:
    """The companions that run, or were to and have ended."""
    found = []
    for name in june.companions:
        engine = june.engine_of(name)
        if engine.find(name) or engine.ended(name):
            found.append(name)
    return found


def watch(june: Invocation) -> None:
    """The status every two seconds until somebody interrupts: a screen, or JSON lines."""
    while True:
        statuses = status_all(june)
        if june.out.json:
            june.out.record(statuses)
        else:
            if june.out.terminal:
                june.out.write("\x1b[H\x1b[2J")
            june.out.show(statuses)
        time.sleep(WATCH_S)


def _placed(june: Invocation, name: str) -> Placed | None:
    """None for a companion that runs and that the configuration of now could not make."""
    try:
        return Placed.of(june, name)
    except JuneError:
        if name in june.companions:
            return None
        raise


def _status(june: Invocation, role: str, placed: Placed | None, answered: Running | None) -> ServiceStatus:
    engine = placed.engine if placed else june.engine_of(role)
    needed = placed.service.gpu if placed else None
    running = answered or engine.find(role)
    gpu = ("all" if needed.count < 0 else str(needed.count)) if needed else ""
    if running is None:
        why = engine.ended(role)
        state = "failed" if why else "stopped"
        model = "" if role in june.companions else june.roles.model_name(role)
        return ServiceStatus(role, engine.name, state, why, {}, model, bool(why), 0.0, 0, gpu, "")
    state, reason = ("ready", "") if answered else _condition(placed or _own(engine, running), running)
    return ServiceStatus(
        service=role,
        engine=engine.name,
        state=state,
        reason=reason,
        ports=running.ports,
        model=running.model,
        kept=running.kept,
        uptime_s=max(0.0, time.time() - running.started_at),
        memory_bytes=engine.memory_bytes(running),
        gpu=gpu,
        image=running.image,
    )


def _own(engine: Engine, running: Running) -> Placed:
    """A service of which no more is known than that it runs, and where it listens."""
    ports = tuple(Port(name, number, "") for name, number in running.ports.items())
    service = Service(running.service, "", "", (), ports=ports, ready=Ready("http", path="/health"))
    return Placed(engine, service)


def _condition(placed: Placed, running: Running) -> tuple[str, str]:
    """State and reason of a service that runs."""
    ended = placed.engine.alive(running)
    if ended:  # in between, or for good: paused, for one
        return "failed", ended
    awaited = ready_now(placed.engine, placed.service, running)
    trouble = placed.engine.trouble(running)
    if awaited:
        age_s = time.time() - running.started_at
        young = age_s < placed.service.ready.deadline_s and BROKEN not in awaited
        if trouble or not young:
            return "degraded", trouble or f"it does not answer: waits for {awaited}"
        return "starting", f"waits for {awaited}"
    if trouble:
        return "degraded", trouble
    changed = running.spec_hash != placed.service.hash
    return (
        "ready",
        "runs with other settings than those of now; june serve applies them" if changed else "",
    )
