"""What can be seen of a bot from outside: metrics, a health answer, a line a message in the log."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
BROKEN_S = 60.0  # without word from the platform, after which the bot is called unhealthy
EXTRA = ("number", "chat", "kind", "state", "part", "why", "error_id", "seconds", "text")


@dataclass
class Seen:
    """One bot's metrics, and whether it hears from its platform."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    opened: bool = False
    heard_at: float = 0.0
    trouble: str = ""

    def __post_init__(self) -> None:
        def named(kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
            return kind(f"june_bot_{name}", text, labels, registry=self.registry, **options)

        self.messages = named(Counter, "messages", "Messages that came to a state.", "state")
        self.stages = named(
            Histogram, "stage_seconds", "Seconds of each stage of a turn.", "stage", buckets=SECONDS
        )
        self.waiting = named(Gauge, "queue", "Messages accepted and not answered.")
        self.retries = named(Counter, "retries", "Sendings tried again after the connection broke.")
        self.too_many = named(Counter, "too_many_requests", "429 answers of the platform.")
        self.errors = named(Counter, "errors", "Turns that failed, by the code of the error.", "code")

    def contact(self) -> None:
        """The platform has answered."""
        self.opened, self.heard_at, self.trouble = True, time.monotonic(), ""

    @property
    def unhealthy(self) -> str:
        """Why the bot does not work; empty while it does."""
        if not self.opened:
            return self.trouble or "it has not logged in yet"
        silent_s = time.monotonic() - self.heard_at
        return self.trouble if self.trouble and silent_s > BROKEN_S else ""

    def exposition(self) -> bytes:
        """The metrics as Prometheus reads them."""
        text: bytes = generate_latest(self.registry)
        return text


class JsonLines(logging.Formatter):
    """A log line as one JSON object: when, how grave, what, and the facts given beside it.

    `secrets` appear in none, whichever library's words they stand in.
    """

    def __init__(self, *secrets: str) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if secret]

    def format(self, record: logging.LogRecord) -> str:
        """One line. What a message said is never among the facts, unless that was asked for."""
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {key: value for key in EXTRA if (value := getattr(record, key, None)) is not None}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False)
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text
