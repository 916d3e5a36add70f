"""`june model build`: from a model of the store to an entry that Triton loads, in stages that are recorded.

The stages are plan, fetch, quantize, lay out, validate. Each writes down a hash of what went into it, so that
a build that was killed goes on after the last stage whose inputs are still the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.assistant import tensors, weights
from june_cli.assistant.repository import served_name
from june_cli.errors import JuneError, MachineLacks, UsageProblem
from june_cli.paths import made, shared, writable
from june_cli.planning import machine as machines
from june_cli.planning import plan as planning
from june_cli.planning.plan import Demand
from june_cli.store import fetch, repair
from june_cli.store.catalog import Catalog, Model
from june_cli.store.writer import locked
from june_model import validation

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

IDENTITY = "june-build.json"
STAGES = ("plan", "fetch", "quantize", "lay out", "validate")


@dataclass(frozen=True)
class Identity:
    """What a product was made of and for: `june model load` holds it against the server and the store."""

    model: str
    revision: str
    quant: str
    server: str
    capability: str
    tensor_parallel: int
    context_tokens: int


@dataclass(frozen=True)
class Built:
    """The entry, and which stages had to run."""

    model: str
    entry: str
    stages: Mapping[str, str]
    identity: Identity
    lines: Sequence[str] = ()

    def blocks(self) -> list[str]:
        """A line a stage, and what comes next."""
        if self.lines:
            return list(self.lines)
        return [
            *(f"{name}: {how}" for name, how in self.stages.items()),
            self.entry,
            f"next: june model load {self.model}",
        ]


@dataclass(frozen=True)
class Wanted:
    """What the person asks of a build."""

    name: str
    quant: str = ""
    server: str = "triton"
    context: int = 0
    trt_engine: bool = False
    force: bool = False


class Stages:
    """What of a build is done, by a hash of what went into each stage."""

    def __init__(self, file: Path, tell: Callable[[str], None]) -> None:
        self._file, self._tell = file, tell
        self.how: dict[str, str] = {}

    def run(
        self, name: str, inputs: Mapping[str, Any], act: Callable[[], object], *, there: bool = True
    ) -> None:
        """Do a stage unless it is done with the same inputs, and its product is there."""
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()
        done = self._done()
        if done.get(name) == digest and there:
            self.how[name] = "done before"
            return
        self._tell(name)
        began = time.monotonic()
        act()
        self.how[name] = f"{time.monotonic() - began:.1f} s"
        if done.get(name) == digest:
            return  # done again to be sure, and nothing that follows is other than it was
        later = STAGES[STAGES.index(name) + 1 :]
        kept = {key: value for key, value in done.items() if key not in later}
        temporary = self._file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({**kept, name: digest}, indent=1), "utf-8")
        temporary.replace(self._file)

    def _done(self) -> dict[str, str]:
        try:
            content = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def build(june: Invocation, wanted: Wanted) -> Built:
    """Prepare what the server loads. Two builds of one model at once meet on a lock."""
    model = june.roles.catalog.get(wanted.name)
    require_buildable(model, wanted)
    repository = june.paths.repository
    if june.words.dry_run:
        entry = str(repository / served_name(model.name))
        return Built(model.name, entry, {}, _identity(model, wanted), _lines(june, model))
    shared(repository)
    folder = made(workshop(repository) / model.name)
    with locked(folder / "lock", lambda: june.out.remark("Another june is building it; waiting.")):
        with june.out.progress(f"Building {model.name}") as bar:
            stages = Stages(folder / "stages.json", lambda name: bar.update(text=name))
            return _staged(june, model, wanted, stages)


def require_buildable(model: Model, wanted: Wanted) -> None:
    """Say before anything starts why a build cannot be: a plan that ends in an image is not begun."""
    if wanted.trt_engine:
        raise MachineLacks(
            "engine-removed",
            "TensorRT-LLM removed its engine backend in July 2026; 1.2 was the last release with engines, "
            "and June does not drive it.",
            hint=f"june model build {model.name}, whose checkpoint the PyTorch backend serves as it is",
        )
    if model.role != "llm":
        raise UsageProblem(
            "build-not-needed", f"{model.name} is served as it is downloaded.", hint="june serve"
        )
    if wanted.server != "triton":
        raise UsageProblem(
            "build-not-needed",
            f"{wanted.server} loads the checkpoint itself: there is nothing to build.",
            hint="june serve start llm, with a profile whose llm service is llm-trtllm",
        )
    if model.loader != "gguf":
        raise MachineLacks(
            "build-not-there-yet",
            f"{model.name} is for a GPU: its llmapi entry is laid out when the service starts; June does not "
            "quantize yet.",
            hint="june --profile cuda serve; june model plan says what fits",
        )
    if wanted.quant not in ("", "none", model.quant.lower(), model.quant):
        raise UsageProblem(
            "quant-fixed",
            f"{model.name} is quantized already ({model.quant}): it passes through as it is.",
            hint="--quant none",
        )


def _staged(june: Invocation, model: Model, wanted: Wanted, stages: Stages) -> Built:
    """The stages in order."""
    models, repository = june.paths.models, june.paths.repository
    name = served_name(model.name)
    demand = Demand(wanted.context or planning.CONTEXT)
    weights.refuse_large_on_cpu(model.parameters, model.name)
    stages.run(
        "plan", asdict(demand), lambda: require_fit(june, model, demand, force=wanted.force), there=False
    )
    stages.run("fetch", {}, lambda: fetch.ensure(model, models, june.out), there=False)
    model = Catalog.load(june.paths).get(model.name)  # a first download has pinned it
    source = model.folder(models)
    files = {entry["name"]: entry["sha256"] for entry in repair.manifest(source)["files"]}
    stages.run("quantize", {"quant": model.quant, "files": files}, lambda: None)
    identity, entry = _identity(model, wanted), repository / name
    inputs = {"identity": asdict(identity), "files": files, "config": tensors.config(name)}
    lay_out = partial(_lay_out, source, entry, name, list(files), identity)
    stages.run("lay out", inputs, lay_out, there=entry.is_dir())
    stages.run("validate", inputs, partial(require_valid, repository, name), there=False)
    return Built(model.name, str(entry), stages.how, identity)


def require_fit(june: Invocation, model: Model, demand: Demand, *, force: bool) -> None:
    """MachineLacks for a plan that does not fit this machine. No force takes 30 B parameters onto a CPU."""
    found = planning.plan(model, june.paths.models, machines.cpu(), demand, catalog=june.roles.catalog)
    if found.fits or (force and model.parameters < weights.LARGE):
        return
    instead = f"what fits: {'; '.join(found.alternatives)}" if found.alternatives else ""
    raise MachineLacks(
        "plan-does-not-fit",
        f"{model.name} does not fit: {found.reason}.",
        hint=instead or "--force tries anyway",
    )


def _identity(model: Model, wanted: Wanted) -> Identity:
    return Identity(
        model=model.name,
        revision=model.revision,
        quant=model.quant,
        server=wanted.server,
        capability="cpu",
        tensor_parallel=1,
        context_tokens=wanted.context,
    )


def _lay_out(source: Path, entry: Path, name: str, files: Sequence[str], identity: Identity) -> None:
    """The entry, beside the repository and then moved into it: Triton never sees half of one."""
    staging = workshop(entry.parent) / name / "entry"
    shutil.rmtree(staging, ignore_errors=True)
    with writable(entry.parent):
        (staging / "1" / "weights").mkdir(parents=True)
        config = tensors.config(name, context_tokens=identity.context_tokens)
        (staging / validation.CONFIG).write_text(config, "utf-8")
        (staging / "1" / "model.py").write_text(tensors.MODEL, "utf-8")
        for file in files:
            _linked(source / file, staging / "1" / "weights" / file)
        (staging / IDENTITY).write_text(json.dumps(asdict(identity), indent=1), "utf-8")
        for path in (staging, *staging.rglob("*")):
            path.chmod(0o755 if path.is_dir() else path.stat().st_mode | 0o444)
        old = staging.with_name("old")
        shutil.rmtree(old, ignore_errors=True)
        if entry.exists():
            entry.rename(old)
        staging.rename(entry)
        shutil.rmtree(old, ignore_errors=True)


def workshop(repository: Path) -> Path:
    """Where builds are under way. Triton takes every folder of the repository itself for a model."""
    return repository.with_name("builds")


def _linked(source: Path, target: Path) -> None:
    """The same file by another name where the disk allows it, which takes no room; else a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def require_valid(repository: Path, name: str) -> None:
    """JuneError that names every problem of an entry."""
    found = validation.problems(repository, name)
    if found:
        raise JuneError(
            "entry-invalid",
            f"{name} cannot be loaded: {'; '.join(map(str, found))}.",
            hint=f"june model repo remove {name}, then june model build {name}",
        )


def identity(repository: Path, name: str) -> Identity | None:
    """What an entry was made of; None for one that June did not build."""
    try:
        return Identity(**json.loads((repository / name / IDENTITY).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _lines(june: Invocation, model: Model) -> list[str]:
    """What each stage would run."""
    from june_cli.engine.process import ProcessEngine

    engine = ProcessEngine(june.paths.state / "services")
    target = june.paths.repository / served_name(model.name)
    source = model.folder(june.paths.models)
    return [
        f"# plan: june model plan {model.name} --gpu cpu",
        f"# fetch\n{engine.describe(fetch.job(model, june.paths.models), keep=False)}",
        f"# quantize: nothing, {model.quant or 'these weights'} pass through",
        f"# lay out\nmkdir -p {target}/1/weights && ln {source}/*.gguf {target}/1/weights/",
        f"# validate: june model repo validate {model.name}",
    ]
