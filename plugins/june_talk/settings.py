"""What can be configured under [talk]."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Defaults for a voice turn. `max_seconds` bounds the question, `voice` empty means the server's own."""

    prompt: str = "You are June, a friendly voice assistant. Answer in one or two short sentences."
    max_tokens: int = 160
    temperature: float = 0.2
    voice: str = ""
    max_seconds: float = 300.0
