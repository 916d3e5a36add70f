"""A bot as a service: `python -m june_bot.server`."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from june_bot.bot import Bot, run
from june_bot.persona import personas
from june_bot.seen import JsonLines
from june_bot.settings import Settings
from june_bot.token import one_word
from june_bot.used import Addresses
from june_cli.assistant import serving


@dataclass(frozen=True)
class Place:
    """What the engine told this bot."""

    name: str
    host: str
    port: int
    platform: str
    folder: Path
    settings: Settings
    addresses: Addresses
    persona_file: Path | None
    environ: Mapping[str, str]

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Place:
        """Read the variables that `june_bot.services` lists."""
        model = environ.get("JUNE_MODEL_DIR")
        persona = environ.get("JUNE_PERSONA_FILE")
        return cls(
            name=environ.get("JUNE_SERVICE", "bot"),
            host=environ.get("JUNE_HOST", "127.0.0.1"),
            port=int(environ["JUNE_PORT"]),
            platform=environ["JUNE_BOT_PLATFORM"],
            folder=Path(environ["JUNE_STATE_DIR"]),
            settings=told(environ["JUNE_BOT_SETTINGS"]),
            addresses=Addresses(
                stt=environ["JUNE_STT"],
                llm=environ["JUNE_LLM"],
                tts=environ["JUNE_TTS"],
                api=environ["JUNE_LLM_API"],
                model=environ["JUNE_LLM_MODEL"],
                folder=Path(model) if model else None,
            ),
            persona_file=Path(persona) if persona else None,
            environ=environ,
        )

    def secret(self, variable: str) -> str:
        """The content of a secret's file; empty where none was given."""
        path = self.environ.get(variable)
        if not path:
            return ""
        return one_word(Path(path))


def told(text: str) -> Settings:
    """Settings as JSON, which has lists for tuples and no paths: those travel as mounts and secrets."""
    values: dict[str, Any] = json.loads(text)
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Settings(**given)


def main(place: Place) -> None:
    """Run the bot until asked to stop."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(
            JsonLines(place.secret("JUNE_TOKEN_FILE"), place.secret("JUNE_WEBHOOK_SECRET_FILE"))
        )
    for noisy in ("httpx", "httpcore", "telegram", "discord", "aiohttp", "markdown_it"):
        logging.getLogger(noisy).setLevel(logging.WARNING)  # they log addresses, which have the token in them
    made = Bot.made(place, personas(place.settings, place.persona_file))
    serving.require_free(place.host, place.port)
    asyncio.run(_until_stopped(made))


async def _until_stopped(made: Bot) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, task.cancel if task else sys.exit)
    with suppress(asyncio.CancelledError):
        await run(made)


if __name__ == "__main__":
    serving.program(main, Place.of)
