"""Tokens and secrets as files: one word, which appears in no message, no log and no spec."""

from __future__ import annotations

from pathlib import Path

from june_cli.errors import UsageProblem

MAX_BYTES = 4096


def one_word(path: Path) -> str:
    """The one word that a file holds. UsageProblem, without a byte of it, for anything else."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem("token-unreadable", f"{path} cannot be read: {_why(error)}.") from error
    if not text or any(c.isspace() for c in text):
        raise UsageProblem("token-invalid", f"{path} holds no token: one line of it, and nothing else.")
    return text


def open_to_others(path: Path) -> bool:
    """Whether people other than its owner may read a file."""
    return bool(path.stat().st_mode & 0o077)


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or "it is no text")
