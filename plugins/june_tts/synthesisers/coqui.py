"""Coqui TTS (coqui-tts), from a local folder with config.json and its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from TTS.api import TTS

from june_cli.errors import JuneError, MachineLacks
from june_tts.synthesisers import Sound, Synthesiser, Voice


def load(folder: Path, *, device: str, threads: int) -> Synthesiser:
    """Load a checkpoint by path: a model name would make the library download, which is never done."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise MachineLacks("gpu-missing", "the voice was to run on a GPU, and PyTorch sees none here.")
    if device == "cpu":
        torch.set_num_threads(threads)
    config = folder / "config.json"
    checkpoints = sorted(p for p in folder.glob("*.pth") if "speakers" not in p.name)
    if not config.exists() or not checkpoints:
        raise JuneError("model-unloadable", f"{folder} lacks a config.json or a .pth checkpoint.")
    # XTTS keeps several files and takes their folder; single-speaker models take the checkpoint itself
    path = folder if (folder / "vocab.json").exists() else checkpoints[0]
    try:
        model = TTS(model_path=str(path), config_path=str(config), progress_bar=False).to(device)
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        raise JuneError("model-unloadable", f"the Coqui voice in {folder} does not load: {error}") from error
    return CoquiVoice(folder.name, model)


class CoquiVoice:
    """A loaded Coqui model; one without named speakers has the single voice `default`."""

    def __init__(self, name: str, model: Any) -> None:
        self.name, self._model = name, model
        self.rate_hz = int(model.synthesizer.output_sample_rate)
        speakers = [str(s) for s in model.speakers or []] if model.is_multi_speaker else []
        language = "en" if not model.is_multi_lingual else "mul"
        self.voices = tuple(Voice(s, language, "") for s in speakers) or (Voice("default", language, ""),)

    def speak(self, sentence: str, voice: str, speed: float, seed: int) -> Sound:
        """One sentence; the seed goes to PyTorch, which all of the model's sampling draws on."""
        import torch

        torch.manual_seed(seed)
        options: dict[str, Any] = {"text": sentence, "speed": speed, "split_sentences": False}
        if self._model.is_multi_speaker:
            options["speaker"] = voice
        if self._model.is_multi_lingual:
            options["language"] = "en"
        return np.asarray(self._model.tts(**options), np.float32)
