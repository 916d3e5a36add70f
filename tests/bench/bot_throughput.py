"""50 text chats at once on a model that echoes: June's bot against a bare python-telegram-bot echo bot.

Both fetch their messages from the same Bot API server on loopback. The bare bot asks the same model by one
plain HTTP request, keeps nothing, and shows nothing while it works: what is left when all else is left out.
With `--without-model` it does not even ask the model.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.botapi import TOKEN, BotApi
from tests.botprocess import environ, started
from tests.echo import Echo

CHATS, EACH, ROUNDS = range(1, 51), 4, 3
BARE = """
import asyncio, json, os, sys
import httpx
from telegram.ext import Application, MessageHandler, filters

url, model = os.environ["BARE_API"], os.environ.get("BARE_MODEL")
client = httpx.AsyncClient()

async def echo(update, context):
    text = update.message.text
    answer = f"echo: {text}"
    if model:
        body = {"messages": [{"role": "user", "content": text}], "stream": True, "model": "echo"}
        reply = await client.post(f"http://{model}/v1/chat/completions", json=body)
        first = next(line for line in reply.text.splitlines() if line.startswith("data: "))
        answer = json.loads(first[6:])["choices"][0]["delta"]["content"]
    await update.message.reply_text(answer)

app = (
    Application.builder().token(os.environ["BARE_TOKEN"]).base_url(url + "/bot").concurrent_updates(True)
    .connection_pool_size(64).pool_timeout(60).build()
)
app.add_handler(MessageHandler(filters.TEXT, echo))
app.run_polling()
"""


def bare(api: BotApi, echo: Echo | None) -> subprocess.Popen[bytes]:
    env = {**os.environ, "BARE_API": api.url, "BARE_TOKEN": TOKEN, "BARE_MODEL": echo.address if echo else ""}
    return subprocess.Popen([sys.executable, "-c", BARE], env=env)


def june(api: BotApi, echo: Echo, folder: Path) -> subprocess.Popen[bytes]:
    return started(environ(api, echo.address, folder, telegram_allow=list(CHATS)), folder)


def measured(api: BotApi, bot: subprocess.Popen[bytes]) -> float:
    """Messages a second, from the first that is written to the last that is answered."""
    try:
        api.says(1, "warm")
        api.wait(1, len(api.sent(1)) + 1, 60)
        before = {chat: len(api.sent(chat)) for chat in CHATS}
        began = time.perf_counter()
        for number in range(EACH):
            for chat in CHATS:
                api.says(chat, f"message {number} of chat {chat}")
        api.until(lambda: all(len(api.sent(chat)) >= before[chat] + EACH for chat in CHATS), 120)
        return len(CHATS) * EACH / (time.perf_counter() - began)
    finally:
        bot.terminate()
        bot.wait(20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without-model", action="store_true")
    asked = parser.parse_args()
    ratios = []
    for _ in range(ROUNDS):
        with Echo() as echo, BotApi(keep_calls=False) as api:
            plain = measured(api, bare(api, None if asked.without_model else echo))
        with Echo() as echo, BotApi(keep_calls=False) as api, tempfile.TemporaryDirectory() as folder:
            own = measured(api, june(api, echo, Path(folder)))
        ratios.append(own / plain)
        print(f"bare {plain:.0f}/s, june {own:.0f}/s, ratio {own / plain:.2f}")
    print(f"ratio {median(ratios):.2f} (bar: at least 0.8)")


if __name__ == "__main__":
    main()
