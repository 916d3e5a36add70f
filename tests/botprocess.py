"""`python -m june_bot.server` as June starts it, against servers of a test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from june_cli.assistant.ports import free_port
from tests.botapi import TOKEN, BotApi

NOWHERE = "127.0.0.1:1"


def ledger_of(folder: Path) -> Path:
    return folder / "state" / "bots" / "telegram"


def environ(api: BotApi, model: str, folder: Path, **settings: Any) -> dict[str, str]:
    """What a Telegram bot is told: a model that speaks OpenAI's API, no ears and no voice.

    `folder` is its JUNE_HOME, and holds its token.
    """
    token = folder / "token"
    token.write_text(f"{TOKEN}\n")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("JUNE_")},
        "JUNE_PORT": str(free_port(0)),
        "JUNE_BOT_PLATFORM": "telegram",
        "JUNE_BOT_SETTINGS": json.dumps({"telegram_api_url": api.url, **settings}),
        "JUNE_STT": NOWHERE,
        "JUNE_TTS": NOWHERE,
        "JUNE_LLM": model,
        "JUNE_LLM_API": "openai",
        "JUNE_LLM_MODEL": "echo",
        "JUNE_STATE_DIR": str(ledger_of(folder)),
        "JUNE_TOKEN_FILE": str(token),
    }


def started(env: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    """The bot, not yet ready; what it logs goes on in `log`."""
    with (folder / "log").open("a") as log:
        return subprocess.Popen([sys.executable, "-m", "june_bot.server"], env=env, stderr=log)
