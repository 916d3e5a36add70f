"""Telegram's client and the parameters of its requests."""

from __future__ import annotations

import warnings
from typing import Any
from urllib.parse import urlsplit

import telegram
from telegram.constants import ParseMode
from telegram.request import HTTPXRequest
from telegram.warnings import PTBUserWarning

from june_bot.words import Body

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONNECT_S, ANSWER_S, UPLOAD_S = 10.0, 30.0, 120.0


def client(token: str, api_url: str, file_url: str) -> telegram.Bot:
    """A client of Telegram's servers, or of a Bot API server of one's own."""
    direct = {"trust_env": False} if urlsplit(api_url).hostname in LOOPBACK else {}
    asking = HTTPXRequest(
        connection_pool_size=64,
        read_timeout=ANSWER_S,
        write_timeout=ANSWER_S,
        connect_timeout=CONNECT_S,
        pool_timeout=60.0,
        media_write_timeout=UPLOAD_S,
        httpx_kwargs=direct,
    )
    polling = HTTPXRequest(connection_pool_size=2, connect_timeout=CONNECT_S, httpx_kwargs=direct)
    if not api_url:
        return telegram.Bot(token, request=asking, get_updates_request=polling)
    return telegram.Bot(
        token,
        base_url=f"{api_url.rstrip('/')}/bot",
        base_file_url=f"{(file_url or api_url).rstrip('/')}/file/bot",
        request=asking,
        get_updates_request=polling,
    )


async def updates(
    bot: telegram.Bot, offset: int | None, wait_s: int, wanted: list[str]
) -> list[dict[str, Any]]:
    """The next updates as they came. The library's own way reads them all or none: one that it does not
    understand would be in the way for ever, and in the log with everything that people wrote.
    """
    asked = {"offset": offset, "timeout": wait_s, "allowed_updates": wanted}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PTBUserWarning)
        found: Any = await bot.do_api_request(
            "getUpdates",
            api_kwargs={k: v for k, v in asked.items() if v is not None},
            read_timeout=wait_s + 10,
        )
    if not isinstance(found, list) or not all(isinstance(one, dict) and "update_id" in one for one in found):
        raise telegram.error.TelegramError("getUpdates answered with something else than updates")
    return found


def text(body: Body) -> dict[str, Any]:
    """A text with its markup, or as it was written where the markup was refused."""
    mode = ParseMode.HTML if body.markup else None
    preview = telegram.LinkPreviewOptions(is_disabled=True)
    return {"text": body.text, "parse_mode": mode, "link_preview_options": preview}


def buttons(body: Body) -> telegram.InlineKeyboardMarkup | None:
    """The choices under a message."""
    if not body.choices:
        return None
    row = [telegram.InlineKeyboardButton(one.label, callback_data=one.data) for one in body.choices]
    return telegram.InlineKeyboardMarkup([row])
