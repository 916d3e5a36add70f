"""What can be configured under [talk]."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Defaults for a voice turn. `max_seconds` bounds the question, `voice` empty means the server's own."""

    prompt: str = "You are a helpful AI assistant named June. Answer in one short sentence."
    max_tokens: int = 160
    temperature: float = 0.0
    voice: str = ""
    max_seconds: float = 300.0
