"""What the bot adds to a voice turn, and how soon a text is on the screen.

Bars: everything but the three models is at most 10 % of a voice turn, or 50 ms; the first text is on the
screen 1.2 s after the model's first token at the latest.

How: `june bot telegram` with the real models of profile `tiny` in processes, and a Bot API server on
loopback. A turn lasts from the moment the message is written down until its voice message is delivered;
what the models took of it is what the ledger has: recognition, and the turn of language model and voice,
which overlap. What is left is decoding, encoding, the ledger and Telegram's requests. The first text: a
model that writes a word every 150 ms, seen from the Bot API server.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bot_kills import started

from june_cli.assistant.audio import decode, encode
from tests.botapi import TOKEN, BotApi
from tests.echo import Echo

CHATS = range(1, 13)


def june(environ: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "june_cli", *words], env=environ, capture_output=True, check=True
    )
    return done.stdout.decode()


def own_share(folder: Path) -> list[tuple[float, float]]:
    """Seconds of each turn, and what of them is June's own."""
    (folder / "token").write_text(TOKEN)
    with BotApi(keep_calls=False) as api:
        environ = {**os.environ, "JUNE_HOME": str(folder / "home"), "JUNE_BOT_TELEGRAM_API_URL": api.url}
        environ |= {
            "JUNE_TELEGRAM_TOKEN_FILE": str(folder / "token"),
            "JUNE_BOT_TELEGRAM_ALLOW": ",".join(map(str, CHATS)),
        }
        environ |= {"JUNE_BOT_TEMPERATURE": "0.0", "JUNE_BOT_MAX_TOKENS": "60"}
        june(environ, "serve", "start", "telegram")
        try:
            june(environ, "tts", "say", "What is the capital of France?", "-o", str(folder / "question.wav"))
            question = encode(decode(folder / "question.wav"), ".ogg")
            for chat in CHATS:  # each its own: a chat's rate is the platform's, not June's
                api.speaks(chat, question)
                api.wait(chat, 3, 60)
                time.sleep(0.2)
            told = json.loads(june(environ, "bot", "history", "--limit", str(len(CHATS)), "--json"))[
                "messages"
            ]
        finally:
            june(environ, "serve", "stop")
    found = []
    for one in told[2:]:  # the first two warm everything
        whole = one["seconds"]["delivered"]
        found.append((whole, whole - one["stages"]["stt"] - one["stages"]["turn"]))
    return found


def first_text(folder: Path) -> float:
    """From the model's first token to the first text on the screen."""
    with BotApi() as api, Echo(word_s=0.15) as echo:
        bot = started(api, echo, folder)
        api.says(7, "/start")
        api.wait(7, 1)
        api.says(7, " ".join(["word"] * 40))
        while not echo.asked:
            time.sleep(0.001)
        began = time.monotonic()
        api.wait(7, 2)
        seconds = time.monotonic() - began
        bot.send_signal(signal.SIGTERM)
        bot.wait(20)
        return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        turns = own_share(Path(name))
        whole, own = median(t for t, _ in turns), median(o for _, o in turns)
        print(f"a voice turn {whole:.3f} s, June's own {own * 1000:.0f} ms: {own / whole:.1%}")
    with tempfile.TemporaryDirectory() as name:
        seconds = first_text(Path(name))
        print(f"first text {seconds:.2f} s after the first token (bar: 1.2)")


if __name__ == "__main__":
    main()
