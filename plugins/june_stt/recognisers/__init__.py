"""Recognisers: what turns one stretch of speech into text. One file each, chosen by a model's loader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from june_cli.errors import MachineLacks, UsageProblem

Samples = NDArray[np.float32]  # mono, 16 kHz, -1 to 1


@dataclass(frozen=True)
class Heard:
    """Text, and the geometric mean of its tokens' probabilities (0 to 1)."""

    text: str
    confidence: float


class Recogniser(Protocol):
    """One loaded model. `longest_s` is how much speech it takes at once."""

    name: str
    longest_s: float

    def recognise(self, samples: Samples, stop: Callable[[], bool]) -> Heard:
        """The text of one stretch of speech; gives up early, with what it has, once `stop()` is true."""


LOADERS = {
    "moonshine": ("june_stt.recognisers.moonshine", "onnxruntime", "local"),
    "whisper": ("june_stt.recognisers.whisper", "whisper", "whisper"),
    "faster-whisper": ("june_stt.recognisers.faster_whisper", "faster_whisper", "faster-whisper"),
}


def load(loader: str, folder: Path, *, device: str, threads: int) -> Recogniser:
    """Load a recogniser from a local folder. Never downloads. UsageProblem for an unknown loader."""
    if loader not in LOADERS:
        raise UsageProblem(
            "loader-unknown",
            f"no recogniser is called {loader!r}.",
            hint=f"known: {', '.join(sorted(LOADERS))}",
        )
    module, package, extra = LOADERS[loader]
    try:
        made: Recogniser = import_module(module).load(folder, device=device, threads=threads)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MachineLacks(
            "package-missing",
            f"recogniser {loader!r} needs the Python package {package!r}.",
            hint=f"pip install 'june-cli[{extra}]'",
        ) from error
    return made
