"""The one lookup of a Service by name, across plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from june_cli import nearest
from june_cli.errors import JuneError, UsageProblem
from june_cli.plugins import Plugin
from june_cli.spec import Choice, Service

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

Builder = Callable[[Choice], Service]
T = TypeVar("T")


@dataclass(frozen=True)
class Companion:
    """A service beside those of a profile, a bot for one: it fills no role, and uses those that do.

    `make` gets the run and, by role, the `host:port` at which each of the services it needs is reached from
    where it will run itself.
    """

    needs: tuple[str, ...]
    make: Callable[[Invocation, Mapping[str, str]], Service]


def builders(known: Mapping[str, Plugin]) -> dict[str, Builder]:
    """Every Service that a plugin can make for a role, by name."""
    return _offered(known, "SERVICES")


def companions(known: Mapping[str, Plugin]) -> dict[str, Companion]:
    """Every companion that a plugin offers, by name."""
    return _offered(known, "COMPANIONS")


def _offered(known: Mapping[str, Plugin], table: str) -> dict[str, T]:
    """What the plugins' `services.py` have in a table of that name.

    A plugin that does not import is passed over: its own command explains it, and what it would have
    offered is then missing by name. Two of one name are an error that names both plugins.
    """
    found: dict[str, T] = {}
    owners: dict[str, str] = {}
    for plugin in known.values():
        try:
            offered: Mapping[str, T] = plugin.part("services", table, {}, may_lack=True)
        except JuneError:
            continue
        for name, builder in offered.items():
            if name in found:
                raise JuneError(
                    "service-twice",
                    f"plugins {owners[name]!r} and {plugin.name!r} both offer a service {name!r}.",
                    hint="uninstall one of them",
                )
            found[name], owners[name] = builder, plugin.name
    return found


def get(name: str, choice: Choice, known: Mapping[str, Plugin]) -> Service:
    """The Service of that name, made for a choice of model. UsageProblem names the nearest otherwise."""
    offered = builders(known)
    if name not in offered:
        hint = nearest.hint(name, sorted(offered))
        raise UsageProblem("service-unknown", f"no plugin offers a service {name!r}.", hint=hint)
    return offered[name](choice)


def require_loader(choice: Choice, known: Iterable[str], cpu_only: Iterable[str]) -> None:
    """A loader that does not exist, or that would take a CPU in silence where a GPU was asked for."""
    if choice.loader not in known:
        raise UsageProblem(
            "loader-unknown",
            f"{choice.loader!r} is no loader for {choice.role}.",
            hint=f"known: {', '.join(sorted(known))}",
        )
    if choice.loader in cpu_only and choice.device != "cpu":
        raise UsageProblem(
            "device-unsupported", f"{choice.loader} runs on the CPU only.", hint='device = "cpu"'
        )
