"""What a build leaves behind, put together beside its place and then moved there: nobody sees half of one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.assistant import tensors, trtllm
from june_cli.assistant.repository import served_name
from june_cli.paths import made, writable
from june_cli.store import repair
from june_cli.store.catalog import UNPINNED, Catalog, Model
from june_model import validation
from june_model.identity import Identity
from june_model.recipe import Recipe

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_model.building import Order


def context_of(recipe: Recipe) -> int:
    """Tokens of context where nobody says."""
    from june_cli.planning.plan import CONTEXT

    return CONTEXT if recipe.on_cpu else trtllm.DEFAULT_CONTEXT


def identity(order: Order, model: Model | None = None, image: str = "") -> Identity:
    """What a product of this order is, made of `model` as the store has it."""
    recipe, capability = order.recipe, order.machine.capability
    served = model or order.model
    return Identity(
        model=served.name,
        revision=served.revision,
        quant=recipe.result,
        server=recipe.server,
        capability="cpu" if recipe.on_cpu else f"{capability[0]}.{capability[1]}",
        tensor_parallel=1,
        context_tokens=order.wanted.context if recipe.on_cpu else order.demand.context,
        image=image,
        sequences=0 if recipe.on_cpu else trtllm.SEQUENCES,
        engine=recipe.engine,
    )


def inputs(made_of: Identity, files: Mapping[str, str]) -> dict[str, Any]:
    """What goes into laying an entry out: for a CPU also June's own configuration of the model."""
    config = tensors.config(made_of.model) if made_of.capability == "cpu" else ""
    return {"identity": asdict(made_of), "files": dict(files), "config": config}


def pinned(june: Invocation, model: Model) -> Model:
    """The model as a first download has pinned it just now."""
    return Catalog.load(june.paths).get(model.name)


def sums(june: Invocation, model: Model) -> dict[str, str]:
    """The checksum of each file of a model of the store."""
    manifest = repair.manifest(model.folder(june.paths.models))
    return {entry["name"]: entry["sha256"] for entry in manifest["files"]}


def quantized(model: Model, recipe: Recipe) -> Model:
    """What ModelOpt makes of a model, for a plan and for the catalog: a model of its own."""
    return replace(
        model,
        name=f"{model.name}-june-{recipe.quant}",
        summary=f"{model.name}, quantized here to {recipe.result}",
        quant=recipe.result,
        revision=UNPINNED,
        files=(),
        bytes=0,
        capability="",
    )


def for_llama(source: Path, entry: Path, files: Sequence[str], made_of: Identity) -> None:
    """An entry whose program is the one in June's own Triton image."""

    def write(staging: Path) -> None:
        (staging / "1").mkdir(parents=True)
        config = tensors.config(entry.name, context_tokens=made_of.context_tokens)
        (staging / validation.CONFIG).write_text(config, "utf-8")
        (staging / "1" / "model.py").write_text(tensors.MODEL, "utf-8")
        link(source, staging / "1" / "weights", files)

    place(entry, made_of, write)


def place(target: Path, made_of: Identity, write: Callable[[Path], None]) -> None:
    """Have a folder written beside its place, with its identity, and move it; containers may read it."""
    with writable(target.parent):
        build = made(target.parent.with_name("builds") / target.name)
        staging = build / f"staging-{target.parent.name}"
        shutil.rmtree(staging, ignore_errors=True)
        write(staging)
        made_of.write(staging)
        for path in (staging, *staging.rglob("*")):
            path.chmod(0o755 if path.is_dir() else path.stat().st_mode | 0o444)
        old = staging.with_name("old")
        shutil.rmtree(old, ignore_errors=True)
        if target.exists():
            target.rename(old)
        staging.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def link(source: Path, folder: Path, files: Sequence[str]) -> None:
    """The same files by other names where the disk allows it, which takes no room; else copies."""
    for name in files:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / name, target)
        except OSError:
            shutil.copyfile(source / name, target)


def fetch_line(june: Invocation, model: Model) -> list[str]:
    """The line of the stage that fetches."""
    from june_cli.engine.process import ProcessEngine
    from june_cli.store import fetch

    engine = ProcessEngine(june.paths.state / "services")
    return [f"# fetch\n{engine.describe(fetch.job(model, june.paths.models), keep=False)}"]


def prepared(june: Invocation, model: str) -> Path:
    """Where what trtllm-serve is to load of a model is kept."""
    return june.paths.prepared / served_name(model)
