"""A sentence to listen to: spoken by the installed voice, at 16 kHz."""

from __future__ import annotations

import numpy as np
import pytest

from june_cli.assistant.audio import Clip, Pcm, resample


@pytest.fixture(scope="session")
def spoken() -> Pcm:
    hibari = pytest.importorskip("hibari", reason="needs hibari-tts to speak a sentence")
    sound = np.asarray(hibari.Hibari(threads=1)("Good morning, how are you today?", speed=1.0, seed=0))
    clip = Clip((np.clip(sound, -1, 1) * 32_767).astype(np.int16), hibari.SAMPLE_RATE)
    return resample(clip, 16_000).pcm
