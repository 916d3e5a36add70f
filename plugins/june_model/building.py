"""`june model build`: from a model of the store to what a server loads, in stages that are recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from june_cli.assistant import weights
from june_cli.assistant.repository import served_name
from june_cli.errors import JuneError, MachineLacks, UsageProblem
from june_cli.paths import made, shared
from june_cli.planning import machine as machines
from june_cli.planning import plan as planning
from june_cli.planning.machine import Machine
from june_cli.planning.plan import Demand
from june_cli.store.catalog import Model
from june_cli.store.writer import locked
from june_model import entries, recipe, validation
from june_model.identity import Identity
from june_model.recipe import Recipe, Wanted
from june_model.stages import Stages

if TYPE_CHECKING:
    from pathlib import Path

    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class Built:
    """The product, and which stages had to run; for a dry run the line of each, which a shell takes."""

    model: str
    entry: str
    stages: Mapping[str, str]
    identity: Identity
    next: str = ""
    lines: Sequence[str] = ()

    def blocks(self) -> list[str]:
        """A line a stage, and what comes next."""
        if self.lines:
            return list(self.lines)
        return [
            *(f"{name}: {how}" for name, how in self.stages.items()),
            self.entry,
            f"next: {self.next}",
        ]


@dataclass(frozen=True)
class Order:
    """One build: what was asked for, of which model, how, on which machine."""

    wanted: Wanted
    model: Model
    recipe: Recipe
    machine: Machine

    @property
    def demand(self) -> Demand:
        """What the product has to bear; the servers of TensorRT-LLM are told this many at once."""
        return Demand(self.wanted.context or entries.context_of(self.recipe))

    @property
    def served(self) -> Model:
        """What takes the memory: the model, or what is to be made of it, as far as a plan needs it."""
        return entries.quantized(self.model, self.recipe) if self.recipe.quant else self.model

    @property
    def product(self) -> str:
        """The model a server is given: a quantized checkpoint is one of its own, an engine is not."""
        return self.model.name if self.recipe.engine else self.served.name


def build(june: Invocation, wanted: Wanted) -> Built:
    """Prepare what the server loads. Two builds of one model at once meet on a lock."""
    from june_model import gpu_building

    model = june.roles.catalog.get(wanted.name)
    if wanted.gpu and not june.words.dry_run:
        raise UsageProblem(
            "gpu-elsewhere", "--gpu is about a machine that is not this one.", hint="with --dry-run"
        )
    on_cpu = model.loader == "gguf" and not wanted.gpu
    machine = machines.of(wanted.gpu) if wanted.gpu else machines.cpu() if on_cpu else machines.here()
    order = Order(wanted, model, recipe.of(model, wanted, machine), machine)
    if order.recipe.on_cpu:
        return _on_cpu(june, order)
    return gpu_building.build(june, order)


def under_way(june: Invocation, name: str) -> Path:
    """The folder of a build, which only one june at a time works in: see `locked` there."""
    shared(june.paths.repository)
    return made(workshop(june.paths.repository) / name)


def _on_cpu(june: Invocation, order: Order) -> Built:
    repository, model = june.paths.repository, order.model
    if june.words.dry_run:
        entry = str(repository / served_name(model.name))
        return Built(model.name, entry, {}, entries.identity(order), lines=_lines(june, model))
    folder = under_way(june, model.name)
    with locked(folder / "lock", lambda: june.out.remark("Another june is building it; waiting.")):
        with june.out.progress(f"Building {model.name}") as bar:
            stages = Stages(folder / "stages.json", lambda name: bar.update(text=name))
            return _staged(june, order, stages)


def _staged(june: Invocation, order: Order, stages: Stages) -> Built:
    """The stages in order."""
    repository = june.paths.repository
    plan_and_fetch(june, order, stages)
    model = entries.pinned(june, order.model)
    name, source, files = served_name(model.name), model.folder(june.paths.models), entries.sums(june, model)
    stages.run("quantize", {"quant": model.quant, "files": files}, lambda: None)
    identity, entry = entries.identity(order, model), repository / name
    inputs = entries.inputs(identity, files)
    lay_out = partial(entries.for_llama, source, entry, list(files), identity)
    stages.run("lay out", inputs, lay_out, there=entry.is_dir())
    stages.run("validate", inputs, partial(require_valid, repository, name), there=False)
    return Built(model.name, str(entry), stages.how, identity, next=f"june model load {model.name}")


def plan_and_fetch(june: Invocation, order: Order, stages: Stages) -> None:
    """The first two stages, which every build has. Both are looked at again each time."""
    from june_cli.store import fetch

    model, demand, force = order.model, order.demand, order.wanted.force
    if order.machine.is_cpu:
        weights.refuse_large_on_cpu(model.parameters, model.name)
    fits = partial(require_fit, june, order.served, demand, order.machine, force=force)
    stages.run("plan", {"context": demand.context, "gpu": order.machine.name}, fits, there=False)
    stages.run("fetch", {}, lambda: fetch.ensure(model, june.paths.models, june.out), there=False)


def require_fit(june: Invocation, model: Model, demand: Demand, machine: Machine, *, force: bool) -> None:
    """MachineLacks for a plan that does not fit a machine. No force takes 30 B parameters onto a CPU."""
    found = planning.plan(model, june.paths.models, machine, demand, catalog=june.roles.catalog)
    if found.fits or (force and not (machine.is_cpu and model.parameters >= weights.LARGE)):
        return
    instead = f"what fits: {'; '.join(found.alternatives)}" if found.alternatives else ""
    raise MachineLacks(
        "plan-does-not-fit",
        f"{model.name} does not fit: {found.reason}.",
        hint=instead or "--force tries anyway",
    )


def workshop(repository: Path) -> Path:
    """Where builds are under way. Triton takes every folder of the repository itself for a model."""
    return repository.with_name("builds")


def require_valid(repository: Path, name: str) -> None:
    """JuneError that names every problem of an entry."""
    found = validation.problems(repository, name)
    if found:
        raise JuneError(
            "entry-invalid",
            f"{name} cannot be loaded: {'; '.join(map(str, found))}.",
            hint=f"june model repo remove {name}, then june model build {name}",
        )


def _lines(june: Invocation, model: Model) -> list[str]:
    """What each stage would run on a CPU."""
    target = june.paths.repository / served_name(model.name)
    source = model.folder(june.paths.models)
    return [
        f"# plan: june model plan {model.name} --gpu cpu",
        *entries.fetch_line(june, model),
        f"# quantize: nothing, {model.quant or 'these weights'} pass through",
        f"# lay out\nmkdir -p {target}/1/weights && ln {source}/*.gguf {target}/1/weights/",
        f"# validate: june model repo validate {model.name}",
    ]
