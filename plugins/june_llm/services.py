"""The language model services, described. docs/gpu.md names the source of every flag of those for a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from june_cli.errors import UsageProblem
from june_cli.spec import Choice, Gpu, Mount, Port, Ready, Relaxed, Service, Ulimit

GIB = 1024**3
# Where processors are short, at a start above all, everybody waits for the language model: it goes first.
CPU_SHARES = 4096
TRITON_PORTS = (
    Port("http", 8000, "JUNE_PORT"),
    Port("grpc", 8001, "JUNE_GRPC_PORT"),
    Port("metrics", 8002, "JUNE_METRICS_PORT"),
)
# Tens of gigabytes from a slow disk, and kernels compiled the first time.
GPU_READY = Ready("http", port="http", path="/health", deadline_s=600, stall_s=300, limit_s=3600.0)


def llm(choice: Choice) -> Service:
    """A GGUF model behind llama.cpp's OpenAI-compatible HTTP API."""
    if choice.device != "cpu":
        raise UsageProblem(
            "device-unsupported", "this llama.cpp runs on the CPU only.", hint='device = "cpu"'
        )
    return replace(
        _on_cpu(choice),
        summary="language model (llama.cpp, OpenAI-compatible)",
        image=choice.image or "llama",
        command=("python", "-m", "june_llm.server"),
        ports=(Port("http", 8080, "JUNE_PORT"),),
        packages=("xllamacpp",),
        ready=Ready("http", port="http", path="/health"),
        api="openai",
    )


def llm_triton(choice: Choice) -> Service:
    """A model in Triton with the tensors of TensorRT-LLM's `llmapi`, on a CPU by llama.cpp."""
    if choice.device == "cuda":
        return _llmapi(choice)
    service = _on_cpu(choice)
    return replace(
        service,
        mounts=(*service.mounts, *_made(choice.repository, "/repository", "JUNE_REPOSITORY")),
        summary="language model (Triton, llama.cpp inside)",
        image=choice.image or "triton",
        command=("python", "-m", "june_llm.triton"),
        ports=TRITON_PORTS,
        packages=("xllamacpp", "numpy"),  # and a tritonserver, which has several places: the launcher looks
        shm_bytes=64 * 1024**2,
        stop_s=8.0,  # the server gives streams 3 s, and needs up to 3 more to unload the model
        ready=Ready("triton", port="http", model=choice.model),
        api="triton",
    )


def llm_trtllm(choice: Choice) -> Service:
    """A checkpoint behind trtllm-serve's OpenAI-compatible API, on a GPU."""
    if choice.device != "cuda":
        raise UsageProblem("device-unsupported", "trtllm-serve needs a GPU.", hint='device = "cuda"')
    service = _on_gpu(choice)
    return replace(
        service,
        summary="language model (trtllm-serve, OpenAI-compatible)",
        image=choice.image or "trtllm",
        command=("python3", "-m", "june_llm.trtllm"),
        ports=(Port("http", 8000, "JUNE_PORT"),),
        env=(*service.env, ("JUNE_REASONING_PARSER", _parser(choice.model))),
        mounts=(*service.mounts, *_made(choice.prepared, "/prepared", "JUNE_PREPARED")),
        stop_s=30.0,
        ready=GPU_READY,
        api="openai",
    )


def _llmapi(choice: Choice) -> Service:
    """A checkpoint in Triton, by TensorRT-LLM's own `llmapi` model."""
    service = _on_gpu(choice)
    return replace(
        service,
        mounts=(*service.mounts, *_made(choice.repository, "/repository", "JUNE_REPOSITORY")),
        summary="language model (Triton, TensorRT-LLM)",
        image=choice.image or "triton-trtllm",
        command=("python3", "-m", "june_llm.llmapi"),
        ports=TRITON_PORTS,
        stop_s=75.0,
        ready=replace(GPU_READY, kind="triton", model=choice.model),
        api="triton",
    )


def _on_cpu(choice: Choice) -> Service:
    """What the services on a CPU share."""
    return replace(
        _service(choice),
        env=(*_told(choice), ("JUNE_THREADS", str(choice.limits.threads))),
        memory_bytes=choice.limits.memory_bytes or 4 * GIB,
        cpu_shares=CPU_SHARES,
    )


def _on_gpu(choice: Choice) -> Service:
    """What the services on a GPU share."""
    # Of the MoE kernels only CUTLASS has ones for GB10.
    moe = (("JUNE_MOE_BACKEND", "CUTLASS"),) if choice.image.endswith("-spark") else ()
    why = "kernels are compiled at run time, and loaded from the folder they are compiled to"
    return replace(
        _service(choice),
        env=(*_told(choice), ("JUNE_DEVICE", "cuda"), *moe),
        gpu=Gpu(),
        memory_bytes=choice.limits.memory_bytes or 96 * GIB,
        shm_bytes=2 * GIB,
        tmpfs=(("/tmp", 8 * GIB),),  # noqa: S108 - inside a container
        ulimits=(Ulimit("memlock", -1, -1), Ulimit("stack", 67_108_864, 67_108_864)),
        relaxed=(Relaxed("exec-tmp", why),),
    )


def _service(choice: Choice) -> Service:
    return Service(
        name=choice.role,
        summary="",
        image="",
        command=(),
        mounts=(Mount(choice.path, "/models/llm", "JUNE_MODEL_DIR"),),
        model=choice.model,
    )


def _made(folder: Path | None, target: str, env: str) -> tuple[Mount, ...]:
    """What `june model build` has made, where the service can use it; empty folders are made."""
    return (Mount(folder, target, env, made=True),) if folder else ()


def _told(choice: Choice) -> tuple[tuple[str, str], ...]:
    return (
        ("JUNE_MODEL_NAME", choice.model),
        ("JUNE_CONTEXT_TOKENS", str(choice.limits.context_tokens)),
    )


def _parser(model: str) -> str:
    """Which of the server's parsers finds the reasoning: Qwen3's 2507 models open it in the prompt."""
    return "deepseek-r1" if "thinking" in model else "qwen3" if "qwen3" in model else ""


SERVICES = {"llm": llm, "llm-triton": llm_triton, "llm-trtllm": llm_trtllm}
