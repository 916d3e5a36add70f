"""What the types of settings cannot say."""

from __future__ import annotations

import typing

from june_bot.settings import Settings
from june_cli.errors import UsageProblem

LEAST: dict[str, float] = {
    "max_tokens": 1,
    "temperature": 0,
    "history": 0,
    "turns": 1,
    "queue": 1,
    "pending": 1,
    "max_seconds": 1,
    "stale_s": 1,
    "keep_days": 0.01,
}


def require(settings: Settings) -> None:
    """UsageProblem for settings that no bot can work with."""
    for name, least in LEAST.items():
        if getattr(settings, name) < least:
            raise UsageProblem("bot-invalid", f"{name} must be {least:g} at least.")
    kinds = typing.get_type_hints(Settings)
    for name in ("voice", "busy"):
        allowed = typing.get_args(kinds[name])
        if getattr(settings, name) not in allowed:
            raise UsageProblem("bot-invalid", f"{name} must be one of {', '.join(allowed)}.")
    if bool(settings.webhook_url) != bool(settings.webhook_secret_file):
        raise UsageProblem(
            "webhook-incomplete",
            "a webhook needs both its address and a secret, so that nobody else can send messages to it.",
            hint="--webhook-url https://… --webhook-secret-file FILE",
        )
    for name in ("telegram_api_url", "telegram_file_url", "webhook_url"):
        if (address := getattr(settings, name)) and not address.startswith(("http://", "https://")):
            raise UsageProblem(
                "url-invalid", f"{name.replace('_', '-')} must be a web address, not {address!r}."
            )
