"""Loudness against values that are known for a sine."""

from __future__ import annotations

import numpy as np
import pytest

from june_cli.assistant.audio import Clip
from june_cli.assistant.loudness import measure


def sine(level_dbfs: float, *, seconds: float = 3.0, rate_hz: int = 48_000) -> Clip:
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    return Clip((32_767 * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * 997 * at)).astype(np.int16), rate_hz)


@pytest.mark.parametrize("level", [-3.0, -23.0, -40.0])
def test_a_sine_of_one_kilohertz_is_three_units_below_its_peak(level: float) -> None:
    found = measure(sine(level))
    assert found.peak_dbfs == pytest.approx(level, abs=0.1)
    assert found.lufs == pytest.approx(level - 3.01, abs=0.15)  # BS.1770: a 0 dBFS sine in one channel
    assert found.clipped == 0


@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
def test_the_rate_does_not_change_the_loudness(rate_hz: int) -> None:
    assert measure(sine(-20, rate_hz=rate_hz)).lufs == pytest.approx(-23.0, abs=0.3)


def test_silence_between_words_does_not_count() -> None:
    loud = sine(-20)
    gap = np.zeros(3 * 48_000, np.int16)
    whole = measure(Clip(np.concatenate([loud.pcm, gap, loud.pcm]), 48_000))
    assert whole.lufs == pytest.approx(measure(loud).lufs, abs=0.5)


def test_silence_is_as_quiet_as_it_gets() -> None:
    found = measure(Clip(np.zeros(48_000, np.int16), 48_000))
    assert found.lufs == pytest.approx(-70)
    assert found.peak_dbfs == pytest.approx(-90.3, abs=0.1)
    assert found.clipped == 0


@pytest.mark.parametrize("count", [0, 1, 100, 19_199])
def test_a_clip_too_short_to_measure_has_no_loudness(count: int) -> None:
    found = measure(Clip(np.full(count, 1_000, np.int16), 48_000))
    assert found.lufs == -70
    assert np.isfinite(found.peak_dbfs)


def test_clipped_samples_are_counted_at_both_ends_of_the_scale() -> None:
    pcm = np.zeros(1_000, np.int16)
    pcm[:100], pcm[100:150] = 32_767, -32_768
    found = measure(Clip(pcm, 16_000))
    assert found.clipped == pytest.approx(0.15)
    assert found.peak_dbfs == pytest.approx(0, abs=0.001)
