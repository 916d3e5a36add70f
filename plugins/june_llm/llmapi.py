"""A language model on the GPU behind Triton: `python3 -m june_llm.llmapi`, inside NVIDIA's image.

Writes a model repository around the `llmapi` model that the image brings, and becomes tritonserver. The
layout and its keys are those of triton_backend/all_models/llmapi in TensorRT-LLM 1.2. Not run on a GPU yet.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from june_cli.assistant import serving
from june_cli.assistant.repository import served_name
from june_cli.errors import MachineLacks
from june_cli.store import where
from june_llm import trtllm

SHIPPED = Path("/app/all_models/llmapi/tensorrt_llm")
EXIT_S = 60


def main(place: serving.Place) -> None:
    """Write the repository, become the server."""
    name = served_name(os.environ["JUNE_MODEL_NAME"])
    repository = Path("/tmp/models")  # noqa: S108 - of this container alone
    write_repository(repository, name, where.checked(place.model_dir), SHIPPED)
    serving.become(server(place, repository, name))


def write_repository(repository: Path, name: str, model: Path, shipped: Path) -> None:
    """The repository of one model: the image's own files, renamed, and settings for this model.

    `triton_config` is read without a default, and streaming needs `decoupled`.
    """
    if not (shipped / "config.pbtxt").is_file():
        raise MachineLacks("image-unfit", f"this image has no llmapi model in {shipped}.")
    folder = repository / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(shipped, folder)
    config = (shipped / "config.pbtxt").read_text("utf-8")
    (folder / "config.pbtxt").write_text(_renamed(config, name), "utf-8")
    settings = {
        "model": str(model),
        "backend": "pytorch",
        **trtllm.settings(os.environ),
        "triton_config": {"max_batch_size": 0, "decoupled": True},
    }
    (folder / "1" / "model.yaml").write_text(json.dumps(settings, indent=1), "utf-8")  # JSON is YAML


def _renamed(config: str, name: str) -> str:
    """The model's name must be that of its folder."""
    lines = config.splitlines()
    return "\n".join([f'name: "{name}"', *(line for line in lines if not line.startswith("name:"))]) + "\n"


def server(place: serving.Place, repository: Path, name: str) -> list[str]:
    """tritonserver's line. The model completes its own configuration: that is how it gets decoupled."""
    return [
        "tritonserver",
        f"--model-repository={repository}",
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
