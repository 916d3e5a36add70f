"""How large a model is, by the headers of its weights; and which is too large for a CPU."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from june_cli.assistant.gguf import Header
from june_cli.errors import JuneError, MachineLacks

# A model of 30 B or more never loads on a CPU. What is sold as "30B" holds from 29.9e9 (MPT, OPT) to 32.5e9
# parameters (LLaMA), so the border lies where a count rounds to 30 B.
LARGE = 29_500_000_000
MAX_HEADER_BYTES = 100 * 1024 * 1024  # the limit of the format's own library
# Four-bit weights are stored several to a number: eight in 32 bits (AWQ, GPTQ), two in a byte (NVFP4, MXFP4).
PACKED = {"I32": 8, "U8": 2}


def parameters(folder: Path) -> int:
    """The parameters of the model in a folder, or in one file; 0 where it has neither GGUF nor safetensors.

    Every *.gguf is counted, else every *.safetensors: a split model is the sum of its parts. It is what the
    headers say, which for packed weights is an estimate that takes every 32 bit integer for eight weights and
    every byte for two: it errs towards too many, by the scales and zero points of a quantization, a few per
    cent, and twice for 8-bit weights packed into 32 bits. JuneError when a header is corrupt.
    """
    files = [folder] if folder.is_file() else sorted(folder.glob("*.gguf"))
    files = files or sorted(folder.glob("*.safetensors"))
    return sum(_gguf(file) if file.suffix == ".gguf" else _safetensors(file) for file in files)


def refuse_large_on_cpu(count: int, model: str) -> None:
    """MachineLacks when a model of so many parameters must not be loaded on a CPU; no flag passes it."""
    if count >= LARGE:
        raise MachineLacks(
            "model-too-large-for-cpu",
            f"{model} has {count / 1e9:.1f} billion parameters; models of 30 billion or more need a GPU.",
            hint="a profile for GPUs serves it, or take a smaller model: june llm info",
        )


def _gguf(file: Path) -> int:
    with Header(file) as header:
        return header.parameters


def tensors(file: Path) -> dict[str, tuple[str, list[int]]]:
    """Type and shape of each tensor in a safetensors file. JuneError when its header is corrupt."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if not 2 <= length <= MAX_HEADER_BYTES:
                raise ValueError(f"a header of {length} bytes")
            header: dict[str, Any] = json.loads(stream.read(length))
        return {
            name: (str(tensor["dtype"]), _shape(tensor["shape"]))
            for name, tensor in header.items()
            if name != "__metadata__"
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise JuneError(
            "model-unloadable", f"{file} is no model that can be loaded: its header is corrupt ({error})."
        ) from error


def _safetensors(file: Path) -> int:
    return sum(prod(shape) * PACKED.get(dtype, 1) for dtype, shape in tensors(file).values())


def _shape(shape: Any) -> list[int]:
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise TypeError(f"a shape of {shape!r}")
    return shape
