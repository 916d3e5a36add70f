"""`june model plan`: will it fit, and if not, what does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from june_cli.errors import MachineLacks
from june_cli.output import Table
from june_cli.planning import machine as machines
from june_cli.planning import plan as planning
from june_cli.planning.plan import Demand, Plan
from june_cli.store.catalog import Model

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_cli.planning.machine import Machine


@dataclass(frozen=True)
class Weighed(Plan):
    """A plan as people and scripts read it."""

    @property
    def exit_code(self) -> int:
        """3 where it does not fit."""
        return 0 if self.fits else MachineLacks.exit_code

    def blocks(self) -> list[str | Table]:
        """The account, the verdict, and what would fit instead."""
        rows = [(name.replace("_", " "), f"{size:.2f} GiB") for name, size in self.parts.items()]
        rows += [("needed", f"{self.need_gib:.2f} GiB"), ("there is", f"{self.have_gib:.2f} GiB")]
        title = f"{self.model} on {self.gpu}, {self.context} tokens, {self.concurrency} at once"
        how = "" if self.exact else " (weights computed, not measured)"
        verdict = f"{'fits' if self.fits else 'does not fit'}: {self.reason}{how}"
        instead = f"what fits: {'; '.join(self.alternatives)}"
        return [Table(("", ""), rows, title=title), verdict, *([instead] if self.alternatives else [])]


def weigh(june: Invocation, name: str, *, gpu: str | None, demand: Demand, beside: Sequence[str]) -> Weighed:
    """The plan of one model, for this machine or a named one."""
    roles = june.roles
    model = roles.catalog.get(name)
    found = planning.plan(
        model,
        june.paths.models,
        machines.of(gpu) if gpu else machines.here(),
        demand,
        beside=[_beside(june, one) for one in beside],
        catalog=roles.catalog,
    )
    return Weighed(**{field.name: getattr(found, field.name) for field in fields(found)})


def _beside(june: Invocation, name: str) -> Model:
    """A model by name, or the one that fills a role of the profile."""
    if name in june.roles.roles:
        return june.roles.catalog.get(june.roles.model_name(name))
    return june.roles.catalog.get(name)


def verdict(model: Model, june: Invocation, machine: Machine) -> str:
    """One word for a list: yes, or why not in a few."""
    found = planning.plan(model, june.paths.models, machine, Demand())
    if found.fits:
        return "yes"
    return f"no, {found.need_gib:.0f} GiB" if found.need_gib > found.have_gib else "no"
