"""The text-to-speech service, described."""

from __future__ import annotations

from june_cli.services import require_loader
from june_cli.spec import Choice, Gpu, Mount, Port, Ready, Service

PACKAGES = {"hibari": ("hibari",), "coqui": ("TTS",)}
CPU_ONLY = ("hibari",)
IMAGES = {"hibari": "tts", "coqui": "tts-coqui"}


def tts(choice: Choice) -> Service:
    """One synthesiser behind gRPC `june.tts.v1.TextToSpeech`."""
    require_loader(choice, PACKAGES, CPU_ONLY)
    return Service(
        name=choice.role,
        summary="text to speech",
        image=choice.image or IMAGES[choice.loader],
        command=("python", "-m", "june_tts.server"),
        ports=(Port("grpc", 50052, "JUNE_PORT"),),
        mounts=(Mount(choice.path, "/models/tts", "JUNE_MODEL_DIR"),),
        env=(
            ("JUNE_LOADER", choice.loader),
            ("JUNE_DEVICE", choice.device),
            ("JUNE_THREADS", str(choice.limits.threads)),
        ),
        gpu=Gpu() if choice.device == "cuda" else None,
        model=choice.model,
        packages=("grpc_health", "grpc_reflection", *PACKAGES.get(choice.loader, ())),
        memory_bytes=choice.limits.memory_bytes or (16 if choice.device == "cuda" else 1) * 1024**3,
        tmpfs=(("/tmp", (1024 if choice.device == "cuda" else 64) * 1024**2),),  # noqa: S108 - in a container
        ready=Ready("grpc", port="grpc", service="june.tts.v1.TextToSpeech"),
    )


SERVICES = {"tts": tts}
