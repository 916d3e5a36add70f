"""A language model on the GPU behind trtllm-serve: `python3 -m june_llm.trtllm`, inside NVIDIA's image.

Writes its settings and becomes the server. Flags and keys are those of TensorRT-LLM 1.2 and 1.3
(commands/serve.py, llmapi/llm_args.py); a key that is not known there is an error, so only what is needed is
set. Not run on a GPU yet.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from june_cli.assistant import serving
from june_cli.store import where

SEQUENCES = 8  # answered at once
MAX_TOKENS = 8192  # of all prompts of one step
KV_FRACTION = 0.6  # of what is free after loading: speech shares the GPU
DEFAULT_CONTEXT = 32_768  # left out, the model's own 262,144 would be planned for


def settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """What both servers of TensorRT-LLM are told, in the names of its LLM() arguments."""
    context = int(environ.get("JUNE_CONTEXT_TOKENS") or 0) or DEFAULT_CONTEXT
    told: dict[str, Any] = {
        "max_batch_size": SEQUENCES,
        "max_num_tokens": MAX_TOKENS,
        "max_seq_len": context,
        "kv_cache_config": {
            "free_gpu_memory_fraction": KV_FRACTION,
            "max_tokens": SEQUENCES
            * context,  # the smaller of the two holds: what is free varies, this does not
        },
    }
    if environ.get("JUNE_MOE_BACKEND"):
        told["moe_config"] = {"backend": environ["JUNE_MOE_BACKEND"]}
    return told


def main(place: serving.Place) -> None:
    """Write the settings, become the server."""
    model = where.checked(place.model_dir)
    options = Path("/tmp/llm.yaml")  # noqa: S108 - of this container alone
    options.write_text(json.dumps(settings(os.environ), indent=1), "utf-8")  # JSON is YAML
    serving.become(server(place, model, options))


def server(place: serving.Place, model: Path, options: Path) -> list[str]:
    """trtllm-serve's line. The old name of `--config` is the one that both lines of versions know."""
    parser = os.environ.get("JUNE_REASONING_PARSER")
    return [
        "trtllm-serve",
        str(model),
        *("--host", place.host, "--port", str(place.port)),
        *("--extra_llm_api_options", str(options)),
        *(("--reasoning_parser", parser) if parser else ()),
    ]


if __name__ == "__main__":
    serving.program(main)
