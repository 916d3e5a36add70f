"""What each platform allows, as one table: the planner, the pacer and the adapters read it, and nothing else.

Sources. Telegram: the Bot API manual (sendMessage, sendVoice, getFile) and the FAQ of bots; Discord: the
documentation of its API (resources message and channel, interactions, rate limits), both as of August 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

MB, MIB = 1_000_000, 1024 * 1024


@dataclass(frozen=True)
class Rate:
    """A token bucket: so many requests a second in the long run, and so many at once after a pause."""

    per_s: float
    burst: float


@dataclass(frozen=True)
class Limits:
    """Lengths are in UTF-16 code units, sizes in bytes, times in seconds.

    text_units, caption_units: of one message. text_parts: more messages than these become one and a file.
    voice_bytes: past it a voice message is shown as a file. download_bytes: what a bot can fetch. edit_s,
    group_edit_s: between two edits of one message. busy_s: how long "typing" stays on the screen. reply_s: in
    which an interaction has to be answered; 0 where there are none. history: whether past messages can be
    read.
    """

    text_units: int
    caption_units: int
    text_parts: int
    voice_bytes: int
    upload_bytes: int
    download_bytes: int
    edit_s: float
    group_edit_s: float
    busy_s: float
    chat: Rate
    group: Rate
    bot: Rate
    reply_s: float
    history: bool


# Of 30 a second over all chats Telegram says that they are for bulk: short bursts pass, and 429 ends them.
TELEGRAM = Limits(
    text_units=4096,
    caption_units=1024,
    text_parts=5,
    voice_bytes=1 * MB,
    upload_bytes=50 * MB,
    download_bytes=20 * MB,
    edit_s=1.0,
    group_edit_s=3.0,
    busy_s=5.0,
    chat=Rate(1.0, 20),
    group=Rate(20 / 60, 20),
    bot=Rate(30.0, 300),
    reply_s=0.0,
    history=False,
)
# A Bot API server of one's own lifts the limits on files.
TELEGRAM_LOCAL_FILE_BYTES = 2000 * MB
# Discord tells its limits in headers, which discord.py obeys; these only keep edits at a sane pace.
DISCORD = Limits(
    text_units=2000,
    caption_units=2000,
    text_parts=5,
    voice_bytes=10 * MIB,
    upload_bytes=10 * MIB,
    download_bytes=25 * MIB,
    edit_s=1.2,
    group_edit_s=1.5,
    busy_s=10.0,
    chat=Rate(1.0, 20),
    group=Rate(1.0, 20),
    bot=Rate(50.0, 200),
    reply_s=3.0,
    history=True,
)


def units(text: str) -> int:
    """The length of a text in UTF-16 code units, as both platforms' clients count: most emoji have two."""
    return len(text) + sum(ord(c) > 0xFFFF for c in text)
