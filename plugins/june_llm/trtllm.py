"""A language model on the GPU behind trtllm-serve: `python3 -m june_llm.trtllm`, inside NVIDIA's image.

Takes the settings that `june model build` prepared for the model, or writes its own, and becomes the server.
Flags are those of TensorRT-LLM 1.2 and 1.3 (commands/serve.py). Not run on a GPU yet.
"""

from __future__ import annotations

import os
from pathlib import Path

from june_cli.assistant import serving, trtllm
from june_cli.assistant.repository import served_name
from june_cli.store import where


def main(place: serving.Place) -> None:
    """Find or write the settings, become the server."""
    model = where.checked(place.model_dir)
    root = os.environ.get("JUNE_PREPARED", "")
    built = Path(root) / served_name(os.environ.get("JUNE_MODEL_NAME") or place.model_dir.name)
    if root and (built / trtllm.SETTINGS).is_file():
        serving.log.info("takes what june model build prepared, %s", built)
        engine = built / trtllm.ENGINE
        serving.become(server(place, model, built / trtllm.SETTINGS, engine if engine.is_dir() else None))
    options = Path("/tmp/llm.yaml")  # noqa: S108 - of this container alone
    trtllm.write_settings(options, trtllm.settings(os.environ))
    serving.become(server(place, model, options))


def server(place: serving.Place, model: Path, options: Path, engine: Path | None = None) -> list[str]:
    """trtllm-serve's line. The old name of `--config` is the one that both lines of versions know.

    A TensorRT engine, which only 1.2 and before can serve, has no tokenizer of its own.
    """
    parser = os.environ.get("JUNE_REASONING_PARSER")
    served = [str(engine), "--backend", "tensorrt", "--tokenizer", str(model)] if engine else [str(model)]
    return [
        "trtllm-serve",
        *served,
        *("--host", place.host, "--port", str(place.port)),
        *("--extra_llm_api_options", str(options)),
        *(("--reasoning_parser", parser) if parser else ()),
    ]


if __name__ == "__main__":
    serving.program(main)
