"""What can be configured under [chat]."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Defaults for a conversation. `history` is how many earlier messages the model sees."""

    prompt: str = "You are a helpful AI assistant named June. You answer questions briefly and correctly."
    max_tokens: int = 512
    temperature: float = 0.2
    history: int = 12
