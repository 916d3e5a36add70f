"""Starts and stops a profile's services, and shows what they say."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from june_cli import nearest
from june_cli.engine import that_logged
from june_cli.engine.up import planned, require_fit, side_by_side, using, with_needed
from june_cli.errors import JuneError, NotReady, UsageProblem
from june_serve.status import Statuses, beside, status_all

if TYPE_CHECKING:
    from june_cli.engine.up import Planned
    from june_cli.invocation import Invocation


def start_all(june: Invocation, names: Sequence[str] | None, *, force: bool = False) -> Statuses | Planned:
    """Bring services up together and leave them."""
    roles = known(june, names)
    if june.words.dry_run:
        return planned(june, roles, keep=True)
    with using(june, roles, keep=True, force=force) as running:
        pass
    return status_all(june, running)


def foreground(june: Invocation, names: Sequence[str] | None, *, force: bool = False) -> None:
    """Bring services up and show what they say until one ends or Ctrl-C; those it started end too."""
    roles = known(june, names)
    with using(june, roles, force=force) as running:
        june.out.note(f"{', '.join(roles)}: ready. Ctrl-C ends.")
        ended = follow_all(june, roles, until_first=True)
        why = june.engine_of(ended).alive(running[ended])
        raise NotReady(
            "service-lost", f"{ended} has ended{f': {why}' if why else ''}.", hint=f"june serve logs {ended}"
        )


def restart_all(june: Invocation, names: Sequence[str] | None, *, force: bool = False) -> Statuses | Planned:
    """Stop services and start them again; those that could never start are refused before any is stopped."""
    if not june.words.dry_run:
        if not force:
            require_fit(june, with_needed(june, known(june, names)), restart=True)
        stop_all(june, names)
    return start_all(june, names, force=force)


def stop_all(june: Invocation, names: Sequence[str] | None) -> Statuses:
    """Stop services, side by side; those that do not run are no error."""
    roles = known(june, names, running=True)
    if not june.words.dry_run:
        stops = {role: partial(june.engine_of(role).stop, role) for role in roles}
        with june.out.progress(f"Stopping {', '.join(roles)}"):
            side_by_side(lambda stop: stop(), stops)
    return status_all(june)


def show_logs(june: Invocation, names: Sequence[str] | None, lines: int) -> None:
    """The tails of the logs: text with the service in front, or JSON lines."""
    roles = known(june, names, running=True)
    for role in roles:
        for line in that_logged(june, role).log_tail(role, lines):
            _show(june, role, line, several=len(roles) > 1)


def follow_all(june: Invocation, roles: Sequence[str], *, until_first: bool = False) -> str:
    """Show what services say from now on, until all have ended, or the first; returns the last that ended."""
    said: queue.Queue[tuple[str, str | JuneError | None]] = queue.Queue(maxsize=1000)

    def listen(role: str) -> None:
        try:
            for line in june.engine_of(role).follow(role):
                said.put((role, line))
            june.engine_of(role).ended(role)  # fails where not the service has ended but its engine
        except JuneError as error:
            said.put((role, error))
        said.put((role, None))

    for role in roles:
        june.engine_of(role)
        threading.Thread(target=listen, args=(role,), name=f"logs-{role}", daemon=True).start()
    left, last = set(roles), ""
    while left:
        role, line = said.get()
        if isinstance(line, JuneError):
            raise line
        if line is not None:
            _show(june, role, line, several=len(roles) > 1)
            continue
        left.discard(role)
        last = role
        if until_first:
            break
    return last


def _show(june: Invocation, role: str, line: str, *, several: bool) -> None:
    june.out.record({"service": role, "line": line})
    june.out.write(f"{role}: {line}\n" if several else f"{line}\n")


def known(june: Invocation, names: Sequence[str] | None, *, running: bool = False) -> list[str]:
    """The services that were named, each once. Without names all of the profile, and where `running` counts,
    the companions that run or were to stay.
    """
    offered = [*june.roles.roles, *june.companions]
    for name in names or ():
        if name not in offered:
            hint = nearest.hint(name, offered)
            raise UsageProblem(
                "service-unknown", f"profile {june.roles.profile!r} has no {name!r}.", hint=hint
            )
    return list(dict.fromkeys(names or [*june.roles.roles, *(beside(june) if running else ())]))
