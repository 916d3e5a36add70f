"""The language model services, described."""

from __future__ import annotations

from june_cli.errors import UsageProblem
from june_cli.spec import Choice, Mount, Port, Ready, Service
from june_llm import gpu_services


def llm(choice: Choice) -> Service:
    """A GGUF model behind llama.cpp's OpenAI-compatible HTTP API."""
    _require_cpu(choice, "this llama.cpp runs on the CPU only.")
    return Service(
        name=choice.role,
        summary="language model (llama.cpp, OpenAI-compatible)",
        image=choice.image or "llama",
        command=("python", "-m", "june_llm.server"),
        ports=(Port("http", 8080, "JUNE_PORT"),),
        mounts=_mounts(choice),
        env=_env(choice),
        model=choice.model,
        packages=("xllamacpp",),
        memory_bytes=choice.limits.memory_bytes or 4 * 1024**3,
        ready=Ready("http", port="http", path="/health"),
        api="openai",
    )


def llm_triton(choice: Choice) -> Service:
    """A model in Triton with the tensors of TensorRT-LLM's `llmapi`, on a CPU by llama.cpp."""
    if choice.device == "cuda":
        return gpu_services.triton_llmapi(choice)
    return Service(
        name=choice.role,
        summary="language model (Triton, llama.cpp inside)",
        image=choice.image or "triton",
        command=("python", "-m", "june_llm.triton"),
        ports=(
            Port("http", 8000, "JUNE_PORT"),
            Port("grpc", 8001, "JUNE_GRPC_PORT"),
            Port("metrics", 8002, "JUNE_METRICS_PORT"),
        ),
        mounts=_mounts(choice),
        env=_env(choice),
        model=choice.model,
        packages=("xllamacpp", "numpy"),  # and a tritonserver, which has several places: the launcher looks
        memory_bytes=choice.limits.memory_bytes or 4 * 1024**3,
        shm_bytes=64 * 1024**2,
        stop_s=8.0,  # the server gives streams 3 s, and needs up to 3 more to unload the model
        ready=Ready("triton", port="http", model=choice.model),
        api="triton",
    )


def _require_cpu(choice: Choice, why: str) -> None:
    if choice.device != "cpu":
        raise UsageProblem("device-unsupported", why, hint='device = "cpu"')


def _mounts(choice: Choice) -> tuple[Mount, ...]:
    return (Mount(choice.path, "/models/llm", "JUNE_MODEL_DIR"),)


def _env(choice: Choice) -> tuple[tuple[str, str], ...]:
    return (
        ("JUNE_MODEL_NAME", choice.model),
        ("JUNE_CONTEXT_TOKENS", str(choice.limits.context_tokens)),
        ("JUNE_THREADS", str(choice.limits.threads)),
    )


def llm_trtllm(choice: Choice) -> Service:
    """A checkpoint behind trtllm-serve, on a GPU."""
    if choice.device != "cuda":
        raise UsageProblem("device-unsupported", "trtllm-serve needs a GPU.", hint='device = "cuda"')
    return gpu_services.trtllm_serve(choice)


SERVICES = {"llm": llm, "llm-triton": llm_triton, "llm-trtllm": llm_trtllm}
