"""The jobs of a build on a GPU, described: what runs in NVIDIA's images, on what, with what in view."""

from __future__ import annotations

from pathlib import Path

from june_cli.assistant.repository import served_name
from june_cli.gpu import GB10
from june_cli.planning.machine import Machine
from june_cli.spec import Gpu, Job, Mount, Relaxed, Ulimit
from june_cli.store.catalog import Model
from june_model.recipe import Recipe

GIB = 1024**3
LONGEST_S = 12 * 3600.0  # hundreds of gigabytes through one GPU
KERNELS = "kernels are compiled at run time, and loaded from the folder they are compiled to"


def quantize(model: Model, recipe: Recipe, source: Path, out: Path, shown: str) -> Job:
    """ModelOpt makes another checkpoint of one; `shown` is a file of texts of somebody's own, or empty."""
    return _on_gpu(
        "model-quantize",
        f"quantizes {model.name} to {recipe.result}",
        "june_model.job_quantize",
        recipe,
        _seen(source, out, shown),
        (("JUNE_QUANT", recipe.quant),),
    )


def engine(model: Model, recipe: Recipe, source: Path, out: Path, shown: str, context: int) -> Job:
    """TensorRT-LLM 1.2 builds an engine of a checkpoint."""
    return _on_gpu(
        "model-engine",
        f"builds a TensorRT engine of {model.name}",
        "june_model.job_engine",
        recipe,
        _seen(source, out, shown),
        (("JUNE_QUANT", recipe.quant), ("JUNE_CONTEXT_TOKENS", str(context))),
    )


def lay_out(model: Model, out: Path, context: int, machine: Machine) -> Job:
    """The entry's program comes out of the server's image. It copies files: no GPU is needed."""
    name = served_name(model.name)
    return Job(
        name="model-layout",
        summary=f"lays {model.name} out for Triton",
        image="triton-trtllm",
        command=("python3", "-m", "june_model.job_layout"),
        mounts=(Mount(out, "/out", "JUNE_OUT", read_only=False, made=True),),
        env=(
            ("JUNE_MODEL_NAME", name),
            ("JUNE_WEIGHTS", weights_at(name)),
            ("JUNE_CONTEXT_TOKENS", str(context)),
            *moe(model, machine),
        ),
        model=model.name,
        deadline_s=600.0,
    )


def weights_at(name: str) -> str:
    """Where the server finds the weights of an entry of its repository."""
    return f"/repository/{name}/1/weights"


def moe(model: Model, machine: Machine) -> tuple[tuple[str, str], ...]:
    """Of the MoE kernels only CUTLASS has ones for GB10."""
    needed = machine.capability == GB10 and bool(model.shape.get("experts"))
    return (("JUNE_MOE_BACKEND", "CUTLASS"),) if needed else ()


def _seen(source: Path, out: Path, shown: str) -> tuple[Mount, ...]:
    texts = (Mount(Path(shown).absolute(), "/calibration", "JUNE_CALIBRATION"),) if shown else ()
    return (
        Mount(source, "/models/source", "JUNE_MODEL_DIR"),
        Mount(out, "/out", "JUNE_OUT", read_only=False, made=True),
        *texts,
    )


def _on_gpu(
    name: str,
    summary: str,
    module: str,
    recipe: Recipe,
    mounts: tuple[Mount, ...],
    env: tuple[tuple[str, str], ...],
) -> Job:
    return Job(
        name=name,
        summary=summary,
        image=recipe.maker,
        command=("python3", "-m", module),
        mounts=mounts,
        env=(*env, ("JUNE_DEVICE", "cuda")),
        gpu=Gpu(),
        memory_bytes=96 * GIB,  # weights pass through the host's memory
        shm_bytes=2 * GIB,
        tmpfs=(("/tmp", 16 * GIB),),  # noqa: S108 - inside a container
        ulimits=(Ulimit("memlock", -1, -1), Ulimit("stack", 67_108_864, 67_108_864)),
        relaxed=(Relaxed("exec-tmp", KERNELS),),
        deadline_s=LONGEST_S,
    )
