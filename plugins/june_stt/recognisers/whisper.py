"""openai-whisper, from a local folder that holds one .pt checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import whisper

from june_cli.errors import JuneError, MachineLacks
from june_stt.recognisers import Heard, Recogniser, Samples


def load(folder: Path, *, device: str, threads: int) -> Recogniser:
    """Load the checkpoint of a folder. Given a name, the library would download: only a path is given.

    The library unpickles nothing but tensors and plain values.
    """
    import torch

    checkpoints = sorted(folder.glob("*.pt"))
    if len(checkpoints) != 1:
        raise JuneError(
            "model-unloadable", f"{folder} holds {len(checkpoints)} .pt checkpoints; one is needed."
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise MachineLacks("gpu-missing", "Whisper was to run on a GPU, and PyTorch sees none here.")
    if device == "cpu":
        torch.set_num_threads(threads)
    try:
        model = whisper.load_model(str(checkpoints[0].resolve()), device=device)
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to spell
        reason = str(error).partition("\n")[0].partition(". ")[0] or "no reason given"
        raise JuneError(
            "model-unloadable", f"{checkpoints[0]} does not load: {type(error).__name__}: {reason}"
        ) from error
    return Whisper(checkpoints[0].stem, model, half=device == "cuda")


class _Stopped(Exception):
    """Leaves the library's decoding loop."""


class Whisper:
    """A loaded model. Each call stands alone: text of one utterance never prompts the next."""

    longest_s = 28.0

    def __init__(self, name: str, model: Any, *, half: bool) -> None:
        self.name, self._model, self._half = name, model, half

    def recognise(self, samples: Samples, stop: Callable[[], bool]) -> Heard:
        """Greedy decoding of one window. The library cannot be stopped; a hook at each token can raise."""

        def check(*_: Any) -> None:
            if stop():
                raise _Stopped

        hooks = [part.register_forward_pre_hook(check) for part in (self._model.encoder, self._model.decoder)]
        try:
            said = self._model.transcribe(
                samples, fp16=self._half, condition_on_previous_text=False, without_timestamps=True
            )
        except _Stopped:
            return Heard("", 0.0)
        finally:
            for hook in hooks:
                hook.remove()
        logs = [segment["avg_logprob"] for segment in said["segments"]]
        confidence = math.exp(sum(logs) / len(logs)) if logs else 0.0
        return Heard(str(said["text"]).strip(), min(1.0, confidence))
