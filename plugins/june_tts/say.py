"""Speaks a text into a file, and lists voices."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from june_cli import files
from june_cli.assistant.audio import Clip, encode, require_kind
from june_cli.assistant.speech import Tts
from june_cli.engine.up import using
from june_cli.output import Table
from june_cli.text import checked, not_unicode

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_cli.progress import Progress

MAX_CHARACTERS = 20_000  # what the service takes; asked here first so that nothing starts in vain


@dataclass(frozen=True)
class Manner:
    """How to say it."""

    voice: str = ""
    speed: float = 1.0


@dataclass(frozen=True)
class Said:
    """What was written. `rtf`: seconds of work over seconds of sound."""

    file: str
    seconds: float
    sentences: int
    model: str
    rtf: float

    def __str__(self) -> str:
        return f"{self.file}: {self.seconds:.1f} s, {self.sentences} sentence{'s' * (self.sentences != 1)}"


@dataclass(frozen=True)
class Voice:
    """One voice."""

    name: str
    language: str
    description: str
    default: bool


@dataclass(frozen=True)
class Voices:
    """The voices of the profile's voice service."""

    model: str
    voices: Sequence[Voice]

    def blocks(self) -> list[Table]:
        """A line a voice; the default has a star."""
        rows = [(v.name + (" *" if v.default else ""), v.language, v.description) for v in self.voices]
        return [Table(("voice", "language", "description"), rows, title=self.model)]


def say_text(june: Invocation, text: str, output: Path, manner: Manner, *, keep: bool) -> Said:
    """Speak a text into a file whose suffix says its kind."""
    text = checked(_piped() if text == "-" else text, MAX_CHARACTERS, "the text")
    require_kind(output.suffix)
    files.require_writable(output)
    with using(june, ["tts"], keep=keep) as running, june.out.progress("Speaking") as bar:
        started = time.perf_counter()
        clips = asyncio.run(_speak(running["tts"].address("grpc"), text, manner, bar))
        seconds = time.perf_counter() - started
    clip = Clip(np.concatenate([c.pcm for c in clips]), clips[0].rate_hz)
    files.write(output, encode(clip, output.suffix))
    return Said(str(output), clip.seconds, len(clips), running["tts"].model, seconds / clip.seconds)


def _piped() -> str:
    try:
        return sys.stdin.read(MAX_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise not_unicode("standard input") from error


async def _speak(address: str, text: str, manner: Manner, bar: Progress) -> list[Clip]:
    clips = []
    async with Tts(address) as tts:
        async for spoken in tts.speak(text, voice=manner.voice, speed=manner.speed):
            clips.append(spoken.clip)
            bar.update(text=spoken.text[:60])
    return clips


def list_voices(june: Invocation, *, keep: bool) -> Voices:
    """Ask the service for its voices."""
    with using(june, ["tts"], keep=keep) as running:
        return asyncio.run(_voices(running["tts"].address("grpc")))


async def _voices(address: str) -> Voices:
    async with Tts(address) as tts:
        model, found = await tts.voices()
    return Voices(model, [Voice(v.name, v.language, v.description, v.is_default) for v in found])
