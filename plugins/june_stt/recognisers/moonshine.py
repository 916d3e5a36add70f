"""Moonshine on onnxruntime: the published .ort graphs, decoded greedily with a key-value cache.

The graphs are called directly rather than through the vendor's library, for the token probabilities, for
cancelling between tokens, and because it is twice as fast on short clips (docs/adr/0004).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from june_cli.errors import JuneError
from june_stt.recognisers import Heard, Recogniser, Samples

RATE_HZ = 16_000
START, END = 1, 2  # <s> and </s> in the published tokenizer
TOKENS_PER_S = 6.5  # the model's own bound: past it the decoder is repeating itself
SHORTEST = 1_600  # samples; the encoder's strides need about that many


def load(folder: Path, *, device: str, threads: int) -> Recogniser:
    """Load `encoder_model.ort`, `decoder_model_merged.ort` and `tokenizer.bin` from a folder."""
    del device  # the .ort graphs are for the CPU
    try:
        encoder = _session(folder / "encoder_model.ort", threads)
        decoder = _session(folder / "decoder_model_merged.ort", threads)
        return Moonshine(
            folder.parent.name, encoder, decoder, tokens((folder / "tokenizer.bin").read_bytes())
        )
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        raise JuneError(
            "model-unloadable", f"the Moonshine model in {folder} does not load: {str(error).splitlines()[0]}"
        ) from error


def _session(path: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # idle threads burn no core
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def tokens(data: bytes) -> list[bytes]:
    """The vocabulary of a tokenizer.bin: each token after its length, which takes two bytes from 128 on."""
    found, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length >= 128:
            length, at = length - 128 + data[at] * 128, at + 1
        found.append(data[at : at + length])
        at += length
    return found


class Moonshine:
    """A loaded Moonshine model."""

    longest_s = 25.0

    def __init__(
        self, name: str, encoder: ort.InferenceSession, decoder: ort.InferenceSession, vocabulary: list[bytes]
    ) -> None:
        self.name = name
        self._encoder, self._decoder, self._vocabulary = encoder, decoder, vocabulary
        past = [i for i in decoder.get_inputs() if i.name.startswith("past_key_values")]
        self._empty = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]), np.float32) for i in past}
        self._present = [o.name.replace("present", "past_key_values") for o in decoder.get_outputs()[1:]]

    def recognise(self, samples: Samples, stop: Callable[[], bool]) -> Heard:
        """Greedy decoding, at most 6.5 tokens a second of audio."""
        if len(samples) < SHORTEST:
            samples = np.pad(samples, (0, SHORTEST - len(samples)))
        audio = samples[np.newaxis].astype(np.float32)
        mask = np.ones(audio.shape, np.int64)
        hidden = self._encoder.run(None, {"input_values": audio, "attention_mask": mask})[0]
        ids, logs = self._decode(hidden, mask, int(len(samples) / RATE_HZ * TOKENS_PER_S) + 2, stop)
        text = b"".join(self._vocabulary[i] for i in ids if i > END)
        confidence = float(np.exp(np.mean(logs))) if ids and logs else 0.0
        return Heard(text.decode("utf-8", "ignore").replace("\u2581", " ").strip(), confidence)

    def _decode(
        self, hidden: Any, mask: Any, most: int, stop: Callable[[], bool]
    ) -> tuple[list[int], list[float]]:
        cache = dict(self._empty)
        ids: list[int] = []
        logs: list[float] = []
        token = START
        while len(ids) < most and not stop():
            logits, *present = self._decoder.run(
                None,
                {
                    "encoder_attention_mask": mask,
                    "input_ids": np.array([[token]], np.int64),
                    "encoder_hidden_states": hidden,
                    **cache,
                    "use_cache_branch": np.array([bool(logs)]),
                },
            )
            last = logits[0, -1]
            token = int(last.argmax())
            logs.append(float(-np.log(np.exp(last - last[token]).sum())))
            step = zip(self._present, present, strict=True)
            # the encoder's half of the cache is computed once, by the first step
            cache |= {name: value for name, value in step if len(logs) == 1 or ".decoder." in name}
            if token == END:
                break
            ids.append(token)
        return ids, logs
