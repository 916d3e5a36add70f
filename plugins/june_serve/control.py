"""Starts, stops and looks at a profile's services."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli import nearest
from june_cli.engine import Engine
from june_cli.engine.ready import ready_now
from june_cli.engine.up import planned, using
from june_cli.errors import UsageProblem
from june_cli.output import Table

if TYPE_CHECKING:
    from june_cli.engine.up import Planned
    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class ServiceStatus:
    """One service. state: starting, ready, stopped; `reason` says what is awaited."""

    service: str
    engine: str
    state: str
    reason: str
    ports: Mapping[str, int]
    model: str
    kept: bool
    uptime_s: float
    memory_bytes: int


@dataclass(frozen=True)
class Statuses:
    """All services of the profile."""

    profile: str
    services: Sequence[ServiceStatus]

    def blocks(self) -> list[Table]:
        """A row a service."""
        rows = [
            (
                s.service,
                s.engine,
                f"{s.state}{f' ({s.reason})' if s.reason else ''}",
                ", ".join(f"{name} {port}" for name, port in s.ports.items()),
                s.model,
                _age(s.uptime_s),
                f"{s.memory_bytes / 1e6:.0f} MB" if s.memory_bytes else "",
            )
            for s in self.services
        ]
        return [Table(("service", "engine", "state", "port", "model", "up", "memory"), rows)]


def _age(seconds: float) -> str:
    if not seconds:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def start_all(june: Invocation, names: Sequence[str] | None) -> Statuses | Planned:
    """Bring services up together and leave them."""
    roles = _roles(june, names)
    if june.words.dry_run:
        return planned(june, roles)
    with using(june, roles, keep=True):
        pass
    return status_all(june)


def stop_all(june: Invocation, names: Sequence[str] | None) -> Statuses:
    """Stop services; those that do not run are no error."""
    engine = june.engine
    for role in _roles(june, names):
        if not june.words.dry_run:
            engine.stop(june.roles.role(role).service)
    return status_all(june)


def status_all(june: Invocation) -> Statuses:
    """Every service of the profile as it is now."""
    engine = june.engine
    return Statuses(june.roles.profile, [_status(june, engine, role) for role in june.roles.roles])


def _status(june: Invocation, engine: Engine, role: str) -> ServiceStatus:
    name = june.roles.role(role).service
    running = engine.find(name)
    if running is None:
        return ServiceStatus(name, engine.name, "stopped", "", {}, june.roles.model_name(role), False, 0.0, 0)
    awaited = ready_now(engine, june.roles.service(role), running)
    return ServiceStatus(
        service=name,
        engine=engine.name,
        state="starting" if awaited else "ready",
        reason=f"waits for {awaited}" if awaited else "",
        ports=running.ports,
        model=running.model,
        kept=running.kept,
        uptime_s=max(0.0, time.time() - running.started_at),
        memory_bytes=engine.memory_bytes(running),
    )


def show_logs(june: Invocation, names: Sequence[str] | None, lines: int) -> None:
    """The tails of the logs: text with the service in front, or JSON lines."""
    engine, roles = june.engine, _roles(june, names)
    for role in roles:
        name = june.roles.role(role).service
        for line in engine.log_tail(name, lines):
            june.out.record({"service": name, "line": line})
            june.out.write(f"{name}: {line}\n" if len(roles) > 1 else f"{line}\n")


def _roles(june: Invocation, names: Sequence[str] | None) -> list[str]:
    known = list(june.roles.roles)
    for name in names or ():
        if name not in known:
            hint = nearest.hint(name, known)
            raise UsageProblem(
                "service-unknown", f"profile {june.roles.profile!r} has no {name!r}.", hint=hint
            )
    return list(names or known)
