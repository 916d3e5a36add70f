"""What the two servers of TensorRT-LLM are told, and how an entry for Triton's `llmapi` model is laid out.

Keys are those of its LLM() arguments in releases 1.2 and 1.3 (llmapi/llm_args.py), the layout is that of
triton_backend/all_models/llmapi. A key that is not known there is an error, so only what is needed is set.
Not run on a GPU yet.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from june_cli.errors import MachineLacks

SHIPPED = Path("/app/all_models/llmapi/tensorrt_llm")  # in NVIDIA's image of Triton with TensorRT-LLM
SETTINGS, ENGINE = "llm.yaml", "engine"  # what a build leaves for trtllm-serve, the second only where asked
SEQUENCES = 8  # answered at once
MAX_TOKENS = 8192  # of all prompts of one step
KV_FRACTION = 0.6  # of what is free after loading: speech shares the GPU
DEFAULT_CONTEXT = 32_768  # left out, the model's own 262,144 would be planned for


def settings(environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings that JUNE_CONTEXT_TOKENS and JUNE_MOE_BACKEND ask for."""
    context = int(environ.get("JUNE_CONTEXT_TOKENS") or 0) or DEFAULT_CONTEXT
    told: dict[str, Any] = {
        "max_batch_size": SEQUENCES,
        "max_num_tokens": MAX_TOKENS,
        "max_seq_len": context,
        "kv_cache_config": {
            "free_gpu_memory_fraction": KV_FRACTION,
            # the smaller of the two holds: what is free varies, this does not
            "max_tokens": SEQUENCES * context,
        },
    }
    if environ.get("JUNE_MOE_BACKEND"):
        told["moe_config"] = {"backend": environ["JUNE_MOE_BACKEND"]}
    return told


def write_settings(file: Path, told: Mapping[str, Any]) -> None:
    """Write a file of settings; JSON is YAML."""
    file.write_text(json.dumps(told, indent=1), "utf-8")


def write_entry(
    folder: Path, name: str, weights: str, told: Mapping[str, Any], shipped: Path = SHIPPED
) -> None:
    """An entry of a model repository: the image's own files, renamed, and the settings of this model.

    `weights` is where the server will find the checkpoint. `triton_config` is read without a default, and
    streaming needs `decoupled`. MachineLacks where the image has no such model.
    """
    if not (shipped / "config.pbtxt").is_file():
        raise MachineLacks("image-unfit", f"this image has no llmapi model in {shipped}.")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(shipped, folder)
    config = (shipped / "config.pbtxt").read_text("utf-8")
    (folder / "config.pbtxt").write_text(_renamed(config, name), "utf-8")
    server = {"triton_config": {"max_batch_size": 0, "decoupled": True}}
    write_settings(folder / "1" / "model.yaml", {"model": weights, "backend": "pytorch", **told, **server})


def _renamed(config: str, name: str) -> str:
    """The model's name must be that of its folder."""
    lines = config.splitlines()
    return "\n".join([f'name: "{name}"', *(line for line in lines if not line.startswith("name:"))]) + "\n"
