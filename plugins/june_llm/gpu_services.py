"""The language model's services on a GPU, described. docs/gpu.md names the source of every flag."""

from __future__ import annotations

from june_cli.spec import Choice, Gpu, Mount, Port, Ready, Relaxed, Service, Ulimit

GIB = 1024**3
ULIMITS = (Ulimit("memlock", -1, -1), Ulimit("stack", 67_108_864, 67_108_864))
RELAXED = (
    Relaxed("exec-tmp", "kernels are compiled at run time, and loaded from the folder they are compiled to"),
)
LOAD_LIMIT_S = 3600.0  # tens of gigabytes from a slow disk, and kernels compiled the first time


def triton_llmapi(choice: Choice) -> Service:
    """A checkpoint in Triton, by TensorRT-LLM's `llmapi` model."""
    return Service(
        name=choice.role,
        summary="language model (Triton, TensorRT-LLM)",
        image=choice.image or "triton-trtllm",
        command=("python3", "-m", "june_llm.llmapi"),
        ports=(
            Port("http", 8000, "JUNE_PORT"),
            Port("grpc", 8001, "JUNE_GRPC_PORT"),
            Port("metrics", 8002, "JUNE_METRICS_PORT"),
        ),
        mounts=(Mount(choice.path, "/models/llm", "JUNE_MODEL_DIR"),),
        env=_env(choice),
        gpu=Gpu(),
        model=choice.model,
        memory_bytes=choice.limits.memory_bytes or 96 * GIB,
        shm_bytes=2 * GIB,
        tmpfs=(("/tmp", 8 * GIB),),  # noqa: S108 - inside a container
        stop_s=75.0,
        ulimits=ULIMITS,
        relaxed=RELAXED,
        ready=Ready(
            "triton", port="http", model=choice.model, deadline_s=600, stall_s=300, limit_s=LOAD_LIMIT_S
        ),
        api="triton",
    )


def trtllm_serve(choice: Choice) -> Service:
    """A checkpoint behind trtllm-serve's OpenAI-compatible API."""
    return Service(
        name=choice.role,
        summary="language model (trtllm-serve, OpenAI-compatible)",
        image=choice.image or "trtllm",
        command=("python3", "-m", "june_llm.trtllm"),
        ports=(Port("http", 8000, "JUNE_PORT"),),
        mounts=(Mount(choice.path, "/models/llm", "JUNE_MODEL_DIR"),),
        env=(*_env(choice), ("JUNE_REASONING_PARSER", _parser(choice.model))),
        gpu=Gpu(),
        model=choice.model,
        memory_bytes=choice.limits.memory_bytes or 96 * GIB,
        shm_bytes=2 * GIB,
        tmpfs=(("/tmp", 8 * GIB),),  # noqa: S108 - inside a container
        stop_s=30.0,
        ulimits=ULIMITS,
        relaxed=RELAXED,
        ready=Ready("http", port="http", path="/health", deadline_s=600, stall_s=300, limit_s=LOAD_LIMIT_S),
        api="openai",
    )


def _env(choice: Choice) -> tuple[tuple[str, str], ...]:
    # Of the MoE kernels only CUTLASS has ones for GB10.
    moe = (("JUNE_MOE_BACKEND", "CUTLASS"),) if choice.image.endswith("-spark") else ()
    return (
        ("JUNE_MODEL_NAME", choice.model),
        ("JUNE_CONTEXT_TOKENS", str(choice.limits.context_tokens)),
        ("JUNE_DEVICE", "cuda"),
        *moe,
    )


def _parser(model: str) -> str:
    """Which of the server's parsers finds the reasoning: Qwen3's 2507 models open it in the prompt."""
    return "deepseek-r1" if "thinking" in model else "qwen3" if "qwen3" in model else ""
