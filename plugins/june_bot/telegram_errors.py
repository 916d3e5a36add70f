"""How Telegram refuses, in the words of every bot. The descriptions are those of its Bot API server."""

from __future__ import annotations

import datetime as dt

import httpx
from telegram.error import (
    BadRequest,
    Conflict,
    EndPointNotFound,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TelegramError,
    TimedOut,
)
from telegram.error import Forbidden as Kicked

from june_bot.words import (
    Blocked,
    Elsewhere,
    Forbidden,
    Gone,
    Malformed,
    Refusal,
    Slow,
    TooLarge,
    Unauthorised,
    Unreached,
    Unsure,
)

GONE = (
    "message to edit not found",
    "message can't be edited",
    "message_id_invalid",
    "no text in the message to edit",
    "no caption in the message to edit",
    "message identifier is not specified",
    "message not found",
)
NO_VOICE = (
    "voice_messages_forbidden",
    "voice messages are not allowed",
    "not enough rights to send voice",
    "not enough rights to send documents",
)
CLOSED = (
    "chat not found",
    "user not found",
    "user is deactivated",
    "bot was kicked",
    "peer_id_invalid",
    "have no rights to send a message",
    "not enough rights to send text messages",
    "chat_write_forbidden",
    "group chat was deactivated",
    "topic_closed",
)
BIG = ("file is too big", "too large")
MEANS: tuple[tuple[tuple[str, ...], type[Refusal]], ...] = (
    (GONE, Gone),
    (NO_VOICE, Forbidden),
    (BIG, TooLarge),
    (CLOSED, Blocked),
)
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


def unmodified(error: TelegramError) -> bool:
    """Whether an edit was refused for changing nothing."""
    return isinstance(error, BadRequest) and "message is not modified" in error.message.lower()


def refusal(error: TelegramError) -> Refusal:
    """What an error means to whoever asked."""
    if isinstance(error, RetryAfter):
        after = error.retry_after
        return Slow(after.total_seconds() if isinstance(after, dt.timedelta) else float(after))
    if isinstance(error, Kicked):
        return Forbidden(error.message) if "voice" in error.message.lower() else Blocked(error.message)
    if isinstance(error, Conflict):
        return Elsewhere(error.message)
    if isinstance(error, InvalidToken | EndPointNotFound):
        return Unauthorised(error.message)
    if isinstance(error, BadRequest):
        return _bad(error)
    if isinstance(error, TimedOut | NetworkError):
        kind = Unreached if isinstance(error.__cause__, NEVER_LEFT) else Unsure
        return TooLarge(error.message) if "entity too large" in error.message.lower() else kind(error.message)
    return Malformed(error.message)


def _bad(error: BadRequest) -> Refusal:
    text = error.message.lower()
    return next(
        (kind(error.message) for words, kind in MEANS if any(w in text for w in words)),
        Malformed(error.message),
    )
