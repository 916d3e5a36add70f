"""A folder that lies about itself, or could do something when it is loaded, is not trusted."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from june_model import soundness

from june_cli.errors import JuneError

CONFIG = {"vocab_size": 8, "hidden_size": 4, "num_hidden_layers": 2}
SHAPES = {
    "model.embed_tokens.weight": [8, 4],
    "model.layers.0.mlp.weight": [4, 4],
    "model.layers.1.mlp.weight": [4, 4],
}


def weights(file: Path, shapes: dict[str, list[int]]) -> None:
    header = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()
    }
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights(tmp_path / "model.safetensors", SHAPES)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def test_a_model_that_is_what_it_says_is_fine(folder: Path) -> None:
    soundness.require_safe(folder)
    soundness.require_consistent(folder)
    (folder / "config.json").write_text(json.dumps({"text_config": CONFIG, "vision_config": {}}))
    soundness.require_consistent(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hidden_size": 5}, "says hidden_size 5, the embedding has 4"),
        ({"vocab_size": 9}, "says vocab_size 9, the embedding has 8"),
        ({"num_hidden_layers": 48}, "says num_hidden_layers 48, the weights have 2"),
    ],
)
def test_a_config_that_lies_is_found_out(folder: Path, change: dict[str, Any], said: str) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | change))
    with pytest.raises(JuneError, match=said) as caught:
        soundness.require_consistent(folder)
    assert caught.value.code == "model-inconsistent"


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_a_config_that_is_none_is_found_out(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(JuneError) as caught:
        soundness.require_consistent(folder)
    assert caught.value.code == "model-inconsistent"


@pytest.mark.parametrize("named", [["model.safetensors", "model-2.safetensors"], ["other.safetensors"], None])
def test_an_index_that_does_not_fit_the_files_is_found_out(folder: Path, named: list[str] | None) -> None:
    index = {"weight_map": {str(number): name for number, name in enumerate(named)}} if named else []
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(JuneError, match="index"):
        soundness.require_consistent(folder)


def test_a_header_that_is_cut_off_is_no_model(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x05")
    with pytest.raises(JuneError, match="header is corrupt"):
        soundness.require_consistent(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "a.pt", "deep/b.pkl", "modeling_x.py", "c.ckpt"])
def test_what_may_run_code_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    with pytest.raises(JuneError, match="may run code") as caught:
        soundness.require_safe(folder)
    assert caught.value.code == "model-unsafe"


def test_a_link_inside_is_fine_and_one_that_leads_out_is_not(folder: Path) -> None:
    (folder / "again.safetensors").symlink_to("model.safetensors")
    soundness.require_safe(folder)
    (folder / "out.json").symlink_to("/etc/hostname")
    with pytest.raises(JuneError, match="leads out of"):
        soundness.require_safe(folder)
