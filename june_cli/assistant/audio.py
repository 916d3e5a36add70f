"""Sound in and out: any common container to PCM, PCM to a file, with caps that hostile files cannot pass.

PCM here is always signed 16 bit, mono, as bytes or as a numpy array of int16. FFmpeg is loaded by whatever
needs it first: a service that is sent PCM never does, and is ready a tenth of a second sooner.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from june_cli.errors import BadInput, JuneError, UsageProblem

if TYPE_CHECKING:
    import av

Pcm = NDArray[np.int16]
SPEECH_RATE_HZ = 16_000
MAX_FILE_BYTES = 512 * 1024 * 1024
MIN_S = 0.1  # shorter clips make encoders fail and recognisers invent words
# FFmpeg also understands playlists and session descriptions, which name other files and hosts: never those
DEMUXERS = "wav,w64,flac,ogg,mp3,aac,mov,matroska,aiff,au,caf,amr,avi,mpegts,asf"
INPUT = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}
MIN_RATE_HZ = 4_000  # below it a small file would become gigabytes at a usual rate
EFFORT = "1"  # of Opus, of 10: done in half the time, and speech no farther from the original
CODECS = {
    ".wav": ("wav", "pcm_s16le", 0),
    ".flac": ("flac", "flac", 0),
    ".ogg": ("ogg", "libopus", 48_000),
    ".opus": ("ogg", "libopus", 48_000),
    ".mp3": ("mp3", "libmp3lame", 0),
    ".m4a": ("ipod", "aac", 0),
    ".webm": ("webm", "libopus", 48_000),
}


@dataclass(frozen=True)
class Clip:
    """Mono sound."""

    pcm: Pcm
    rate_hz: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcm) / self.rate_hz


def decode(source: Path | bytes, *, rate_hz: int = SPEECH_RATE_HZ, max_s: float = 300.0) -> Clip:
    """Read WAV, FLAC, OGG/Opus, MP3, M4A, WebM or whatever else FFmpeg knows, by content, not by name.

    The cap counts decoded samples: a container's own claim of its length is not believed. UsageProblem for a
    file that is not there, BadInput for one that is empty, not audio, too short or longer than `max_s`.
    """
    name = str(source) if isinstance(source, Path) else "the audio"
    handle: str | IO[bytes]
    if isinstance(source, Path):
        _require_file(source)
        handle = f"file:{source}"  # else "12:30.wav" would name a protocol
    else:
        handle = io.BytesIO(source)
    samples = _decoded(handle, name, rate_hz, max_s)
    if len(samples) < MIN_S * rate_hz:
        raise BadInput(
            "audio-too-short",
            f"{name} holds {len(samples) / rate_hz:.3f} s of sound; at least {MIN_S} s are needed.",
        )
    return Clip(samples, rate_hz)


def _require_file(path: Path) -> None:
    try:
        size = path.stat().st_size
        regular = path.is_file()
    except OSError as error:
        raise UsageProblem("audio-missing", f"{path} cannot be read: {error.strerror}.") from error
    if not regular:
        raise UsageProblem("audio-missing", f"{path} is not a file.")
    if size == 0:
        raise BadInput("audio-unreadable", f"{path} is empty.")
    if size > MAX_FILE_BYTES:
        raise BadInput(
            "audio-too-long", f"{path} has {size / 1e6:.0f} MB; the limit is {MAX_FILE_BYTES / 1e6:.0f} MB."
        )


def _decoded(handle: str | IO[bytes], name: str, rate_hz: int, max_s: float) -> Pcm:
    import av

    blocks: list[Pcm] = []
    total = 0
    try:
        with av.open(handle, mode="r", options=INPUT, **_tolerance()) as container:
            if not container.streams.audio:
                raise BadInput("audio-unreadable", f"{name} has no sound in it.")
            resampler = av.AudioResampler("s16", "mono", rate_hz)
            for frame in _frames(container):
                if frame and frame.sample_rate < MIN_RATE_HZ:
                    raise BadInput(
                        "audio-unreadable", f"{name} has only {frame.sample_rate} samples a second."
                    )
                for piece in resampler.resample(frame):
                    block: Pcm = piece.to_ndarray().reshape(-1).astype(np.int16, copy=False)
                    total += len(block)
                    blocks.append(block)
                if total > max_s * rate_hz:
                    raise BadInput(
                        "audio-too-long",
                        f"{name} is longer than {max_s:g} s.",
                        hint="cut it into pieces, or raise the limit where the command has --max-seconds",
                    )
    except (JuneError, KeyboardInterrupt):
        raise
    except Exception as error:  # FFmpeg fails in many ways on hostile files (a MemoryError too)
        raise BadInput(
            "audio-unreadable",
            f"{name} cannot be decoded as audio ({_reason(error)}).",
            hint="WAV, FLAC, OGG/Opus, MP3, M4A and WebM are understood",
        ) from error
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)


def _tolerance() -> dict[str, Any]:
    """A tag that is no UTF-8 is no reason to refuse the sound. PyAV 19 never minds and has no such option."""
    import av

    return {"metadata_errors": "ignore"} if int(av.__version__.partition(".")[0]) < 19 else {}


def _frames(container: Any) -> Any:
    yield from container.decode(audio=0)
    yield None  # flushes the resampler


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", "") or str(error) or type(error).__name__
    return str(text).split(":")[0][:120]


def resample(clip: Clip, rate_hz: int) -> Clip:
    """The same sound at another rate."""
    if clip.rate_hz == rate_hz or not len(clip.pcm):
        return Clip(clip.pcm, rate_hz)
    import av

    resampler = av.AudioResampler("s16", "mono", rate_hz)
    pieces = [
        p.to_ndarray().reshape(-1)
        for f in (_frame(clip.pcm, clip.rate_hz), None)
        for p in resampler.resample(f)
    ]
    return Clip(np.concatenate(pieces) if pieces else np.zeros(0, np.int16), rate_hz)


def require_kind(suffix: str) -> None:
    """UsageProblem unless files of that suffix can be written."""
    if suffix.lower() not in CODECS:
        raise UsageProblem(
            "audio-format",
            f"June cannot write {suffix or 'files without a suffix'}.",
            hint=f"one of {' '.join(CODECS)}",
        )


def encode(clip: Clip, kind: str = ".wav", *, bit_rate: int = 32_000) -> bytes:
    """A whole file of the kind a suffix names: .wav .flac .ogg .opus .mp3 .m4a .webm.

    Opus is coded for voice at 48 kHz. UsageProblem for an unknown suffix, BadInput for a clip under 0.1 s.
    """
    require_kind(kind)
    if clip.seconds < MIN_S:
        raise BadInput("audio-too-short", f"{clip.seconds:.3f} s of sound are too short for a file.")
    import av

    form, codec, rate_hz = CODECS[kind.lower()]
    known = av.Codec(codec, "w").audio_rates
    nearest = min(known, key=lambda known_hz: abs(known_hz - clip.rate_hz)) if known else clip.rate_hz
    clip = resample(clip, rate_hz or nearest)
    sink = io.BytesIO()
    with av.open(sink, mode="w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=clip.rate_hz, layout="mono")
        if codec == "libopus":
            stream.options = {"application": "voip", "compression_level": EFFORT}
        if codec in ("libopus", "libmp3lame", "aac"):
            stream.bit_rate = bit_rate if codec == "libopus" else 64_000
        shape = av.AudioResampler(stream.format.name, "mono", clip.rate_hz, frame_size=stream.frame_size or 0)
        for frame in (_frame(clip.pcm, clip.rate_hz), None):
            for piece in shape.resample(frame):
                container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return sink.getvalue()


def _frame(pcm: Pcm, rate_hz: int) -> av.AudioFrame:
    import av

    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm).reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate_hz
    return frame


def from_bytes(data: bytes, rate_hz: int) -> Clip:
    """Raw PCM as it travels over gRPC; an odd last byte is dropped."""
    return Clip(np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.int16, copy=False), rate_hz)
