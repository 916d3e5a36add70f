"""The global options: taken out of the words before `--`, so that they work anywhere in a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from june_cli.errors import UsageProblem

FLAGS = {
    "--json": "Print exactly one JSON value on stdout, errors included.",
    "--events": "Report progress as JSON lines on stderr.",
    "--dry-run": "Print what would run, and run nothing.",
}
VALUES = {
    "--engine": "Where services run: process or docker.",
    "--profile": "Which models fill the roles: tiny, cuda, spark, or one of your own.",
}


@dataclass(frozen=True)
class GlobalWords:
    """What the global options said."""

    json: bool = False
    events: bool = False
    dry_run: bool = False
    engine: str | None = None
    profile: str | None = None


def take(args: Sequence[str]) -> tuple[GlobalWords, list[str]]:
    """Split the words into the global options and everything else, in order.

    Raises UsageProblem for an option without its value. What follows `--` is left alone, so
    `june tts say -- --json` speaks the word.
    """
    flags: dict[str, bool] = {}
    values: dict[str, str] = {}
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        name, equals, value = word.partition("=")
        field = name.removeprefix("--").replace("-", "_")
        if name in FLAGS:
            if equals:
                raise UsageProblem("usage", f"{name} takes no value.")
            flags[field] = True
        elif name in VALUES:
            if not equals:
                value = next(words, "")
            if not value or value.startswith("--"):
                raise UsageProblem("usage", f"{name} needs a value.", hint=f"june {name} VALUE …")
            values[field] = value
        else:
            rest.append(word)
    return GlobalWords(**flags, **values), rest  # type: ignore[arg-type]
