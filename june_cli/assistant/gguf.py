"""Headers of GGUF files: their metadata, and how many parameters they hold.

Our own reader, because the `gguf` package needs numpy and makes objects of every token and every tensor,
and all that is wanted, on a host, before anything is started, is one template, two token texts and a count.
It reads GGUF 2 and 3, little-endian. No length in a file is believed: what points past the end of the file or
beyond what a model can have is a JuneError `model-unloadable`, not an exception of another kind.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from june_cli.errors import JuneError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# What no real model comes near: a corrupt count must not keep a reader busy.
MAX_KEYS, MAX_TENSORS, MAX_ELEMENTS, MAX_DIMENSIONS = 100_000, 1_000_000, 16_000_000, 4
MAX_TEXT_BYTES = 16 * 1024 * 1024
# Whether llama.cpp puts the first token in front by itself where the file does not say.
BOS_BY_TOKENISER = {"llama": True, "bert": True, "t5": False, "gpt2": False, "rwkv": False}
BOS_BY_PRETOKENISER = ("llama3", "llama-v3", "llama-bpe", "falcon3", "tekken", "chameleon")


@dataclass(frozen=True)
class Texts:
    """An array of strings, of which any one can be read; a vocabulary has hundreds of thousands."""

    header: Header
    start: int
    count: int

    def text(self, index: int) -> str:
        """One of them; empty when there is none of that number."""
        if not 0 <= index < self.count:
            return ""
        return self.header.at(self.start, skip=index)


class Header:
    """The metadata and the tensors' shapes of one file, read on entering and closed on leaving."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: dict[str, Any] = {}
        self.parameters = 0
        self._position = 0
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file
            raise self._corrupt(f"it cannot be read ({error})") from error
        try:
            self._read()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Header:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._bytes.close()

    def at(self, start: int, *, skip: int) -> str:
        """The string that comes `skip` strings after a position."""
        self._position = start
        self._skip_texts(skip)
        return self._text()

    def _read(self) -> None:
        if self._take(4) != MAGIC:
            raise self._corrupt("it is no GGUF file")
        version = self._number("I")
        if version not in VERSIONS:
            raise self._corrupt(
                f"its version is {version}; {' and '.join(map(str, VERSIONS))} are understood"
            )
        tensors = self._count(MAX_TENSORS, "tensors")
        for _ in range(self._count(MAX_KEYS, "keys")):
            key = self._text()
            self.metadata[key] = self._value(self._number("I"))
        shapes = [self._tensor() for _ in range(tensors)]
        self.parameters = sum(size for size, _ in shapes)
        if shapes and self._position + max(place for _, place in shapes) >= len(self._bytes):
            raise self._corrupt("its end is missing")

    def _tensor(self) -> tuple[int, int]:
        """How many parameters a tensor has, and where behind the header it begins."""
        self._skip_texts(1)
        dimensions = self._number("I")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise self._corrupt(f"a tensor has {dimensions} dimensions")
        size = prod(self._numbers(f"{dimensions}Q"))
        return size, self._numbers("IQ")[1]

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._text()
        if kind in SCALARS:
            return self._number(SCALARS[kind])
        if kind != ARRAY:
            raise self._corrupt(f"a value is of the unknown kind {kind}")
        inner, count = self._number("I"), self._count(MAX_ELEMENTS, "elements of an array")
        if inner == STRING:
            texts = Texts(self, self._position, count)
            self._skip_texts(count)
            return texts
        if inner not in SCALARS:
            raise self._corrupt(f"an array holds values of the unknown kind {inner}")
        self._take_past(count * struct.calcsize(f"<{SCALARS[inner]}"))
        return None  # arrays of numbers, scores for example, are of no use here

    def _skip_texts(self, count: int) -> None:
        """Step over strings. A loop of its own, because a vocabulary and its merges make 300 000 steps."""
        position, size, length_at = self._position, len(self._bytes), struct.Struct("<Q").unpack_from
        try:
            for _ in range(count):
                position += 8 + length_at(self._bytes, position)[0]
                if position > size:
                    raise self._corrupt("a text ends behind the end of the file")
        except struct.error as error:
            raise self._corrupt("it ends in the middle") from error
        self._position = position

    def _text(self) -> str:
        length = self._count(MAX_TEXT_BYTES, "bytes of text")
        return self._take(length).decode("utf-8", "replace")

    def _count(self, limit: int, what: str) -> int:
        count = int(self._number("Q"))
        if count > limit:
            raise self._corrupt(f"it claims {count} {what}")
        return count

    def _number(self, form: str) -> Any:
        return self._numbers(form)[0]

    def _numbers(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(f"<{form}", self._take(struct.calcsize(f"<{form}")))

    def _take(self, count: int) -> bytes:
        start = self._position
        self._take_past(count)
        return self._bytes[start : self._position]

    def _take_past(self, count: int) -> None:
        if count > len(self._bytes) - self._position:
            raise self._corrupt("it ends in the middle")
        self._position += count

    def _corrupt(self, why: str) -> JuneError:
        return JuneError("model-unloadable", f"{self.path} is no model that can be loaded: {why}.")


def file_of(folder: Path) -> Path:
    """The one GGUF file of a folder, or the first part of a split one."""
    files = sorted(folder.glob("*.gguf"))
    if not files or (len(files) > 1 and "-00001-of-" not in files[0].name):
        raise JuneError("model-unloadable", f"{folder} holds {len(files)} .gguf files; one model is needed.")
    return files[0]


def special_token(metadata: Mapping[str, Any], name: str) -> str:
    """The text of a special token, `bos` or `eos` for example; empty when the file names none."""
    number, tokens = metadata.get(f"tokenizer.ggml.{name}_token_id"), metadata.get("tokenizer.ggml.tokens")
    return tokens.text(number) if isinstance(number, int) and isinstance(tokens, Texts) else ""


def adds_bos(metadata: Mapping[str, Any]) -> bool:
    """Whether llama.cpp puts the first token in front of every prompt by itself."""
    said = metadata.get("tokenizer.ggml.add_bos_token")
    if isinstance(said, bool):
        return said
    if metadata.get("tokenizer.ggml.pre") in BOS_BY_PRETOKENISER:
        return True
    return BOS_BY_TOKENISER.get(str(metadata.get("tokenizer.ggml.model", "")), False)
