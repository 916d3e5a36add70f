"""Headers of GGUF files: good ones, and every way in which a file can lie."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from june_cli.assistant import gguf
from june_cli.errors import JuneError

KINDS = {int: (10, "<Q"), bool: (7, "<?"), float: (12, "<d")}
DATA = bytes(64)


def packed(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def value(content: Any) -> bytes:
    if isinstance(content, str):
        return struct.pack("<I", 8) + packed(content)
    if isinstance(content, list):
        head = struct.pack("<I", 9)
        if content and isinstance(content[0], str):
            return head + struct.pack("<IQ", 8, len(content)) + b"".join(map(packed, content))
        return head + struct.pack(f"<IQ{len(content)}f", 6, len(content), *content)
    kind, form = KINDS[type(content)]
    return struct.pack("<I", kind) + struct.pack(form, content)


def header(metadata: dict[str, Any], shapes: list[tuple[int, ...]], version: int = 3) -> bytes:
    keys = b"".join(packed(key) + value(content) for key, content in metadata.items())
    tensors = b"".join(
        packed(f"t{number}") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, 0)
        for number, shape in enumerate(shapes)
    )
    return b"GGUF" + struct.pack("<IQQ", version, len(shapes), len(metadata)) + keys + tensors


METADATA = {
    "general.architecture": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "ü"],
    "tokenizer.ggml.scores": [0.0, 1.0, 2.0, 3.0],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.add_bos_token": True,
    "tokenizer.chat_template": "{{ messages }}",
}
GOOD = header(METADATA, [(8, 4), (3,)]) + DATA


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_tokens_and_parameters_are_read(tmp_path: Path, version: int) -> None:
    content = header(METADATA, [(8, 4), (3,)], version) + DATA
    with gguf.Header(written(tmp_path, content)) as found:
        assert found.parameters == 35
        assert found.metadata["tokenizer.chat_template"] == "{{ messages }}"
        assert gguf.special_token(found.metadata, "bos") == "<s>"
        assert gguf.special_token(found.metadata, "eos") == ""
        assert gguf.adds_bos(found.metadata)
        tokens = found.metadata["tokenizer.ggml.tokens"]
        assert [tokens.text(number) for number in range(-1, 5)] == ["", "<unk>", "<s>", "</s>", "ü", ""]


@pytest.mark.parametrize(
    ("metadata", "adds"),
    [
        ({"tokenizer.ggml.model": "llama"}, True),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2"}, False),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe"}, True),
        ({"tokenizer.ggml.model": "llama", "tokenizer.ggml.add_bos_token": False}, False),
        ({}, False),
    ],
)
def test_who_puts_the_first_token_in_front(metadata: dict[str, Any], adds: bool) -> None:
    assert gguf.adds_bos(metadata) is adds


def test_a_file_cut_anywhere_in_its_header_is_no_model(tmp_path: Path) -> None:
    for length in range(len(GOOD) - len(DATA) + 1):
        with pytest.raises(JuneError) as caught:
            gguf.Header(written(tmp_path, GOOD[:length]))
        assert caught.value.code == "model-unloadable"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04" + bytes(100), "no GGUF"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version is 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version is"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**62, 0), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**62), "claims"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63), "claims"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + packed("k") + struct.pack("<I", 77), "kind 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + packed("k") + struct.pack("<IIQ", 9, 9, 1), "kind 9"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + packed("k") + struct.pack("<IIQ", 9, 8, 2**60), "claims"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + packed("k") + struct.pack("<IIQQ", 9, 8, 1, 2**63),
            "behind",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + packed("t") + struct.pack("<I", 2**31), "dimensions"),
    ],
)
def test_lengths_that_cannot_be_are_not_believed(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(JuneError, match=why):
        gguf.Header(written(tmp_path, content))


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_wrong_byte_is_a_junes_error_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    content = GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]
    try:
        with gguf.Header(written(tmp_path_factory.mktemp("g"), content)) as found:
            gguf.special_token(found.metadata, "bos")
            gguf.adds_bos(found.metadata)
    except JuneError as error:
        assert error.code == "model-unloadable"


def test_a_file_that_is_empty_or_not_there_is_no_model(tmp_path: Path) -> None:
    for path in (written(tmp_path, b""), tmp_path / "nothing.gguf"):
        with pytest.raises(JuneError, match="cannot be read"):
            gguf.Header(path)


def test_weights_that_were_cut_off_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(JuneError, match="end is missing"):
        gguf.Header(written(tmp_path, GOOD[: -len(DATA)]))


def test_one_model_in_a_folder_or_the_first_part_of_it(tmp_path: Path) -> None:
    with pytest.raises(JuneError, match="holds 0"):
        gguf.file_of(tmp_path)
    first = tmp_path / "m-00001-of-00002.gguf"
    for path in (first, tmp_path / "m-00002-of-00002.gguf"):
        path.write_bytes(GOOD)
    assert gguf.file_of(tmp_path) == first
    (tmp_path / "a.gguf").write_bytes(GOOD)
    with pytest.raises(JuneError, match="holds 3"):
        gguf.file_of(tmp_path)
