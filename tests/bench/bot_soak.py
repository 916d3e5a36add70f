"""A soak on loopback: 50 chats, faults injected, for `--minutes`; memory, what is lost, what is doubled.

Faults: 429 with retry_after, 500, answers that are lost after the message was accepted, refused markup, and
now and then a Bot API server that is gone for some seconds. Prints memory once a minute and the verdict at
the end.
"""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from pathlib import Path

import bot_kills
import psutil

from tests.botapi import BotApi, Fault
from tests.echo import Echo

CHATS = range(1, 51)
FAULTS = (
    lambda: Fault("sendMessage", 429, retry_after=2),
    lambda: Fault("sendMessage", 500, "Internal Server Error"),
    lambda: Fault("sendMessage", accepted=True),
    lambda: Fault("editMessageText", 429, retry_after=1),
    lambda: Fault("editMessageText", accepted=True),
    lambda: Fault("sendMessage", 400, "Bad Request: can't parse entities: no"),
    lambda: Fault("getUpdates", 500, "Internal Server Error"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    asked = parser.parse_args()
    chance = random.Random(1)  # noqa: S311
    bot_kills.CHATS = CHATS
    sent = 0
    memory: list[float] = []
    with BotApi(keep_calls=False) as api, Echo(word_s=0.02) as echo, tempfile.TemporaryDirectory() as name:
        bot = bot_kills.started(api, echo, Path(name))
        process = psutil.Process(bot.pid)
        began = time.monotonic()
        noted = began
        while time.monotonic() - began < asked.minutes * 60:
            for chat in chance.sample(list(CHATS), 5):
                api.says(chat, f"message {sent} of chat {chat}")
                sent += 1
            if chance.random() < 0.3:
                api.faults.append(chance.choice(FAULTS)())
            if chance.random() < 0.005:
                api.__exit__()
                time.sleep(3)
                api.__enter__()
            time.sleep(0.4)
            if time.monotonic() - noted > 60:
                noted = time.monotonic()
                memory.append(process.memory_info().rss / 1e6)
                print(f"{(noted - began) / 60:.0f} min, {sent} messages, {memory[-1]:.1f} MB", flush=True)
        until = time.monotonic() + 120
        while (bot_kills.judged(api)["lost"] or api.pending) and time.monotonic() < until:
            time.sleep(1)
        time.sleep(5)
        bot.send_signal(signal.SIGTERM)
        bot.wait(20)
        wrong = dict(bot_kills.judged(api))
    wrong.pop("unfinished")  # refused markup is sent as it was written
    print(f"{sent} messages: {wrong}; memory {memory[:1]} to {memory[-1:]} MB")


if __name__ == "__main__":
    main()
