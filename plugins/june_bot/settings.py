"""What can be configured under [bot]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PROMPT = "You are a helpful AI assistant named June. Answer in a few short sentences."


@dataclass(frozen=True)
class Settings:
    """Who may talk to the bots, and how they answer. Tokens are files: their content appears nowhere.

    `telegram_allow`, `discord_allow`: numeric ids of the people who are answered; empty: nobody. `voice`:
    when an answer is also spoken: to those who spoke (mirror), always or never. `busy`: what a new message
    does to the answer under way in its chat. `turns`: so many at once. `queue`, `pending`: messages that may
    wait in one chat, and in all. `stale_s`: older messages get an apology. `log_text`: message text in the
    log. `trace_url`: where OpenTelemetry traces go, http://host:4318/v1/traces for one.
    """

    telegram_token_file: Path | None = None
    telegram_api_url: str = ""
    telegram_file_url: str = ""
    telegram_allow: tuple[int, ...] = ()
    webhook_url: str = ""
    webhook_secret_file: Path | None = None
    discord_token_file: Path | None = None
    discord_allow: tuple[int, ...] = ()
    persona_file: Path | None = None
    prompt: str = PROMPT
    max_tokens: int = 512
    temperature: float = 0.2
    voice: Literal["mirror", "always", "never"] = "mirror"
    speaker: str = ""
    busy: Literal["queue", "interrupt"] = "queue"
    history: int = 12
    turns: int = 4
    queue: int = 20
    pending: int = 500
    max_seconds: float = 300.0
    stale_s: float = 3600.0
    keep_days: float = 30.0
    log_text: bool = False
    trace_url: str = ""
