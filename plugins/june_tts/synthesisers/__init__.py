"""Synthesisers: what turns one sentence into sound. One file each, chosen by a model's loader."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from june_cli.errors import MachineLacks, UsageProblem

Sound = NDArray[np.float32]  # mono, -1 to 1


@dataclass(frozen=True)
class Voice:
    """A way to speak. `language` is a BCP 47 tag."""

    name: str
    language: str
    description: str


class Synthesiser(Protocol):
    """One loaded model. The first of its voices is the default."""

    name: str
    rate_hz: int
    voices: tuple[Voice, ...]

    def speak(self, sentence: str, voice: str, speed: float, seed: int) -> Sound:
        """The sound of one sentence; nothing at all for one without anything to pronounce."""


LOADERS = {
    "hibari": ("june_tts.synthesisers.hibari", "hibari", "local"),
    "coqui": ("june_tts.synthesisers.coqui", "TTS", "coqui"),
}


def load(loader: str, folder: Path, *, device: str, threads: int) -> Synthesiser:
    """Load a synthesiser from a local folder. Never downloads. UsageProblem for an unknown loader."""
    if loader not in LOADERS:
        raise UsageProblem(
            "loader-unknown",
            f"no synthesiser is called {loader!r}.",
            hint=f"known: {', '.join(sorted(LOADERS))}",
        )
    module, package, extra = LOADERS[loader]
    try:
        made: Synthesiser = import_module(module).load(folder, device=device, threads=threads)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise MachineLacks(
            "package-missing",
            f"synthesiser {loader!r} needs the Python package {package!r}.",
            hint=f"pip install 'june-cli[{extra}]'",
        ) from error
    return made
