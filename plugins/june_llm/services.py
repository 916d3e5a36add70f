"""The language model service, described."""

from __future__ import annotations

from june_cli.errors import UsageProblem
from june_cli.spec import Choice, Mount, Port, Ready, Service


def llm(choice: Choice) -> Service:
    """A GGUF model behind llama.cpp's OpenAI-compatible HTTP API."""
    if choice.device != "cpu":
        raise UsageProblem(
            "device-unsupported", "this llama.cpp runs on the CPU only.", hint='device = "cpu"'
        )
    return Service(
        name="llm",
        summary="language model (llama.cpp, OpenAI-compatible)",
        image="llama",
        command=("python", "-m", "june_llm.server"),
        ports=(Port("http", 8080, "JUNE_PORT"),),
        mounts=(Mount(choice.path, "/models/llm", "JUNE_MODEL_DIR"),),
        env=(
            ("JUNE_MODEL_NAME", choice.model),
            ("JUNE_CONTEXT_TOKENS", str(choice.limits.context_tokens)),
            ("JUNE_THREADS", str(choice.limits.threads)),
        ),
        model=choice.model,
        packages=("xllamacpp",),
        memory_bytes=choice.limits.memory_bytes or 4 * 1024**3,
        ready=Ready("http", port="http", path="/health"),
    )


SERVICES = {"llm": llm}
