"""How Discord refuses, in the words of every bot. The codes are those of its API's documentation."""

from __future__ import annotations

import aiohttp
import discord

from june_bot.words import (
    Blocked,
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

UNKNOWN_MESSAGE, UNKNOWN_CHANNEL, NOT_ONES_OWN = 10008, 10003, 50005
NO_VOICE_HERE = (50173, 50159, 50160, 50161)
TOO_LARGE = 40005


def refusal(error: Exception) -> Refusal:
    """What an error of discord.py, or of the connection under it, means to whoever asked."""
    if isinstance(error, discord.LoginFailure):
        return Unauthorised(str(error))
    if isinstance(error, discord.RateLimited):
        return Slow(error.retry_after)
    if isinstance(error, discord.HTTPException):
        return _http(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Unreached(type(error).__name__)
    return Unsure(type(error).__name__)


def _http(error: discord.HTTPException) -> Refusal:
    code, text = error.code, f"{error.status} {error.code}: {error.text}"
    if error.status == 401:
        return Unauthorised(text)
    if error.status == 429:
        return Slow(1.0)
    if error.status >= 500:
        return Unsure(text)
    if code in NO_VOICE_HERE:
        return Forbidden(text)
    if code in (UNKNOWN_MESSAGE, NOT_ONES_OWN):
        return Gone(text)
    if code == TOO_LARGE or error.status == 413:
        return TooLarge(text)
    if error.status == 403 or code == UNKNOWN_CHANNEL:
        return Blocked(text)
    return Malformed(text)
