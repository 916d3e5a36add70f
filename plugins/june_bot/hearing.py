"""Was anything said, and was it understood? Silence, noise and music must start no conversation.

Energy, the recogniser's own detector of speech, its confidence and repetition decide, in no language in
particular: a list of the phrases that recognisers invent would only ever have some of them.
"""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np

from june_cli.assistant.audio import Clip
from june_cli.assistant.speech import Transcript

Verdict = Literal["heard", "uncertain", "nothing"]
SILENT_DBFS = -65.0  # of the loudest half second: nobody spoke into a microphone
SURE = 0.70  # confidence above which a transcript is taken at its word
WORTHLESS = 0.30  # below it, what was recognised is noise
SHORTEST_S = 0.25  # of speech
REPEATED = 2.4  # how far a text shrinks that says the same again and again; speech stays below 2
FASTEST = 40.0  # characters a second of speech


def verdict(clip: Clip, transcript: Transcript) -> Verdict:
    """What to do with a transcript: answer it, read it back first, or say that nothing was heard."""
    text = transcript.text.strip()
    if not any(c.isalnum() for c in text) or loudest_dbfs(clip) < SILENT_DBFS:
        return "nothing"
    if transcript.confidence < WORTHLESS or 0 < transcript.speech_s < SHORTEST_S:
        return "nothing"
    if transcript.confidence < SURE or repeats(text) or _too_fast(text, transcript):
        return "uncertain"
    return "heard"


def loudest_dbfs(clip: Clip) -> float:
    """The level of the loudest half second, in dB below full scale."""
    step = max(1, clip.rate_hz // 2)
    pcm = clip.pcm.astype(np.float32)
    blocks = [pcm[at : at + step] for at in range(0, max(1, len(pcm)), step)]
    loudest = max((float(np.sqrt(np.mean(block**2))) for block in blocks if len(block)), default=0.0)
    return 20 * float(np.log10(max(loudest, 1e-3) / 32_768))


def repeats(text: str) -> bool:
    """Whether a text says the same over and over, which recognisers do when they have lost the thread."""
    data = " ".join(text.lower().split()).encode()
    if len(data) < 40:
        words = text.lower().split()
        return len(words) >= 6 and len(set(words)) <= 2
    return len(data) / len(zlib.compress(data, 9)) > REPEATED


def _too_fast(text: str, transcript: Transcript) -> bool:
    spoken_s = transcript.speech_s or transcript.seconds
    return spoken_s > 0 and len(text) / spoken_s > FASTEST
