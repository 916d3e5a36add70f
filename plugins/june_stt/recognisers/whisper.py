"""openai-whisper, from a local folder that holds one .pt checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import whisper

from june_cli.errors import JuneError
from june_stt.recognisers import Heard, Recogniser, Samples


def load(folder: Path, *, device: str, threads: int) -> Recogniser:
    """Load the checkpoint of a folder. Given a name, the library would download: only a path is given."""
    import torch

    checkpoints = sorted(folder.glob("*.pt"))
    if len(checkpoints) != 1:
        raise JuneError(
            "model-unloadable", f"{folder} holds {len(checkpoints)} .pt checkpoints; one is needed."
        )
    if device == "cpu":
        torch.set_num_threads(threads)
    try:
        model = whisper.load_model(str(checkpoints[0]), device=device)
    except (RuntimeError, OSError, KeyError, EOFError) as error:
        raise JuneError("model-unloadable", f"{checkpoints[0]} does not load: {error}") from error
    return Whisper(checkpoints[0].stem, model, half=device == "cuda")


class Whisper:
    """A loaded model. Each call stands alone: text of one utterance never prompts the next."""

    longest_s = 28.0

    def __init__(self, name: str, model: Any, *, half: bool) -> None:
        self.name, self._model, self._half = name, model, half

    def recognise(self, samples: Samples, stop: Callable[[], bool]) -> Heard:
        """Greedy decoding of one window; the library offers no way to stop it half-way."""
        del stop
        said = self._model.transcribe(
            samples, fp16=self._half, condition_on_previous_text=False, without_timestamps=True
        )
        logs = [segment["avg_logprob"] for segment in said["segments"]]
        confidence = math.exp(sum(logs) / len(logs)) if logs else 0.0
        return Heard(str(said["text"]).strip(), min(1.0, confidence))
