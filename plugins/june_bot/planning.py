"""What is sent of an answer: messages that fit, a file where they would be too many, a voice that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from june_bot.limits import Limits, units
from june_bot.splitting import first, split
from june_bot.words import Voice
from june_cli.assistant.audio import Clip, encode
from june_cli.errors import BadInput

BIT_RATES = (32_000, 24_000, 16_000, 12_000, 8_000)  # of Opus for speech: below, it is no pleasure to hear
POINTS, POINT_S = 256, 0.1
CUT = "… (the whole answer is in the file)"


@dataclass(frozen=True)
class Planned:
    """One part of an answer: a message, or the file that has all of it."""

    kind: Literal["text", "file"]
    raw: str
    rendered: str


def texts(markdown: str, limits: Limits, render: Callable[[str], str]) -> list[Planned]:
    """The messages of an answer. More than the platform's `text_parts` become a first one and a file."""

    def fits(part: str) -> bool:
        """As written and as rendered: a platform may count either, and a fallback sends the former."""
        return units(part) <= limits.text_units and units(render(part)) <= limits.text_units

    if units(markdown) <= limits.text_units * limits.text_parts:
        parts = split(markdown, fits)
        if len(parts) <= limits.text_parts:
            return [Planned("text", part, render(part)) for part in parts]

    def leaves_room(part: str) -> bool:
        return fits(f"{part}\n\n{CUT}")

    start = f"{first(markdown, leaves_room)}\n\n{CUT}"
    return [Planned("text", start, render(start)), Planned("file", markdown, "answer.md")]


def first_message(markdown: str, limits: Limits, render: Callable[[str], str]) -> tuple[str, str]:
    """As much of a text as one message takes, as written and rendered; a mark says that there is more."""
    if len(whole := texts(markdown, limits, render)) == 1:
        return whole[0].raw, whole[0].rendered
    return preview(markdown, limits, render)


def preview(markdown: str, limits: Limits, render: Callable[[str], str]) -> tuple[str, str]:
    """What of an answer still being written can be shown in one message: as written, and rendered."""
    room = limits.text_units - 2
    shown = first(markdown, lambda part: units(part) <= room and units(render(part)) <= room)
    return f"{shown} …", f"{render(shown)} …"


def voice(clip: Clip, limits: Limits) -> Voice | None:
    """A voice message that the platform shows as one, at the best rate that fits; None when none does."""
    for rate in BIT_RATES:
        if clip.seconds * rate / 8 * 0.6 > limits.voice_bytes:  # silence makes it smaller, but not so much
            continue
        try:
            ogg = encode(clip, ".ogg", bit_rate=rate)
        except BadInput:  # shorter than a tenth of a second: there is nothing to hear
            return None
        if len(ogg) <= limits.voice_bytes:
            return Voice(ogg, clip.seconds, waveform(clip))
    return None


def waveform(clip: Clip) -> bytes:
    """Loudness a tenth of a second, 0 to 255, squeezed into at most 256 points: what Discord draws."""
    step = max(1, int(clip.rate_hz * POINT_S))
    count = max(1, -(-len(clip.pcm) // step))
    padded = np.zeros(count * step, np.float32)
    padded[: len(clip.pcm)] = clip.pcm
    loud = np.sqrt(np.mean(padded.reshape(count, step) ** 2, axis=1))
    if count > POINTS:
        loud = np.array([part.max() for part in np.array_split(loud, POINTS)])
    return bytes(np.clip(loud / max(float(loud.max()), 1.0) * 255, 0, 255).astype(np.uint8))
