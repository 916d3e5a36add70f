"""A live stream's bytes as samples at the recogniser's rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from june_cli.assistant.audio import Pcm

if TYPE_CHECKING:
    import av


class Resampled:
    """Turns PCM that comes in pieces of any size into int16 samples of another rate, without seams."""

    def __init__(self, rate_hz: int, target_hz: int) -> None:
        self._rate_hz, self._odd = rate_hz, b""
        self._resampler: av.AudioResampler | None = None
        if rate_hz != target_hz:
            import av

            self._resampler = av.AudioResampler("s16", "mono", target_hz)

    def push(self, data: bytes) -> Pcm:
        """The samples that these bytes complete; half a sample waits for its other half."""
        data = self._odd + data
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        pcm = np.frombuffer(data[:whole], dtype="<i2").astype(np.int16, copy=False)
        if self._resampler is None or not len(pcm):
            return pcm
        import av

        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = self._rate_hz
        return self._joined(frame)

    def flush(self) -> Pcm:
        """What the resampler still held back."""
        return self._joined(None) if self._resampler else np.zeros(0, np.int16)

    def _joined(self, frame: av.AudioFrame | None) -> Pcm:
        assert self._resampler  # noqa: S101 - both callers looked
        pieces = [piece.to_ndarray().reshape(-1) for piece in self._resampler.resample(frame)]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
