"""Parts of Discord's messages that discord.py does not make, or makes with more than is needed."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import discord

from june_bot.discord_messages import BUTTON
from june_bot.words import Body, Target, Voice

VOICE_FLAG = 1 << 13


def voice_form(to: Target, voice: Voice) -> tuple[list[dict[str, Any]], discord.File]:
    """A voice message as a form, with its length and shape; and the file in it."""
    described = {
        "id": "0",
        "filename": "voice-message.ogg",
        "duration_secs": voice.seconds,
        "waveform": base64.b64encode(voice.waveform).decode(),
    }
    payload = {"flags": VOICE_FLAG, "attachments": [described], "nonce": to.nonce, "enforce_nonce": True}
    file = discord.File(io.BytesIO(voice.ogg), "voice-message.ogg")
    form: list[dict[str, Any]] = [
        {"name": "payload_json", "value": json.dumps(payload)},
        {"name": "files[0]", "value": file.fp, "filename": file.filename, "content_type": "audio/ogg"},
    ]
    return form, file


def buttons(body: Body) -> discord.ui.View | None:
    """The choices under a text; None where there are none."""
    if not body.choices:
        return None
    view = discord.ui.View(timeout=None)
    for one in body.choices:
        view.add_item(discord.ui.Button(label=one.label, custom_id=f"{BUTTON}{one.data}"))
    view.stop()  # what is pressed comes by on_interaction, after a restart too
    return view


async def collected(messages: AsyncIterator[discord.Message]) -> list[discord.Message]:
    """All of a history."""
    return [message async for message in messages]
