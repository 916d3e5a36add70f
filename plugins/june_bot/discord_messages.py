"""Discord's messages and interactions as messages: what was said, by whom, and whether the bot was meant."""

from __future__ import annotations

from typing import Any

import discord

from june_bot.chat_commands import is_known
from june_bot.words import Audio, Incoming

BUTTON = "june:"  # how the names of the bot's own buttons begin


def incoming(message: discord.Message, me: discord.ClientUser) -> Incoming | None:
    """A message of a person; None for those of bots, and for notes that somebody joined."""
    if message.author.bot or message.is_system():
        return None
    sound = next((a for a in message.attachments if _is_sound(a)), None)
    text = _without_name(message.content, me.id)
    kind = "voice" if sound else "command" if is_known(text) else "text" if text else "other"
    if kind == "other" and not (message.attachments or message.stickers):
        return None
    audio = None
    if sound:
        reference = f"{message.channel.id}:{message.id}:{sound.id}"
        audio = Audio(reference, sound.size, float(sound.duration or 0.0))
    return Incoming(
        key=str(message.id),
        chat=str(message.channel.id),
        user=str(message.author.id),
        kind=kind,  # type: ignore[arg-type]
        text=text,
        thread=str(message.id),
        name=message.author.display_name,
        group=message.guild is not None,
        addressed=message.guild is None or _meant(message, me),
        sent_at=message.created_at.timestamp(),
        audio=audio,
    )


def command(interaction: discord.Interaction[Any], name: str, argument: str) -> Incoming:
    """A slash command, as if it had been written."""
    return _interaction(interaction, "command", f"/{name} {argument}".strip())


def pressed(interaction: discord.Interaction[Any]) -> Incoming | None:
    """A button of the bot's own; None for others."""
    data: Any = interaction.data or {}
    name = str(data.get("custom_id", ""))
    if not name.startswith(BUTTON):
        return None
    return _interaction(interaction, "button", name.removeprefix(BUTTON))


def answers_to(message: discord.Message, asked: str, token: str) -> bool:
    """Whether it is the answer to a message, or to an interaction: not the place that was kept for one."""
    if not token:
        return message.reference is not None and str(message.reference.message_id) == asked
    interaction = message.interaction_metadata
    meant = interaction is not None and str(interaction.id) == token.partition(":")[0]
    return meant and not message.flags.loading


def _interaction(interaction: discord.Interaction[Any], kind: Any, text: str) -> Incoming:
    return Incoming(
        key=f"interaction:{interaction.id}",
        chat=str(interaction.channel_id),
        user=str(interaction.user.id),
        kind=kind,
        text=text,
        thread=str(interaction.message.id) if interaction.message else "",
        name=interaction.user.display_name,
        group=interaction.guild_id is not None,
        sent_at=interaction.created_at.timestamp(),
        token=f"{interaction.id}:{interaction.token}" if kind == "command" else "",
    )


def _meant(message: discord.Message, me: discord.ClientUser) -> bool:
    """Named, or replied to. A ping of everybody is no question to the bot."""
    answered = message.reference.resolved if message.reference else None
    to_me = isinstance(answered, discord.Message) and answered.author.id == me.id
    return to_me or any(user.id == me.id for user in message.mentions)


def _is_sound(attachment: discord.Attachment) -> bool:
    return attachment.is_voice_message() or (attachment.content_type or "").startswith("audio/")


def _without_name(text: str, me: int) -> str:
    for name in (f"<@{me}>", f"<@!{me}>"):
        text = text.replace(name, "")
    return text.strip()
