"""How loud a clip is, as broadcasters measure it, and whether it clips."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np

from june_cli.assistant.audio import Clip

FULL_SCALE = 32_767


@dataclass(frozen=True)
class Loudness:
    """Integrated loudness in LUFS (ITU-R BS.1770), peak in dBFS, share of clipped samples (0 to 1)."""

    lufs: float
    peak_dbfs: float
    clipped: float


def measure(clip: Clip) -> Loudness:
    """Measure a clip with FFmpeg's ebur128 filter. Clips under 0.4 s have no loudness: -70 LUFS."""
    peak = int(np.abs(clip.pcm.astype(np.int32)).max(initial=0))
    clipped = float(np.mean(np.abs(clip.pcm.astype(np.int32)) >= FULL_SCALE)) if len(clip.pcm) else 0.0
    return Loudness(_integrated(clip), 20 * float(np.log10(max(peak, 1) / FULL_SCALE)), clipped)


def _integrated(clip: Clip) -> float:
    if clip.seconds < 0.4:
        return -70.0
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=clip.rate_hz, format="s16", layout="mono")
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(clip.pcm.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = clip.rate_hz
    source.push(frame)
    source.push(None)
    lufs = -70.0
    while True:
        try:
            measured = sink.pull()
        except (av.error.EOFError, av.error.BlockingIOError):
            return lufs
        lufs = float(measured.metadata.get("lavfi.r128.I", lufs))
