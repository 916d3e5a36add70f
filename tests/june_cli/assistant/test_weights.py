"""How many parameters a folder holds, and which are too many for a CPU."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from june_cli.assistant import weights
from june_cli.errors import JuneError, MachineLacks


def safetensors(path: Path, tensors: dict[str, Any]) -> None:
    said = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    path.write_bytes(struct.pack("<Q", len(said)) + said)


def gguf(path: Path, *shapes: tuple[int, ...]) -> None:
    tensors = b"".join(
        struct.pack("<Q1s", 1, b"t") + struct.pack(f"<I{len(s)}QIQ", len(s), *s, 0, 0) for s in shapes
    )
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, len(shapes), 0) + tensors + bytes(64))


def test_every_part_of_a_split_model_counts(tmp_path: Path) -> None:
    gguf(tmp_path / "m-00001-of-00002.gguf", (10, 10), (5,))
    gguf(tmp_path / "m-00002-of-00002.gguf", (2, 2, 2))
    assert weights.parameters(tmp_path) == 113


def test_safetensors_are_counted_by_their_shapes(tmp_path: Path) -> None:
    safetensors(tmp_path / "a.safetensors", {"w": {"dtype": "BF16", "shape": [4, 5]}})
    safetensors(tmp_path / "b.safetensors", {"s": {"dtype": "F32", "shape": []}})
    assert weights.parameters(tmp_path) == 21


def test_packed_weights_are_counted_as_what_they_stand_for(tmp_path: Path) -> None:
    packed = {"q": {"dtype": "I32", "shape": [10]}, "p": {"dtype": "U8", "shape": [10]}}
    safetensors(tmp_path / "a.safetensors", packed)
    assert weights.parameters(tmp_path) == 100


def test_a_folder_of_something_else_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    assert weights.parameters(tmp_path) == 0
    assert weights.parameters(tmp_path / "nothing") == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02",
        struct.pack("<Q", 2**60),
        struct.pack("<Q", 5) + b"{",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"w": 17}',
        struct.pack("<Q", 43) + b'{"w": {"dtype": "F32", "shape": [-4, 5.5]}}',
        struct.pack("<Q", 200_000) + b"[" * 200_000,
    ],
)
def test_a_corrupt_header_is_no_model(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(JuneError) as caught:
        weights.parameters(tmp_path)
    assert caught.value.code == "model-unloadable"


@pytest.mark.parametrize("count", [29_500_000_000, 29_900_000_000, 30_500_000_000, 671_000_000_000])
def test_what_is_sold_as_30_billion_or_more_needs_a_gpu(count: int) -> None:
    with pytest.raises(MachineLacks, match="need a GPU") as caught:
        weights.refuse_large_on_cpu(count, "huge")
    assert (caught.value.code, caught.value.exit_code) == ("model-too-large-for-cpu", 3)


@pytest.mark.parametrize("count", [0, 135_000_000, 27_400_000_000, 29_400_000_000])
def test_smaller_ones_do_not(count: int) -> None:
    weights.refuse_large_on_cpu(count, "small")
