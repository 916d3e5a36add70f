"""faster-whisper (CTranslate2), from a local folder with model.bin and its json files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faster_whisper import WhisperModel

from june_cli.errors import JuneError
from june_stt.recognisers import Heard, Recogniser, Samples

NEEDED = ("model.bin", "config.json", "tokenizer.json")


def load(folder: Path, *, device: str, threads: int) -> Recogniser:
    """Load a converted Whisper model; int8 on a CPU, float16 on a GPU.

    The library asks the hub for a tokenizer that the folder lacks, so its files are looked for first.
    """
    lacking = [name for name in NEEDED if not (folder / name).is_file()]
    if lacking:
        raise JuneError("model-unloadable", f"{folder} lacks a converted model's {', '.join(lacking)}.")
    try:
        model = WhisperModel(
            str(folder),
            device=device,
            compute_type="float16" if device == "cuda" else "int8",
            cpu_threads=threads,
            local_files_only=True,
        )
    except Exception as error:  # the tokenizer's reader raises bare Exception
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise JuneError(
            "model-unloadable", f"the Whisper model in {folder} does not load: {reason}"
        ) from error
    return FasterWhisper(folder.name, model)


class FasterWhisper:
    """A loaded model. Each call stands alone: text of one utterance never prompts the next."""

    longest_s = 28.0

    def __init__(self, name: str, model: Any) -> None:
        self.name, self._model = name, model

    def recognise(self, samples: Samples, stop: Callable[[], bool]) -> Heard:
        """Beam search of five. A window of 30 s is one call into C++: only before it can a caller stop it."""
        if stop():
            return Heard("", 0.0)
        segments, _ = self._model.transcribe(
            samples, beam_size=5, condition_on_previous_text=False, without_timestamps=True
        )
        texts: list[str] = []
        logs: list[float] = []
        coming = iter(segments)
        while not stop() and (segment := next(coming, None)) is not None:
            texts.append(segment.text.strip())
            logs.append(segment.avg_logprob)
        confidence = math.exp(sum(logs) / len(logs)) if logs else 0.0
        return Heard(" ".join(texts).strip(), min(1.0, confidence))
