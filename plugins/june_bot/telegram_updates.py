"""Telegram's updates as messages: what was said, by whom, where, and whether the bot was meant."""

from __future__ import annotations

import telegram
from telegram.constants import ChatType, MessageEntityType

from june_bot.chat_commands import is_known
from june_bot.words import Audio, Incoming

WANTED = ["message", "callback_query"]
GROUPS = (ChatType.GROUP, ChatType.SUPERGROUP)


def incoming(update: telegram.Update, me: telegram.User) -> Incoming | None:
    """The message an update carries; None for what is no message of a person."""
    if update.callback_query:
        return _pressed(update.callback_query)
    message = update.message
    if message is None or message.from_user is None or message.from_user.is_bot:
        return None
    text, meant = _meant(message, me)
    audio = _audio(message)
    kind = "voice" if audio else "text" if text else "other"
    if text.startswith("/") and not audio:
        bot = text.split()[0].partition("@")[2]
        if bot and bot.lower() != (me.username or "").lower() and message.chat.type in GROUPS:
            return None
        kind = "command"
        meant = meant or bool(bot) or is_known(text)
    if kind == "other" and not _content(message):
        return None
    return Incoming(
        key=f"{message.chat.id}:{message.message_id}",
        chat=str(message.chat.id),
        user=str(message.from_user.id),
        kind=kind,  # type: ignore[arg-type]
        text=text,
        thread=str(message.message_id),
        name=message.from_user.first_name or "",
        group=message.chat.type in GROUPS,
        addressed=meant,
        sent_at=message.date.timestamp(),
        audio=audio,
    )


def _pressed(query: telegram.CallbackQuery) -> Incoming | None:
    message = query.message
    if message is None or not query.data:
        return None
    return Incoming(
        key=f"button:{query.id}",
        chat=str(message.chat.id),
        user=str(query.from_user.id),
        kind="button",
        text=query.data,
        thread=str(message.message_id),
        name=query.from_user.first_name or "",
        group=message.chat.type in GROUPS,
    )


def _meant(message: telegram.Message, me: telegram.User) -> tuple[str, bool]:
    """The text without the bot's name, and whether the bot was named or replied to."""
    text = message.text or message.caption or ""
    entities = message.parse_entities() if message.text else message.parse_caption_entities()
    answered = message.reply_to_message.from_user if message.reply_to_message else None
    meant = answered is not None and answered.id == me.id
    for entity, said in entities.items():
        named = entity.type == MessageEntityType.MENTION and said.lower() == f"@{(me.username or '').lower()}"
        if named or (entity.user and entity.user.id == me.id):
            meant = True
            text = text.replace(said, "", 1)
    return text.strip(), meant or message.chat.type not in GROUPS


def _audio(message: telegram.Message) -> Audio | None:
    """A voice message, an audio file, a round video, or a document that says it is sound."""
    found = message.voice or message.audio or message.video_note
    if found:
        seconds = found.duration
        length = seconds.total_seconds() if hasattr(seconds, "total_seconds") else float(seconds)
        return Audio(found.file_id, found.file_size or 0, length)
    document = message.document
    if document and (document.mime_type or "").startswith("audio/"):
        return Audio(document.file_id, document.file_size or 0)
    return None


def _content(message: telegram.Message) -> bool:
    """Something a person sent on purpose, rather than a note that somebody joined."""
    return bool(message.effective_attachment)
