"""What the first download of an unpinned model found, so that every later one has to find the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from june_cli.errors import JuneError, MachineLacks

FILE = "pins.json"


@dataclass(frozen=True)
class PinnedFile:
    """One file as it was first seen."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Pin:
    """A model as it was first seen: its commit, or a name made of its content, and its files."""

    revision: str
    files: tuple[PinnedFile, ...]


def read(models: Path) -> Mapping[str, Pin]:
    """All pins of a store, by model. JuneError when the file is damaged: a lost pin would trust anything."""
    try:
        content = json.loads((models / FILE).read_text("utf-8"))
        return {
            name: Pin(str(pin["revision"]), tuple(PinnedFile(**file) for file in pin["files"]))
            for name, pin in content.items()
        }
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise MachineLacks(
            "store-not-readable", f"you may not read the model store {models}.", hint="set MODEL_CACHE_DIR"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise JuneError(
            "pins-damaged",
            f"{models / FILE}, which says which bytes June trusts, cannot be read: {error}.",
            hint=f"restore it from a backup, or remove it to trust the next downloads anew: "
            f"rm {models / FILE}",
        ) from error


def forget(models: Path, name: str) -> None:
    """Let a model that was made here be another from now on. The caller holds the store's lock of pins."""
    known = dict(read(models))
    if known.pop(name, None):
        _write(models, known)


def record(models: Path, name: str, pin: Pin) -> None:
    """Remember a model as it was found. The caller holds the store's lock of pins."""
    _write(models, {**read(models), name: pin})


def _write(models: Path, known: Mapping[str, Pin]) -> None:
    temporary = models / f".{FILE}.{os.getpid()}"
    text = json.dumps({key: asdict(value) for key, value in sorted(known.items())}, indent=1)
    temporary.write_text(text, "utf-8")
    temporary.replace(models / FILE)
