"""Measures the recogniser against reference transcripts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from june_cli import wer
from june_cli.assistant.audio import SPEECH_RATE_HZ, Clip, decode, resample
from june_cli.assistant.speech import Stt, Tts
from june_cli.bar import MISSED_EXIT, Bar
from june_cli.engine import Running
from june_cli.engine.up import using
from june_cli.output import Table
from june_cli.spoken import sentences
from june_stt import manifest as manifests

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_cli.progress import Progress


@dataclass(frozen=True)
class ClipCheck:
    """One clip: rates are fractions of the reference, rtf is recogniser seconds over audio seconds."""

    file: str
    reference: str
    text: str
    wer: float
    cer: float
    rtf: float
    audio_s: float
    confidence: float


@dataclass(frozen=True)
class SttCheck:
    """All clips. `wer` and `cer` are over all words and characters, `rtf` over all audio."""

    clips: int
    wer: float
    cer: float
    rtf: float
    audio_s: float
    model: str
    source: str
    files: Sequence[ClipCheck]
    missed: Sequence[str] = field(default=())

    @property
    def exit_code(self) -> int:
        """5 when a bar was missed."""
        return MISSED_EXIT if self.missed else 0

    def blocks(self) -> list[str | Table]:
        """A line a clip, the totals, and which bars were missed."""
        rows = [
            (Path(f.file).name, f"{100 * f.wer:.1f} %", f"{100 * f.cer:.1f} %", f"{f.rtf:.3f}", f.text)
            for f in self.files
        ]
        total = (
            f"\n{self.clips} clips, {self.audio_s:.1f} s ({self.source}), {self.model}: "
            f"WER {100 * self.wer:.2f} %, CER {100 * self.cer:.2f} %, RTF {self.rtf:.3f}"
        )
        return [Table(("clip", "WER", "CER", "RTF", "heard"), rows), total, *self.missed]


@dataclass(frozen=True)
class _Spoken:
    name: str
    reference: str
    clip: Clip


def check_clips(june: Invocation, manifest: Path | None, bar: Bar, *, max_s: float, keep: bool) -> SttCheck:
    """Transcribe the manifest's clips, or sentences that June speaks itself, and compare."""
    entries = manifests.read(manifest) if manifest else []
    clips = []
    with june.out.progress("Reading", len(entries)) as shown:
        for number, entry in enumerate(entries):
            shown.update(number, text=entry.path.name)
            clips.append(_Spoken(str(entry.path), entry.transcript, decode(entry.path, max_s=max_s)))
    with using(june, ["stt"] if clips else ["stt", "tts"], keep=keep) as running:
        with june.out.progress("Measuring", len(clips) or len(sentences())) as shown:
            checks = asyncio.run(_check(running, clips, shown))
    result = _summed(checks, running["stt"].model, str(manifest) if manifest else "spoken by June")
    missed = bar.missed(wer=result.wer, rtf=result.rtf)
    return replace(result, missed=missed)


async def _check(
    running: Mapping[str, Running], clips: Sequence[_Spoken], shown: Progress
) -> list[tuple[ClipCheck, float]]:
    checks = []
    async with Stt(running["stt"].address("grpc")) as stt:
        for number, one in enumerate(clips or await _own(running["tts"])):
            shown.update(number, text=one.name)
            started = time.perf_counter()
            heard = await stt.recognise(one.clip)
            seconds = time.perf_counter() - started
            rates = wer.rates([one.reference], [heard.text])
            checks.append(
                (
                    ClipCheck(
                        file=one.name,
                        reference=one.reference,
                        text=heard.text,
                        wer=rates.wer,
                        cer=rates.cer,
                        rtf=seconds / one.clip.seconds,
                        audio_s=one.clip.seconds,
                        confidence=heard.confidence,
                    ),
                    seconds,
                )
            )
    return checks


async def _own(tts: Running) -> list[_Spoken]:
    spoken = []
    async with Tts(tts.address("grpc")) as voice:
        for number, sentence in enumerate(sentences(), 1):
            chunks = [resample(s.clip, SPEECH_RATE_HZ).pcm async for s in voice.speak(sentence)]
            spoken.append(
                _Spoken(f"sentence {number}", sentence, Clip(np.concatenate(chunks), SPEECH_RATE_HZ))
            )
    return spoken


def _summed(checks: Sequence[tuple[ClipCheck, float]], model: str, source: str) -> SttCheck:
    files = [check for check, _ in checks]
    total = wer.rates([f.reference for f in files], [f.text for f in files])
    audio_s = sum(f.audio_s for f in files)
    return SttCheck(
        clips=len(files),
        wer=total.wer,
        cer=total.cer,
        rtf=sum(seconds for _, seconds in checks) / audio_s,
        audio_s=audio_s,
        model=model,
        source=source,
        files=files,
    )
