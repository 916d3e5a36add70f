"""200 messages from 20 chats, and 30 times kill -9: what is lost, doubled, out of order or left unfinished.

The model writes word by word and every request takes 50 ms there and 50 ms back, so that kills fall between a
request and its answer too. Prints how many messages and parts were in which state when a kill fell. `--voice`
has every answer spoken as well, by the voice that `june serve start tts` runs on its usual port.
"""

from __future__ import annotations

import argparse
import random
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests import botprocess
from tests.botapi import ME, BotApi
from tests.botprocess import environ
from tests.echo import Echo

CHATS, EACH, KILLS = range(1, 21), 10, 30
STATES = "SELECT state, count(*) FROM messages WHERE state != 'delivered' GROUP BY 1"
PARTS = (
    "SELECT 'part ' || parts.state, count(*) FROM parts JOIN messages ON messages.id = parts.message "
    "WHERE messages.state != 'delivered' GROUP BY 1"
)


def started(api: BotApi, echo: Echo, folder: Path, *, voice: bool = False) -> subprocess.Popen[bytes]:
    """A bot that knows the chats; with `voice` it speaks every answer."""
    spoken = "always" if voice else "never"
    env = environ(api, echo.address, folder, telegram_allow=list(CHATS), turns=16, voice=spoken)
    if voice:
        env["JUNE_TTS"] = "127.0.0.1:50052"
    return botprocess.started(env, folder)


def states(folder: Path) -> Counter[str]:
    """How far everything was that was not delivered."""
    file = botprocess.ledger_of(folder) / "ledger.sqlite3"
    if not file.exists():
        return Counter()
    db = sqlite3.connect(file)
    try:
        return Counter({state: count for query in (STATES, PARTS) for state, count in db.execute(query)})
    finally:
        db.close()


def judged(api: BotApi, *, voice: bool = False) -> Counter[str]:
    """What went wrong."""
    wrong: Counter[str] = Counter(lost=0, doubled=0, disordered=0, unfinished=0)
    for chat in CHATS:
        asked = {m["message_id"]: m["text"] for m in api.messages[chat] if m["from"]["id"] != ME["id"]}
        got = [m["answers"] for m in api.sent(chat) if "text" in m]
        spoken = [m["answers"] for m in api.sent(chat) if "voice" in m]
        wrong["lost"] += sum(number not in spoken for number in asked) if voice else 0
        wrong["doubled"] += len(spoken) - len(set(spoken))
        wrong["lost"] += sum(number not in got for number in asked)
        wrong["doubled"] += len(got) - len(set(got))
        wrong["disordered"] += got != sorted(got)
        texts = {m["answers"]: m["text"].strip() for m in api.sent(chat) if "text" in m}
        wrong["unfinished"] += sum(texts.get(n, "") != f"echo: {text}".strip() for n, text in asked.items())
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--voice", action="store_true")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)  # noqa: S311
    todo = [(chat, number) for number in range(EACH) for chat in CHATS]
    seen: Counter[str] = Counter()
    with BotApi(slow_s=0.05, keep_calls=False) as api, Echo(word_s=0.04) as echo:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            bot = started(api, echo, folder, voice=asked.voice)
            for _ in range(KILLS):
                for chat, number in todo[:8]:
                    more = "and more " * chance.randint(0, 12)
                    api.says(chat, f"message {number} of chat {chat} {more}")
                del todo[:8]
                time.sleep(chance.uniform(0.75, 2.2))
                bot.kill()
                bot.wait()
                seen += states(folder)
                bot = started(api, echo, folder, voice=asked.voice)
            until = time.monotonic() + 120
            while (sum(judged(api, voice=asked.voice).values()) or api.pending) and time.monotonic() < until:
                time.sleep(0.5)
            time.sleep(5.0)  # for what would be sent twice
            bot.send_signal(signal.SIGTERM)
            bot.wait(20)
    print("in state when a kill fell:", dict(seen))
    print(f"{KILLS} kills, {len(CHATS) * EACH} messages:", dict(judged(api, voice=asked.voice)))


if __name__ == "__main__":
    main()
