"""Whether a model fits a machine, what it needs there, and the nearest thing that does fit.

The account of memory: weights, KV cache of all sequences at full length, activations of one step, and what
the runtime takes for itself. It errs towards too much, by what a step's activations are guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from june_cli.assistant import weights
from june_cli.planning import formats
from june_cli.planning.machine import GIB, UNTOLD, Machine
from june_cli.planning.shape import Shape
from june_cli.planning.shape import of as shape_of
from june_cli.store.catalog import Catalog, Model

CONTEXT, CONCURRENCY = 8192, 1
STEP_TOKENS = 8192  # of all prompts of one step: what TensorRT-LLM is told, see june_llm.trtllm
RUNTIME_GPU = 3 * GIB  # the driver's context and captured graphs
RUNTIME_CPU = 256 * 1024**2
KV_BLOCK = 32  # tokens that the KV cache is given at a time
SPEECH_FACTOR = 2.5  # a speech model with its activations, in half precision on a GPU, beside its bytes
ALTERNATIVES = 4
CONTEXTS = (262_144, 131_072, 65_536, 32_768, 16_384, 8192, 4096, 2048)


@dataclass(frozen=True)
class Demand:
    """What is asked of a model: tokens of context, sequences at once, bytes of a value in the KV cache."""

    context: int = CONTEXT
    concurrency: int = CONCURRENCY
    kv_bytes: float = 2.0


@dataclass(frozen=True)
class Plan:
    """The answer. Sizes are in GiB; `parts` add up to `need_gib`."""

    model: str
    gpu: str
    fits: bool
    need_gib: float
    have_gib: float
    parts: Mapping[str, float]
    reason: str
    alternatives: Sequence[str]
    context: int
    concurrency: int
    exact: bool = field(default=False)  # whether the weights were measured, not computed


def plan(
    model: Model,
    models: Path,
    machine: Machine,
    demand: Demand,
    *,
    beside: Sequence[Model] = (),
    catalog: Catalog | None = None,
) -> Plan:
    """Will a model fit, with these others on the same memory? With a catalog: what else would."""
    parts, exact = parts_of(model, models, machine, demand)
    for other in beside:
        parts[f"{other.role} {other.name}"] = sum(parts_of(other, models, machine, Demand())[0].values())
    need = sum(parts.values())
    reason = refused(model, machine) or _too_much(need, machine)
    others: list[str] = []
    if reason and catalog is not None:
        others = _alternatives(model, models, machine, demand, beside, catalog)
    return Plan(
        model=model.name,
        gpu=machine.name,
        fits=not reason,
        need_gib=_gib(need),
        have_gib=_gib(machine.have),
        parts={name: _gib(size) for name, size in parts.items()},
        reason=reason or f"it needs {_gib(need)} GiB of {_gib(machine.have)} GiB",
        alternatives=others,
        context=demand.context,
        concurrency=demand.concurrency,
        exact=exact,
    )


def parts_of(model: Model, models: Path, machine: Machine, demand: Demand) -> tuple[dict[str, float], bool]:
    """Bytes by what they are for, and whether those of the weights were measured."""
    shape = shape_of(model.folder(models), model.shape)
    size, exact = weight_bytes(model, models, shape)
    if shape is None:
        runtime = RUNTIME_CPU if machine.is_cpu else GIB
        return {"weights": size, "activations": size * (SPEECH_FACTOR - 1), "runtime": runtime}, exact
    tokens = -(-demand.context // KV_BLOCK) * KV_BLOCK * demand.concurrency
    return {
        "weights": size,
        "kv_cache": shape.kv_bytes(demand.kv_bytes) * tokens,
        "activations": _activations(shape, machine),
        "runtime": float(RUNTIME_CPU if machine.is_cpu else RUNTIME_GPU),
    }, exact


def weight_bytes(model: Model, models: Path, shape: Shape | None) -> tuple[float, bool]:
    """Bytes of a model's weights: the files' own where they are here, else by its shape or its parameters."""
    folder = model.folder(models)
    kinds = ("*.safetensors", "*.gguf", "*.pt", "*.pth", "*.bin", "*.onnx", "*.ort")
    found = [path for kind in kinds for path in folder.glob(kind)]
    if found:
        return float(sum(path.stat().st_size for path in found)), True
    if model.size:
        return float(model.size), True
    per = formats.BYTES.get(model.quant.upper(), 2.0)
    if shape is None:
        return model.parameters * per, False
    return (shape.attention + shape.feed_forward) * per + shape.kept * 2.0, False


def _activations(shape: Shape, machine: Machine) -> float:
    """Of one step: the widest layer's, and the logits of the tokens that are sampled."""
    tokens = 512 if machine.is_cpu else STEP_TOKENS
    width = max(shape.intermediate, shape.experts_per_token * shape.moe_intermediate)
    return tokens * (8 * shape.hidden + 3 * width) * 2.0 + shape.vocabulary * 4.0 * 64


def refused(model: Model, machine: Machine) -> str:
    """Why it may not run there, however much memory there is; empty when it may."""
    if machine.is_cpu:
        if model.parameters >= weights.LARGE:
            return (
                f"it has {model.parameters / 1e9:.1f} billion parameters, "
                "and models of 30 billion or more never run on a CPU"
            )
        if model.loader == "hf" and model.role == "llm":
            return "TensorRT-LLM, which loads it, needs a GPU"
        return ""
    if machine.capability == UNTOLD:
        return ""
    if model.capability:
        major, _, minor = model.capability.partition(".")
        least = (int(major), int(minor or 0))
        if machine.capability < least:
            have = f"{machine.capability[0]}.{machine.capability[1]}"
            return f"it needs compute capability {model.capability}, this is {have}"
    if model.role != "llm" or model.loader != "hf":
        return ""
    return formats.runs(model.quant, machine.capability, experts=bool(model.shape.get("experts"))).why


def _too_much(need: float, machine: Machine) -> str:
    if need <= machine.have:
        return ""
    kind = "unified memory, less what the rest of the machine needs" if machine.unified else "memory"
    return f"it needs {_gib(need)} GiB, and {_gib(machine.have)} GiB of {kind} can be used"


def _alternatives(
    model: Model,
    models: Path,
    machine: Machine,
    demand: Demand,
    beside: Sequence[Model],
    catalog: Catalog,
) -> list[str]:
    """The nearest plans that fit: less context, fewer at once, the same model otherwise, another model."""

    def fits(other: Model, wanted: Demand, also: Sequence[Model] = beside) -> bool:
        return plan(other, models, machine, wanted, beside=also).fits

    found: list[str] = []
    if not refused(model, machine):
        shorter = next(
            (n for n in CONTEXTS if n < demand.context and fits(model, replace(demand, context=n))), 0
        )
        if shorter:
            found.append(f"--context {shorter}")
        fewer = next(
            (n for n in range(demand.concurrency - 1, 0, -1) if fits(model, replace(demand, concurrency=n))),
            0,
        )
        if fewer:
            found.append(f"--concurrency {fewer}")
        if beside and fits(model, demand, ()):
            found.append(f"without {', '.join(other.name for other in beside)}")
    for other in _smaller(model, models, catalog):
        contexts = [demand.context, *(n for n in CONTEXTS if n < demand.context)]
        longest = next((n for n in contexts if fits(other, replace(demand, context=n))), 0)
        if longest:
            found.append(other.name + ("" if longest == demand.context else f" --context {longest}"))
        if len(found) >= ALTERNATIVES:
            break
    return found


def _smaller(model: Model, models: Path, catalog: Catalog) -> list[Model]:
    """Other models for the same work, the largest first."""
    others = [m for m in catalog.models.values() if m.role == model.role and m.name != model.name]
    others = [m for m in others if m.parameters <= model.parameters and not m.terms]
    return sorted(others, key=lambda m: (-m.parameters, -weight_bytes(m, models, None)[0]))


def _gib(size: float) -> float:
    return round(size / GIB, 2)
