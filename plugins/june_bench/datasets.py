"""The data of suites: fetched once and verified, or a file of one's own."""

from __future__ import annotations

import hashlib
import json
import tomllib
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.errors import UsageProblem

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

LONGEST_BYTES = 1 << 30  # of a file of one's own, unpacked


@dataclass(frozen=True)
class Dataset:
    """Rows, and what identifies the file they are from. `licence` is empty for one's own."""

    rows: tuple[dict[str, Any], ...]
    path: Path
    sha256: str
    licence: str = ""


def pinned(june: Invocation, name: str) -> Dataset:
    """A data set that June knows, downloaded now if need be. MachineLacks without a network."""
    from june_cli.store import catalog, fetch

    entry = tomllib.loads(files("june_bench").joinpath("datasets.toml").read_text("utf-8"))[name]
    described = {"name": name, "role": "data", "loader": "", "parameters": 0, "origin": "shipped", **entry}
    model = catalog.from_data(described)
    folder = fetch.ensure(model, june.paths.runs.parent / "datasets", june.out)
    source = model.source
    name = model.files[0].name if model.files else source.url.rpartition("/")[2]  # type: ignore[union-attr]
    return read(folder / name, licence=model.licence)


def read(path: Path, *, licence: str = "") -> Dataset:
    """A file of JSON lines, or one JSON array; `.gz` of either. UsageProblem says what is wrong with it."""
    raw = _raw(path)
    content = _text(path, raw)
    try:
        if content.lstrip()[:1] == "[":
            rows = json.loads(content)
        else:
            rows = [_row(path, number, line) for number, line in _lines(content)]
    except ValueError as error:
        raise UsageProblem("data-invalid", f"{path} is no JSON: {error}.") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageProblem("data-invalid", f"{path} holds no JSON objects.")
    return Dataset(tuple(rows), path, hashlib.sha256(raw).hexdigest(), licence)


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageProblem("data-unreadable", f"{path} cannot be read: {error}.") from error


def _text(path: Path, raw: bytes) -> str:
    """Its text, unpacked where it is packed."""
    try:
        if path.suffix == ".gz":
            unpacked = zlib.decompressobj(wbits=31)
            raw = unpacked.decompress(raw, LONGEST_BYTES)
            if unpacked.unconsumed_tail:
                raise UsageProblem("data-too-large", f"{path} holds more than {LONGEST_BYTES >> 20} MiB.")
        return raw.decode("utf-8-sig")
    except zlib.error as error:
        raise UsageProblem("data-unreadable", f"{path} cannot be read: {error}.") from error
    except UnicodeDecodeError as error:
        raise UsageProblem("data-invalid", f"{path} is no UTF-8 text: {error}.") from error


def _lines(content: str) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(content.split("\n"), 1) if line.strip()]


def _row(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageProblem("data-invalid", f"{path}, line {number}: {error}.") from error
