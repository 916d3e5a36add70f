"""Do the models of several services fit this machine together? Asked before anything is fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from june_cli.errors import JuneError, MachineLacks
from june_cli.planning import machine as machines
from june_cli.planning import plan as planning
from june_cli.planning.machine import GIB, Machine
from june_cli.planning.plan import Demand
from june_cli.store.catalog import Catalog, Model

if TYPE_CHECKING:
    from june_cli import gpu
    from june_cli.roles import Roles

FORCE = "june serve --force tries anyway"
NEAREST = 2  # that a hint names


@dataclass(frozen=True)
class Wanted:
    """A role whose service is to be started; `models` is the store that its model is in, or will be."""

    role: str
    model: Model
    models: Path
    cuda: bool
    demand: Demand

    def need(self, machine: Machine) -> float:
        """Bytes, by the account of `june model plan`."""
        return sum(planning.parts_of(self.model, self.models, machine, self.demand)[0].values())


def require(
    roles: Roles,
    names: Sequence[str],
    *,
    idle: bool = False,
    tool: gpu.Tool | None = None,
    read: gpu.Read | None = None,
) -> None:
    """MachineLacks `plan-does-not-fit` when these roles cannot be started side by side.

    What is not known refuses nothing: why there is no GPU, the engine says better. `idle`: as if nothing ran
    here. No GPU is looked for unless a role is to run on one.
    """
    wanted = [_wanted(roles, name) for name in names]
    card = None
    if any(one.cuda for one in wanted):
        with contextlib.suppress(JuneError):
            card = machines.first_gpu(tool, read)
    cpu = machines.cpu(read)
    if idle:
        card, cpu = card and card.idle(), cpu.idle()
    error = refusal(wanted, card, cpu, roles.catalog, roles.profile)
    if error:
        raise error


def refusal(
    wanted: Sequence[Wanted], card: Machine | None, cpu: Machine, catalog: Catalog, profile: str
) -> MachineLacks | None:
    """Why these cannot run side by side, or None. Without a card, those that want one are left out.

    Those on the GPU share its memory, the others the system's; where both are one, all share that. The hint
    names what would fit in the place of the one that cannot run, or of the largest.
    """
    placed = [(one, machine) for one in wanted if (machine := card if one.cuda else cpu)]
    for one, machine in placed:
        why = planning.refused(one.model, machine)
        if why:
            where = "the CPU" if machine.is_cpu else machine.name
            message = f"{one.model.name} does not run here, on {where}: {why}."
            return _error(message, one, machine, machine.have, catalog, profile)
    shared = card if card and card.unified else None
    for memory in (card, cpu):
        sharing = [(one, machine) for one, machine in placed if (shared or machine) is memory]
        needs = {one.role: one.need(machine) for one, machine in sharing}
        total = sum(needs.values())
        if memory is None or not memory.memory or total <= memory.have:
            continue  # a system that does not tell its memory has 0
        largest, machine = max(sharing, key=lambda pair: needs[pair[0].role])
        left = memory.have - int(total - needs[largest.role])
        return _error(_too_much(needs, memory), largest, machine, left, catalog, profile)
    return None


def _wanted(roles: Roles, name: str) -> Wanted:
    """A folder of one's own is measured like a model of the store that it is in."""
    role, model, models = roles.role(name), roles.model(name), roles.models
    if model is None:
        folder = roles.own_folder(name)
        models = folder.parent
        model = Model(folder.name, "", name, role.loader, "", "", parameters=0, sources=(), quant=role.quant)
    demand = Demand(role.context_tokens or planning.CONTEXT)
    return Wanted(name, model, models, role.device == "cuda", demand)


def _too_much(needs: Mapping[str, float], memory: Machine) -> str:
    """One sentence: what each needs, and what there is."""
    whose = "the system" if memory.is_cpu else memory.name
    there = f"{_gib(memory.have)} of {_gib(memory.memory)} GiB of memory of {whose} can be used"
    if memory.unified:
        there += ", which shares it with the system"
    if len(needs) == 1:
        (role,) = needs
        return f"{role} does not fit this machine: it needs {_gib(needs[role])} GiB, and {there}."
    each = [f"{role} {_gib(size)} GiB" for role, size in sorted(needs.items(), key=lambda entry: -entry[1])]
    return (
        f"{_listed(list(needs))} do not fit this machine together: they need {_gib(sum(needs.values()))} GiB "
        f"({', '.join(each)}), and {there}."
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _error(
    message: str, one: Wanted, machine: Machine, left: int, catalog: Catalog, profile: str
) -> MachineLacks:
    """The error, and what would fit into the memory that is left for one role, in what serves it now."""
    alike = Catalog({m.name: m for m in catalog.models.values() if m.loader == one.model.loader})
    room = replace(machine, have=left)
    found = planning.plan(one.model, one.models, room, one.demand, catalog=alike).alternatives
    settings = ", or ".join(_setting(words) for words in found[:NEAREST])
    instead = f"what fits, in [profiles.{profile}.{one.role}]: {settings}; " if settings else ""
    return MachineLacks("plan-does-not-fit", message, hint=instead + FORCE)


def _setting(words: str) -> str:
    """An alternative of a plan, `NAME --context TOKENS` or a part of that, as a profile has it."""
    name, _, tokens = words.partition("--context ")
    settings = (f'model = "{name.strip()}"' if name else "", f"context_tokens = {tokens}" if tokens else "")
    return " with ".join(setting for setting in settings if setting)


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}"
