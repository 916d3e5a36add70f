"""A bot whose updates are pushed to it, by a Bot API server that keeps the rules."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from june_cli.assistant.ports import free_port
from tests.botapi import Fault
from tests.e2e.bots.conftest import Bot


def test_a_webhook_is_told_to_come_again_until_the_bot_takes_messages(bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret-word\n")
    bot.environ["JUNE_WEBHOOK_SECRET_FILE"] = str(tmp_path / "secret")
    bot.api.faults.append(Fault("getMe", 502, "Bad Gateway", count=1000))
    bot.port = free_port(0)
    bot.start(webhook_url=f"http://127.0.0.1:{bot.port}/webhook")
    bot.until_said("the platform is out of reach")
    bot.api.webhook = {"url": f"http://127.0.0.1:{bot.port}/webhook", "secret_token": "s3cret-word"}
    bot.api.says(7, "too early")  # as from a platform that knows the address from an earlier start
    bot.api.until(lambda: bot.api.pushed.count(503) > 1)
    bot.api.faults.clear()
    assert bot.api.wait(7, 1)[0]["text"] == "echo: too early"


def test_a_webhook_takes_what_has_its_secret_and_nothing_else(bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret-word\n")
    bot.environ["JUNE_WEBHOOK_SECRET_FILE"] = str(tmp_path / "secret")
    bot.port = free_port(0)
    url = f"http://127.0.0.1:{bot.port}/webhook"
    bot.start(webhook_url=url)
    bot.until_said("ready")
    bot.api.until(lambda: bot.api.webhook.get("secret_token") == "s3cret-word")
    bot.api.says(7, "by webhook")
    assert bot.api.wait(7, 1)[0]["text"] == "echo: by webhook"
    for headers, body, code in [
        ({}, b"{}", 403),
        ({"X-Telegram-Bot-Api-Secret-Token": "wrong"}, b"{}", 403),
        ({"X-Telegram-Bot-Api-Secret-Token": "\xff"}, b"{}", 403),
        ({"X-Telegram-Bot-Api-Secret-Token": "s3cret-word"}, b"no json", 400),
        ({"X-Telegram-Bot-Api-Secret-Token": "s3cret-word"}, b"[1]", 400),
        ({"X-Telegram-Bot-Api-Secret-Token": "s3cret-word"}, b"x" * 2_000_000, 413),
    ]:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5)
        assert caught.value.code == code
        caught.value.close()
    same = {"update_id": 1, "message": bot.api.messages[7][0]}
    again = urllib.request.Request(
        url, json.dumps(same).encode(), {"X-Telegram-Bot-Api-Secret-Token": "s3cret-word"}
    )
    urllib.request.urlopen(again, timeout=5).close()
    time.sleep(0.5)
    assert len(bot.api.sent(7)) == 1
