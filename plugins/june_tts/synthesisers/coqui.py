"""Coqui TTS (coqui-tts), from a local folder with config.json and its checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from june_cli.errors import JuneError, MachineLacks, UsageProblem
from june_tts.synthesisers import Sound, Synthesiser, Voice


def load(folder: Path, *, device: str, threads: int) -> Synthesiser:
    """Load a checkpoint by path: a model name would make the library download, which is never done."""
    tts = _library()
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise MachineLacks("gpu-missing", "the voice was to run on a GPU, and PyTorch sees none here.")
    if device == "cpu":
        torch.set_num_threads(threads)
    config = folder / "config.json"
    # XTTS keeps several files and takes their folder; other models take the checkpoint itself
    path = folder if (folder / "vocab.json").exists() else _checkpoint(folder)
    if not config.exists():
        raise JuneError("model-unloadable", f"{folder} lacks a config.json.")
    try:
        model = tts(model_path=str(path), config_path=str(config), progress_bar=False).to(device)
        return CoquiVoice(folder.name, model)
    except JuneError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to spell
        reason = str(error).partition("\n")[0].partition(". ")[0] or "no reason given"
        raise JuneError(
            "model-unloadable",
            f"the Coqui voice in {folder} does not load: {type(error).__name__}: {reason}",
        ) from error


def _library() -> Any:
    """The class TTS. Its package wants torch, torchaudio and torchcodec beside it, and brings none."""
    try:
        from TTS.api import TTS
    except (ImportError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == "TTS":
            raise
        raise MachineLacks(
            "package-broken",
            f"the Python package 'TTS' does not load: {' '.join(str(error).split())}",
            hint="pip install 'coqui-tts[cpu,codec]', with torch, torchaudio and torchcodec of one build",
        ) from error
    # it warns of characters it does not know together with the sentence, which is nobody else's business
    logging.getLogger("TTS").setLevel(logging.ERROR)
    return TTS


def _checkpoint(folder: Path) -> Path:
    """The one checkpoint, apart from the files of speakers and of their encoder that may lie beside it."""
    found = [p for p in folder.glob("*.pth") if "speakers" not in p.name and not p.stem.endswith("_se")]
    if len(found) != 1:
        raise JuneError("model-unloadable", f"{folder} holds {len(found)} .pth checkpoints; one is needed.")
    return found[0]


class CoquiVoice:
    """A loaded Coqui model; one without named speakers has the single voice `default`.

    A model of many languages speaks English, or its first language where it has no English.
    """

    def __init__(self, name: str, model: Any) -> None:
        self.name, self._model = name, model
        self.rate_hz = int(model.synthesizer.output_sample_rate)
        self._many = bool(model.is_multi_speaker)
        speakers = list(dict.fromkeys(map(str, model.speakers or ()))) if self._many else ["default"]
        if not speakers:
            raise JuneError(
                "model-unloadable", f"the Coqui voice {name} only clones voices, and there is none to clone."
            )
        inner = model.synthesizer.tts_model
        known = [str(tag) for tag in inner.language_manager.language_names] or ["en"]
        self._language = next((tag for tag in known if tag.partition("-")[0] == "en"), known[0])
        self.voices = tuple(Voice(speaker, self._language, "") for speaker in speakers)
        self._takes_speed = "xtts" in str(model.synthesizer.tts_config.model)
        self._scale = None if self._takes_speed else getattr(inner, "length_scale", None)

    def speak(self, sentence: str, voice: str, speed: float, seed: int) -> Sound:
        """One sentence; the seed goes to PyTorch, which all of the model's sampling draws on.

        Of the models only XTTS takes a speed. Others drop it without a word; most of them stretch durations
        by a factor of their own, which is set instead. UsageProblem for a speed that a model cannot do.
        """
        import torch

        if not any(character.isalnum() for character in sentence):
            return np.zeros(0, np.float32)
        options: dict[str, Any] = {"text": sentence, "split_sentences": False}
        if self._takes_speed:
            options["speed"] = speed
        elif self._scale is not None:
            self._model.synthesizer.tts_model.length_scale = float(self._scale) / speed
        elif speed != 1.0:
            raise UsageProblem("speed-fixed", f"the Coqui voice {self.name} speaks at one speed only.")
        if self._many:
            options["speaker"] = voice
        if self._model.is_multi_lingual:
            options["language"] = self._language
        torch.manual_seed(seed)
        # the library ends every sentence with 10,000 zeros
        return np.trim_zeros(np.asarray(self._model.tts(**options), np.float32), "b")
