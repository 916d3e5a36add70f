"""Killed at any moment and started again: every message is answered once, in order."""

from __future__ import annotations

import random
import time

import pytest

from tests.botapi import ME, BotApi
from tests.e2e.bots.conftest import Bot
from tests.echo import Echo

CHATS, MESSAGES, KILLS = range(1, 11), 6, 12


@pytest.mark.slow
def test_kills_lose_nothing_and_double_nothing(bot: Bot, api: BotApi, echo: Echo) -> None:
    """The bench `bot_kills.py` does the same with 200 messages and 30 kills."""
    chance = random.Random(11)  # noqa: S311
    api.slow_s, echo.word_s = 0.05, 0.04
    todo = [(chat, number) for number in range(MESSAGES) for chat in CHATS]
    bot.start(turns=16)
    for _ in range(KILLS):
        for chat, number in todo[:5]:
            api.says(chat, f"message {number} of chat {chat} " + "and more " * chance.randint(0, 12))
        del todo[:5]
        time.sleep(chance.uniform(0.8, 1.8))
        bot.kill()
        bot.start()
    assert not todo
    api.until(lambda: all(finished(api, chat) for chat in CHATS) and not api.pending, 60.0)
    time.sleep(3.0)  # for what would be sent twice
    for chat in CHATS:
        asked = [m for m in api.messages[chat] if m["from"]["id"] != ME["id"]]
        sent = api.sent(chat)
        assert [m["answers"] for m in sent] == [m["message_id"] for m in asked]
        assert [m["text"] for m in sent] == [f"echo: {m['text']}".strip() for m in asked]


def finished(api: BotApi, chat: int) -> bool:
    return len(api.sent(chat)) == MESSAGES and not any(text.endswith("…") for text in api.texts(chat))
