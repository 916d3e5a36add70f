"""How a model is prepared for a server on a machine, or why it cannot be: known before anything starts.

Sources: formats by GPU, see june_cli.planning.formats; ModelOpt quantizes Qwen3, with experts or without, to
FP8 and NVFP4 (examples/hf_ptq/README.md); engines are those of TensorRT-LLM 1.2 (examples/models/core/qwen).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from june_cli.assistant import weights
from june_cli.engine.images import Images
from june_cli.errors import MachineLacks, UsageProblem
from june_cli.gpu import GB10
from june_cli.planning import formats
from june_cli.planning.machine import Machine
from june_cli.store.catalog import Model

SERVERS = ("triton", "trtllm-serve")
QUANTS: Mapping[str, str] = {"fp8": "FP8-TENSOR", "nvfp4": "NVFP4"}  # what ModelOpt makes
PLAIN = ("", "BF16", "FP16")
# What TensorRT engines were built of with success. INT8 and INT4 of the model with experts never were.
ENGINES: Mapping[str, tuple[str, ...]] = {
    "qwen3-30b-a3b-thinking-2507": ("", "fp8"),
    "qwen3-8b": ("", "fp8"),
    "qwen3-14b": ("", "fp8"),
}
ENGINE_SM = (80, 86, 89, 90, 100, 120)
ENGINE_LINE = re.compile(r":1\.2\.\d")


@dataclass(frozen=True)
class Wanted:
    """What the person asks of a build. Empty or 0: June chooses."""

    name: str
    quant: str = ""
    server: str = ""
    context: int = 0
    trt_engine: bool = False
    force: bool = False
    gpu: str = ""
    calibration: str = ""


@dataclass(frozen=True)
class Recipe:
    """`quant` is what ModelOpt has to make, empty where a checkpoint passes through; `result` what is served.

    `image` is June's image of the server, `maker` the one that quantizes and builds engines; both are empty
    where the model is for a CPU.
    """

    server: str
    quant: str = ""
    result: str = ""
    image: str = ""
    maker: str = ""
    engine: bool = False

    @property
    def on_cpu(self) -> bool:
        """Whether it is for llama.cpp."""
        return not self.image


def of(model: Model, wanted: Wanted, machine: Machine) -> Recipe:
    """The recipe. UsageProblem for what is not to be built at all, MachineLacks for what not here."""
    if model.role != "llm":
        raise UsageProblem(
            "build-not-needed", f"{model.name} is served as it is downloaded.", hint="june serve"
        )
    if wanted.server and wanted.server not in SERVERS:
        raise UsageProblem(
            "server-unknown", f"{wanted.server!r} is no server.", hint=f"one of {', '.join(SERVERS)}"
        )
    if model.loader == "gguf":
        return _for_cpu(model, wanted)
    if machine.is_cpu:
        weights.refuse_large_on_cpu(model.parameters, model.name)
        why = f": {machine.note}" if machine.note else ""
        raise MachineLacks(
            "gpu-needed",
            f"{model.name} is built for a GPU, and none is here{why.rstrip('.')}.",
            hint=f"june model build {model.name} --gpu h200 --dry-run shows what it would run on one",
        )
    return _for_gpu(model, wanted, machine)


def _for_cpu(model: Model, wanted: Wanted) -> Recipe:
    if wanted.trt_engine:
        raise UsageProblem("engine-unfit", f"{model.name} is for llama.cpp: no engine is built of GGUF.")
    if wanted.server == "trtllm-serve":
        raise UsageProblem(
            "server-unfit", f"{model.name} is for llama.cpp: trtllm-serve needs another format and a GPU."
        )
    _require_same_quant(model, wanted)
    return Recipe("triton", result=model.quant)


def _for_gpu(model: Model, wanted: Wanted, machine: Machine) -> Recipe:
    spark = machine.capability == GB10
    server = wanted.server or ("trtllm-serve" if spark or wanted.trt_engine else "triton")
    maker = "trtllm-spark" if spark else "trtllm"
    quant = wanted.quant.lower().replace("none", "")
    if model.quant.upper() not in PLAIN:
        _require_same_quant(model, wanted)
        quant = ""
    elif quant and quant not in QUANTS:
        raise UsageProblem(
            "quant-unknown",
            f"ModelOpt makes no {wanted.quant} of {model.name} that TensorRT-LLM serves.",
            hint=f"--quant none, or {', '.join(QUANTS)}",
        )
    result = QUANTS.get(quant, model.quant or "BF16")
    unfit = formats.runs(result, machine.capability, experts=bool(model.shape.get("experts"))).why
    if unfit:
        raise MachineLacks("format-unfit", f"{unfit}.", hint=f"june model plan {model.name}")
    if wanted.trt_engine:
        _require_engine(model, quant, server, machine)
        return Recipe(server, quant, result, maker, maker, engine=True)
    if server == "triton" and spark:
        raise MachineLacks(
            "server-unfit",
            "NVIDIA's Triton image has TensorRT-LLM 1.2.1, whose kernels for GB10 were mended later.",
            hint="--server trtllm-serve",
        )
    return Recipe(server, quant, result, "triton-trtllm" if server == "triton" else maker, maker)


def _require_same_quant(model: Model, wanted: Wanted) -> None:
    if wanted.quant.lower() not in ("", "none", model.quant.lower()):
        raise UsageProblem(
            "quant-fixed",
            f"{model.name} is quantized already ({model.quant}): it passes through as it is.",
            hint="--quant none",
        )


def _require_engine(model: Model, quant: str, server: str, machine: Machine) -> None:
    """An engine is the old way: one line of releases, some architectures, some models, one server."""
    reference = Images.load().upstream("trtllm")
    instead = f"june model build {model.name}, whose checkpoint the PyTorch backend serves as it is"
    if not ENGINE_LINE.search(reference):
        why = f"TensorRT-LLM removed its engine backend in July 2026, and the image is {reference}"
    elif machine.capability == GB10:
        why = "nobody documents TensorRT engines on GB10"
    elif machine.capability[0] * 10 + machine.capability[1] not in ENGINE_SM:
        why = f"TensorRT-LLM 1.2 builds no engines for compute capability {_said(machine)}"
    elif model.name not in ENGINES or quant not in ENGINES[model.name]:
        what = quant.upper() or model.quant or "BF16"
        why = f"an engine of {model.name} in {what} is not among those known to work"
    elif server != "trtllm-serve":
        why = "the models that served engines in Triton take other tensors than June's client speaks"
    else:
        return
    raise MachineLacks("engine-refused", f"No TensorRT engine: {why}.", hint=instead)


def _said(machine: Machine) -> str:
    return f"{machine.capability[0]}.{machine.capability[1]}"
