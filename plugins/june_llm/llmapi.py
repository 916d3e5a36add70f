"""A language model on the GPU behind Triton: `python3 -m june_llm.llmapi`, inside NVIDIA's image.

Writes a model repository around the `llmapi` model that the image brings, and becomes tritonserver. What
`june model build` has laid out is served beside it on demand, and in its place where it is the same model.
Not run on a GPU yet.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from june_cli.assistant import serving, trtllm
from june_cli.assistant.repository import served_name
from june_cli.store import where

EXIT_S = 60


def main(place: serving.Place) -> None:
    """Write the repository, become the server."""
    name = served_name(os.environ["JUNE_MODEL_NAME"])
    built = Path(os.environ["JUNE_REPOSITORY"]) if os.environ.get("JUNE_REPOSITORY") else None
    own = Path("/tmp/models")  # noqa: S108 - of this container alone
    serving.become(server(place, repositories(own, built, name, place.model_dir), name))


def repositories(
    own: Path, built: Path | None, name: str, model_dir: Path, shipped: Path = trtllm.SHIPPED
) -> list[Path]:
    """What to serve from. Of two models of one name Triton would load neither."""
    if built and (built / name / "config.pbtxt").is_file():
        return [built]
    told = trtllm.settings(os.environ)
    trtllm.write_entry(own / name, name, str(where.checked(model_dir)), told, shipped)
    return [own, built] if built and built.is_dir() else [own]


def server(place: serving.Place, repositories: Sequence[Path], name: str) -> list[str]:
    """tritonserver's line. The model completes its own configuration: that is how it gets decoupled."""
    return [
        "tritonserver",
        *(f"--model-repository={folder}" for folder in repositories),
        "--model-control-mode=explicit",
        f"--load-model={name}",
        f"--http-address={place.host}",
        f"--http-port={place.port}",
        f"--grpc-address={place.host}",
        f"--grpc-port={os.environ['JUNE_GRPC_PORT']}",
        f"--metrics-address={place.host}",
        f"--metrics-port={os.environ['JUNE_METRICS_PORT']}",
        "--backend-config=python,shm-region-prefix-name=june_",
        f"--exit-timeout-secs={EXIT_S}",
    ]


if __name__ == "__main__":
    serving.program(main)
