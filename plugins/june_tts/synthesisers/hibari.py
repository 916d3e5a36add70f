"""Hibari, a small English voice on onnxruntime: the package is the program, the store has the voice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hibari import SAMPLE_RATE, Hibari

from june_cli.errors import JuneError, UsageProblem
from june_tts.synthesisers import Sound, Synthesiser, Voice


def load(folder: Path, *, device: str, threads: int) -> Synthesiser:
    """Load `hibari.onnx` of a folder; the model runs on the CPU."""
    del device
    try:
        model = Hibari(model=str(folder / "hibari.onnx"), threads=threads)
    except (OSError, RuntimeError, ValueError) as error:
        raise JuneError(
            "model-unloadable", f"the Hibari voice in {folder} does not load: {str(error).splitlines()[0]}"
        ) from error
    return HibariVoice(folder.parent.name, model)


class HibariVoice:
    """One loaded Hibari voice."""

    rate_hz = SAMPLE_RATE
    voices: tuple[Voice, ...] = (Voice("heart", "en-US", "American English, female"),)

    def __init__(self, name: str, model: Any) -> None:
        self.name, self._model = name, model

    def speak(self, sentence: str, voice: str, speed: float, seed: int) -> Sound:
        """The seed fixes the noise in the voice, so that the same words always sound the same."""
        del voice
        try:
            return np.asarray(self._model(sentence, speed=speed, seed=seed), np.float32)
        except (IndexError, KeyError, ValueError) as error:  # a number of four hundred digits, for one
            raise UsageProblem("text-unspeakable", f"this voice cannot say {sentence[:60]!r}.") from error
