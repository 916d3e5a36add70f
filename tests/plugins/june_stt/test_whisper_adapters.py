"""The Whisper recognisers, on tiny models of random weights: nonsense, but out of the real libraries."""

from __future__ import annotations

import json
import pickle
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from june_stt import recognisers

from june_cli.errors import JuneError, MachineLacks, UsageProblem

NOISE: recognisers.Samples = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
SHORT = 12  # tokens of text context: a random model never stops by itself


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a recogniser used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def unloadable(loader: str, folder: Path) -> str:
    with pytest.raises(JuneError) as caught:
        recognisers.load(loader, folder, device="cpu", threads=1)
    assert caught.value.code == "model-unloadable"
    assert "\n" not in caught.value.message
    assert not caught.value.message.endswith(": ")
    return caught.value.message


def after(calls: int) -> Callable[[], bool]:
    """A caller who leaves after having been asked so often."""
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


# everywhere


def test_unknown_loader(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no recogniser is called 'sphinx'") as caught:
        recognisers.load("sphinx", tmp_path, device="cpu", threads=1)
    assert caught.value.code == "loader-unknown"
    assert caught.value.hint == "known: faster-whisper, moonshine, whisper"


@pytest.mark.parametrize(
    ("loader", "package"),
    [("whisper", "whisper"), ("faster-whisper", "faster_whisper"), ("moonshine", "onnxruntime")],
)
def test_missing_package(loader: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, extra = recognisers.LOADERS[loader]
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MachineLacks, match=f"needs the Python package '{package}'") as caught:
        recognisers.load(loader, tmp_path, device="cpu", threads=1)
    assert caught.value.code == "package-missing"
    assert caught.value.hint == f"pip install 'june-cli[{extra}]'"


# openai-whisper

LEFT_OPEN = pytest.mark.filterwarnings(  # the library leaves the file of its vocabulary to the collector
    "ignore:unclosed file:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


def require_whisper() -> Any:
    return pytest.importorskip("whisper", reason="needs pip install 'june-cli[whisper]'")


def checkpoint(path: Path) -> Path:
    """A .pt file as the library publishes them."""
    import torch
    from whisper.model import ModelDimensions, Whisper

    dims = {
        "n_mels": 80,
        "n_audio_ctx": 1_500,
        "n_audio_state": 16,
        "n_audio_head": 2,
        "n_audio_layer": 1,
        "n_vocab": 51_865,
        "n_text_ctx": SHORT,
        "n_text_state": 16,
        "n_text_head": 2,
        "n_text_layer": 1,
    }
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(**dims))
    with torch.no_grad():
        for weights in model.parameters():
            weights.normal_(0, 0.02)
    torch.save({"dims": dims, "model_state_dict": model.state_dict()}, path)
    return path


@LEFT_OPEN
def test_whisper_recognises_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_whisper()
    monkeypatch.setenv("PATH", "")  # no ffmpeg
    checkpoint(tmp_path / "nonsense.pt")
    whisper = recognisers.load("whisper", tmp_path, device="cpu", threads=1)
    assert whisper.name == "nonsense"
    for samples in (NOISE, NOISE[:100], NOISE[:0], np.zeros(8_000, np.float32)):
        heard = whisper.recognise(samples, lambda: False)
        assert isinstance(heard.text, str)
        assert 0.0 <= heard.confidence <= 1.0
    heard = whisper.recognise(NOISE, lambda: False)
    assert heard.text
    assert heard.confidence > 0


@LEFT_OPEN
def test_whisper_stops_between_tokens(tmp_path: Path) -> None:
    require_whisper()
    checkpoint(tmp_path / "nonsense.pt")
    whisper = recognisers.load("whisper", tmp_path, device="cpu", threads=1)
    for calls in (0, 1, 5):
        assert whisper.recognise(NOISE, after(calls)) == recognisers.Heard("", 0.0)
    assert whisper.recognise(NOISE, lambda: False).text  # and nothing of it stays behind


def test_whisper_wants_exactly_one_checkpoint(tmp_path: Path) -> None:
    require_whisper()
    assert "holds 0 .pt checkpoints" in unloadable("whisper", tmp_path)
    assert "holds 0 .pt checkpoints" in unloadable("whisper", tmp_path / "nowhere")
    (tmp_path / "a.pt").touch()
    (tmp_path / "b.pt").touch()
    assert "holds 2 .pt checkpoints" in unloadable("whisper", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"PK\x03\x04 no archive",
        pickle.dumps([1], protocol=2),
        pickle.dumps({"dims": {"size": 1}, "model_state_dict": {}}, protocol=2),
        pickle.dumps(Path("an object"), protocol=2),
    ],
    ids=["empty", "text", "zip", "list", "dims", "code"],
)
@pytest.mark.filterwarnings("ignore")  # of torch, about the file
def test_whisper_refuses_a_damaged_checkpoint(content: bytes, tmp_path: Path) -> None:
    require_whisper()
    (tmp_path / "model.pt").write_bytes(content)
    assert f"{tmp_path / 'model.pt'} does not load: " in unloadable("whisper", tmp_path)


def test_whisper_refuses_other_weights(tmp_path: Path) -> None:
    require_whisper()
    import torch

    path = checkpoint(tmp_path / "model.pt")
    kept = torch.load(path, weights_only=True)
    torch.save(kept | {"model_state_dict": {"a": torch.zeros(1)}}, path)
    assert "does not load: RuntimeError: Error(s) in loading state_dict" in unloadable("whisper", tmp_path)
    path.write_bytes(path.read_bytes()[:1_000])
    unloadable("whisper", tmp_path)


# faster-whisper


def require_faster_whisper() -> Any:
    return pytest.importorskip("faster_whisper", reason="needs pip install 'june-cli[faster-whisper]'")


def converted(folder: Path) -> Path:
    """A folder as the converter of CTranslate2 leaves it, for an English-only model."""
    from ctranslate2.specs import WhisperSpec
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    width, special = 64, ["<|endoftext|>", "<|startoftranscript|>", "<|translate|>", "<|transcribe|>"]
    special += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    special += [f"<|{step * 0.02:.2f}|>" for step in range(1_501)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])

    random = np.random.default_rng(0)

    def fill(part: Any, **shapes: tuple[int, ...]) -> None:
        for name, shape in shapes.items():
            setattr(part, name, random.normal(0, 0.3, shape).astype(np.float32))

    def linear(part: Any, outputs: int, inputs: int = width) -> None:
        fill(part, weight=(outputs, inputs), bias=(outputs,))

    def layer(part: Any, *, cross: bool) -> None:
        for attention, sizes in (
            (part.self_attention, (3, 1)),
            (getattr(part, "attention", None), (1, 2, 1)),
        ):
            if attention is not None and (cross or len(sizes) == 2):
                fill(attention.layer_norm, gamma=(width,), beta=(width,))
                for piece, size in zip(attention.linear, sizes, strict=True):
                    linear(piece, size * width)
        fill(part.ffn.layer_norm, gamma=(width,), beta=(width,))
        linear(part.ffn.linear_0, 4 * width)
        linear(part.ffn.linear_1, width, 4 * width)

    spec = WhisperSpec(1, 1, 1, 1)
    fill(spec.encoder.conv1, weight=(width, 80, 3), bias=(width,))
    fill(spec.encoder.conv2, weight=(width, width, 3), bias=(width,))
    fill(spec.encoder.position_encodings, encodings=(1_500, width))
    fill(spec.encoder.layer_norm, gamma=(width,), beta=(width,))
    layer(spec.encoder.layer[0], cross=False)
    words = letters + special
    fill(spec.decoder.embeddings, weight=(len(words), width))
    fill(spec.decoder.position_encodings, encodings=(448, width))
    fill(spec.decoder.layer_norm, gamma=(width,), beta=(width,))
    fill(spec.decoder.projection, weight=(len(words), width))
    layer(spec.decoder.layer[0], cross=True)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = []
    spec.config.alignment_heads = [[0, 0]]
    spec.register_vocabulary(words)
    spec.validate()
    folder.mkdir()
    spec.save(str(folder))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_faster_whisper_recognises_arrays(tmp_path: Path) -> None:
    require_faster_whisper()
    folder = converted(tmp_path / "nonsense")
    model = recognisers.load("faster-whisper", folder, device="cpu", threads=1)
    assert model.name == "nonsense"
    for samples in (NOISE, NOISE[:100], NOISE[:0], np.zeros(8_000, np.float32)):
        heard = model.recognise(samples, lambda: False)
        assert isinstance(heard.text, str)
        assert 0.0 <= heard.confidence <= 1.0
    heard = model.recognise(NOISE, lambda: False)
    assert heard.text
    assert heard.confidence > 0


def test_faster_whisper_stops_before_a_window(tmp_path: Path) -> None:
    require_faster_whisper()
    model = recognisers.load("faster-whisper", converted(tmp_path / "m"), device="cpu", threads=1)
    for calls in (0, 1):
        assert model.recognise(NOISE, after(calls)) == recognisers.Heard("", 0.0)


def test_faster_whisper_keeps_what_it_has_when_stopped(tmp_path: Path) -> None:
    require_faster_whisper()
    model = recognisers.load("faster-whisper", converted(tmp_path / "m"), device="cpu", threads=1)
    longer = np.tile(NOISE, 45)
    whole, first = model.recognise(longer, lambda: False), model.recognise(longer, after(2))
    assert 0 < len(first.text) < len(whole.text)
    assert 0.0 < first.confidence <= 1.0


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json"])
def test_faster_whisper_asks_no_hub_for_what_a_folder_lacks(name: str, tmp_path: Path) -> None:
    require_faster_whisper()
    folder = converted(tmp_path / "m")
    (folder / name).unlink()
    assert unloadable("faster-whisper", folder) == f"{folder} lacks a converted model's {name}."


def test_faster_whisper_says_that_a_folder_is_missing(tmp_path: Path) -> None:
    require_faster_whisper()
    assert "lacks a converted model's model.bin" in unloadable("faster-whisper", tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.bin", "config.json", "tokenizer.json", "vocabulary.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"hello\n" * 1_000], ids=["empty", "brace", "text"])
def test_faster_whisper_refuses_a_damaged_file(name: str, content: bytes, tmp_path: Path) -> None:
    require_faster_whisper()
    folder = converted(tmp_path / "m")
    (folder / name).write_bytes(content)
    assert f"the Whisper model in {folder} does not load: " in unloadable("faster-whisper", folder)


def test_faster_whisper_refuses_half_a_model(tmp_path: Path) -> None:
    require_faster_whisper()
    folder = converted(tmp_path / "m")
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:100_000])
    unloadable("faster-whisper", folder)
    (folder / "model.bin").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps([]), "utf-8")
    unloadable("faster-whisper", folder)
