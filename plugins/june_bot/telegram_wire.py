"""Telegram's client and the parameters of its requests."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import telegram
from telegram.constants import ParseMode
from telegram.request import HTTPXRequest

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
