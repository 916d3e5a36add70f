"""Measures the voice in a closed loop: what it says is transcribed and compared with what it was to say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from june_cli import wer
from june_cli.assistant.audio import Clip
from june_cli.assistant.loudness import measure
from june_cli.assistant.speech import Stt, Tts
from june_cli.bar import MISSED_EXIT, Bar
from june_cli.engine import Running
from june_cli.engine.up import using
from june_cli.output import Table
from june_cli.spoken import sentences

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_cli.progress import Progress


@dataclass(frozen=True)
class SentenceCheck:
    """One sentence. Loudness is LUFS (BS.1770), peak dBFS, clipped a fraction of samples."""

    sentence: str
    heard: str
    wer: float
    rtf: float
    audio_s: float
    loudness_lufs: float
    peak_dbfs: float
    clipped: float


@dataclass(frozen=True)
class TtsCheck:
    """All sentences. `wer` is over all words, the recogniser's own errors included; `rtf` is the voice's."""

    sentences: int
    wer: float
    cer: float
    rtf: float
    audio_s: float
    loudness_lufs: float
    loudness_range_lu: float
    peak_dbfs: float
    clipped: float
    model: str
    recogniser: str
    files: Sequence[SentenceCheck]
    missed: Sequence[str] = field(default=())

    @property
    def exit_code(self) -> int:
        """5 when a bar was missed."""
        return MISSED_EXIT if self.missed else 0

    def blocks(self) -> list[str | Table]:
        """A line a sentence, the totals, and which bars were missed."""
        rows = [
            (f"{100 * f.wer:.1f} %", f"{f.rtf:.3f}", f"{f.loudness_lufs:.1f}", f"{f.peak_dbfs:.1f}", f.heard)
            for f in self.files
        ]
        total = (
            f"\n{self.sentences} sentences, {self.audio_s:.1f} s, {self.model} heard by {self.recogniser}: "
            f"WER {100 * self.wer:.2f} %, RTF {self.rtf:.3f}, {self.loudness_lufs:.1f} LUFS "
            f"(range {self.loudness_range_lu:.1f} LU), peak {self.peak_dbfs:.1f} dBFS, "
            f"{100 * self.clipped:.3f} % clipped"
        )
        return [Table(("WER", "RTF", "LUFS", "peak", "heard"), rows), total, *self.missed]


def check_voice(june: Invocation, voice: str, bar: Bar, *, keep: bool) -> TtsCheck:
    """Speak the fixed sentences, transcribe them, measure both."""
    with using(june, ["tts", "stt"], keep=keep) as running:
        with june.out.progress("Measuring", len(sentences())) as shown:
            checks = asyncio.run(_check(running, voice, shown))
    found = _summed(checks, running)
    missed = bar.missed(wer=found.wer, rtf=found.rtf)
    return replace(found, missed=missed)


async def _check(running: Mapping[str, Running], voice: str, shown: Progress) -> list[SentenceCheck]:
    checks = []
    async with Tts(running["tts"].address("grpc")) as tts, Stt(running["stt"].address("grpc")) as stt:
        for number, sentence in enumerate(sentences()):
            shown.update(number, text=sentence)
            started = time.perf_counter()
            chunks = [spoken.clip async for spoken in tts.speak(sentence, voice=voice)]
            seconds = time.perf_counter() - started
            clip = Clip(np.concatenate([c.pcm for c in chunks]), chunks[0].rate_hz)
            heard = await stt.recognise(clip)
            loud = measure(clip)
            checks.append(
                SentenceCheck(
                    sentence=sentence,
                    heard=heard.text,
                    wer=wer.rates([sentence], [heard.text]).wer,
                    rtf=seconds / clip.seconds,
                    audio_s=clip.seconds,
                    loudness_lufs=loud.lufs,
                    peak_dbfs=loud.peak_dbfs,
                    clipped=loud.clipped,
                )
            )
    return checks


def _summed(checks: Sequence[SentenceCheck], running: Mapping[str, Running]) -> TtsCheck:
    rates = wer.rates([c.sentence for c in checks], [c.heard for c in checks])
    audio_s = sum(c.audio_s for c in checks)
    loudness = [c.loudness_lufs for c in checks]
    return TtsCheck(
        sentences=len(checks),
        wer=rates.wer,
        cer=rates.cer,
        rtf=sum(c.rtf * c.audio_s for c in checks) / audio_s,
        audio_s=audio_s,
        loudness_lufs=sum(loudness) / len(loudness),
        loudness_range_lu=max(loudness) - min(loudness),
        peak_dbfs=max(c.peak_dbfs for c in checks),
        clipped=sum(c.clipped * c.audio_s for c in checks) / audio_s,
        model=running["tts"].model,
        recogniser=running["stt"].model,
        files=checks,
    )
