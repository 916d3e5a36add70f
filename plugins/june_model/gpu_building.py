"""A build for a GPU: ModelOpt and the layout run in NVIDIA's images. Not run on a GPU yet."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.assistant import trtllm
from june_cli.assistant.repository import served_name
from june_cli.engine.building import recorded
from june_cli.engine.images import Images
from june_cli.errors import MachineLacks
from june_cli.paths import made, shared
from june_cli.planning import machine as machines
from june_cli.planning import plan as planning
from june_cli.spec import Job
from june_cli.store import fetch, pins, where
from june_cli.store.catalog import Model
from june_cli.store.writer import locked
from june_model import adding, building, calibration, entries, gpu_jobs
from june_model.building import Built, Order
from june_model.identity import Identity
from june_model.stages import Stages

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

PTQ_ROOM = 1.2  # of the weights, in the memory of GPU and host
GIB = 1024**3
OUT, CHECKPOINT, MADE = "out", "checkpoint", "quantized.json"


def build(june: Invocation, order: Order) -> Built:
    """All stages, or with --dry-run their lines."""
    if order.wanted.calibration:
        calibration.texts(Path(order.wanted.calibration))
    if june.words.dry_run:
        target = _target(june, order, order.product)
        lines = _lines(june, order)
        return Built(order.model.name, str(target), {}, entries.identity(order), lines=lines)
    require_room(june, order)
    folder = building.under_way(june, order.product)
    with locked(folder / "lock", lambda: june.out.remark("Another june is building it; waiting.")):
        with june.out.progress(f"Building {order.model.name}") as bar:
            return _staged(june, order, folder, Stages(folder / "stages.json", lambda n: bar.update(text=n)))


def image_of(june: Invocation, name: str) -> str:
    """NVIDIA's image that one of June's rests on, with the digest its tag had when it was first seen here."""
    from june_cli.engine import docker

    reference = Images.load().upstream(name)
    digest = recorded(docker.of(june).digests).get(reference, "")
    return f"{reference}@{digest}" if digest else reference


def require_room(june: Invocation, order: Order) -> None:
    """MachineLacks when memory or disk do not suffice to quantize, before hours are spent."""
    if not order.recipe.quant:
        return
    models, machine = june.paths.models, order.machine
    source = planning.parts_of(order.model, models, machine, order.demand)[0]["weights"]
    product = planning.parts_of(order.served, models, machine, order.demand)[0]["weights"]
    memory = machine.have + (0 if machine.unified else machines.cpu().have)
    if source * PTQ_ROOM > memory and not order.wanted.force:
        raise MachineLacks(
            "quantize-does-not-fit",
            f"to quantize {order.model.name} takes {source * PTQ_ROOM / GIB:.0f} GiB of memory, of GPU and "
            f"host, and {memory / GIB:.0f} GiB can be used.",
            hint="a checkpoint that is quantized already passes through: june model list",
        )
    shared(june.paths.repository)
    needed, free = 2.2 * product, shutil.disk_usage(june.paths.repository).free  # once more into the store
    if free < needed:
        raise MachineLacks(
            "disk-full",
            f"to quantize {order.model.name} takes {needed / GIB:.0f} GiB beside its own, "
            f"and {free / GIB:.0f} GiB are free.",
            hint="june model df",
        )


def _staged(june: Invocation, order: Order, folder: Path, stages: Stages) -> Built:
    building.plan_and_fetch(june, order, stages)
    model = entries.pinned(june, order.model)
    quantizing = {
        "quant": "" if order.recipe.engine else order.recipe.quant,
        "files": entries.sums(june, model),
        "shown": _sum(order.wanted.calibration),
        "image": Images.load().upstream(order.recipe.maker),
    }
    if quantizing["quant"]:
        product = partial(_quantized, june, order, model, folder, quantizing)
        stages.run("quantize", quantizing, product, there=_in_store(june, order.product))
        model = _known(june, order.product)
    else:
        stages.run("quantize", quantizing, lambda: None)
    if order.recipe.server == "triton":  # the first pull says which digest the product is for
        june.engine_named("docker").prepare([_layout(order, model, folder)], june.out)
    identity = entries.identity(order, model, image_of(june, order.recipe.image))
    target, inputs = _target(june, order, model.name), entries.inputs(identity, entries.sums(june, model))
    lay_out = partial(_lay_out, june, order, model, folder, identity)
    stages.run("lay out", inputs, lay_out, there=target.is_dir())
    stages.run("validate", inputs, partial(building.require_valid, target.parent, target.name), there=False)
    return Built(order.model.name, str(target), stages.how, identity, next=_next(june, model, order))


def _quantized(
    june: Invocation, order: Order, source: Model, folder: Path, inputs: Mapping[str, Any]
) -> None:
    """ModelOpt's checkpoint, as a model of the store. What a killed build has finished is not made again."""
    out, marker = folder / OUT, folder / MADE
    if not (out / CHECKPOINT).is_dir() or _read(marker) != inputs:
        shown = order.wanted.calibration
        job = gpu_jobs.quantize(source, order.recipe, source.folder(june.paths.models), out, shown)
        run(june, job)
        marker.write_text(json.dumps(inputs), "utf-8")
    product = order.served
    with locked(made(june.paths.models) / ".pins.lock", lambda: None):
        pins.forget(june.paths.models, product.name)  # it is to be another from now on
    adding.enter(june, product, {"kind": "local", "path": str(out / CHECKPOINT)})
    fetch.ensure(_known(june, product.name), june.paths.models, june.out)
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)


def run(june: Invocation, job: Job) -> Any:
    """Run a job in Docker, whose image is built first, with a bar."""
    docker = june.engine_named("docker")
    docker.prepare([job], june.out)
    with june.out.progress(job.summary[:1].upper() + job.summary[1:]) as bar:

        def on_event(event: Mapping[str, Any]) -> None:
            if event.get("event") == "progress":
                bar.update(event["done"], text=event["text"], total=event["total"] or None)

        return docker.run_job(job, on_event)


def _lay_out(june: Invocation, order: Order, model: Model, folder: Path, identity: Identity) -> None:
    source, out, target = model.folder(june.paths.models), folder / OUT, _target(june, order, model.name)
    shared(target.parent)
    if order.recipe.engine:
        shown, context = order.wanted.calibration, order.demand.context
        run(june, gpu_jobs.engine(model, order.recipe, source, out, shown, context))
    elif order.recipe.server == "triton":
        run(june, _layout(order, model, folder))

    def write(staging: Path) -> None:
        if order.recipe.server == "triton":
            shutil.copytree(out / "entry", staging)
            entries.link(source, staging / "1" / "weights", list(entries.sums(june, model)))
            return
        staging.mkdir()
        trtllm.write_settings(staging / trtllm.SETTINGS, _settings(order))
        if order.recipe.engine:
            shutil.move(out / trtllm.ENGINE, staging / trtllm.ENGINE)

    entries.place(target, identity, write)
    shutil.rmtree(out / "entry", ignore_errors=True)


def _layout(order: Order, model: Model, folder: Path) -> Job:
    return gpu_jobs.lay_out(model, folder / OUT, order.demand.context, order.machine)


def _settings(order: Order) -> dict[str, Any]:
    """What trtllm-serve is told; of an engine all but the cache is fixed when it is built."""
    environ = {
        "JUNE_CONTEXT_TOKENS": str(order.demand.context),
        **dict(gpu_jobs.moe(order.model, order.machine)),
    }
    told = trtllm.settings(environ)
    return {"kv_cache_config": told["kv_cache_config"]} if order.recipe.engine else told


def _target(june: Invocation, order: Order, name: str) -> Path:
    if order.recipe.server == "triton":
        return june.paths.repository / served_name(name)
    return entries.prepared(june, name)


def _in_store(june: Invocation, name: str) -> bool:
    known = june.roles.catalog.models.get(name)
    return known is not None and not where.damage(known.folder(june.paths.models), rehash=False)


def _known(june: Invocation, name: str) -> Model:
    """A model of the catalog as it is now, which this run may have added to."""
    from june_cli.store.catalog import Catalog

    return Catalog.load(june.paths).get(name)


def _sum(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _next(june: Invocation, model: Model, order: Order) -> str:
    profile = june.roles.profile
    if profile != "tiny" and june.roles.model_name("llm") == model.name:
        return f"june --profile {profile} serve"
    service = "llm-triton" if order.recipe.server == "triton" else "llm-trtllm"
    return f'[profiles.NAME.llm] service = "{service}", model = "{model.name}", device = "cuda"; june serve'


def _lines(june: Invocation, order: Order) -> list[str]:
    """What each stage would run, and what has to be there first."""
    docker, recipe, model = june.engine_named("docker"), order.recipe, order.model
    name = order.product
    out, source = building.workshop(june.paths.repository) / name / OUT, model.folder(june.paths.models)
    shown, context = order.wanted.calibration, order.demand.context

    def stage(what: str, job: Job) -> list[str]:
        return [f"# {what}", *docker.prerequisites([job]), docker.describe(job, keep=False)]

    lines = [f"# plan: june model plan {model.name} --gpu {order.machine.name}"]
    lines += entries.fetch_line(june, model)
    if recipe.engine:
        lines += ["# quantize: with the engine"] if recipe.quant else ["# quantize: nothing"]
        lines += stage("lay out", gpu_jobs.engine(model, recipe, source, out, shown, context))
    else:
        if recipe.quant:
            lines += stage("quantize", gpu_jobs.quantize(model, recipe, source, out, shown))
        else:
            lines.append(f"# quantize: nothing, {recipe.result} passes through")
        if recipe.server == "triton":
            lines += stage("lay out", gpu_jobs.lay_out(order.served, out, context, order.machine))
    target = _target(june, order, name)
    if recipe.server == "triton":
        lines.append(f"# link {source if not recipe.quant else name} into {target}/1/weights")
    else:
        lines.append(f"# write {target}/{trtllm.SETTINGS}: {json.dumps(_settings(order))}")
    return [*lines, f"# validate: june model repo validate {served_name(name)}"]
