"""Personas from a YAML file: who answers, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from june_bot.settings import Settings
from june_cli.assistant.llm import Sampling
from june_cli.assistant.turn import Persona
from june_cli.errors import UsageProblem

MAX_BYTES = 256 * 1024
KNOWN = {"prompt": str, "voice": str, "max_tokens": int, "temperature": float, "summary": str}
DEFAULT = "june"


@dataclass(frozen=True)
class Named:
    """A persona, its name, and what `/persona` says of it."""

    name: str
    summary: str
    persona: Persona


def personas(settings: Settings, file: Path | None) -> dict[str, Named]:
    """Those of the file, the first of which is the default; without a file the one of the settings.

    The file has a mapping a persona: `prompt` and, as far as they differ from the settings, `voice`,
    `max_tokens`, `temperature`, `summary`. UsageProblem names what in it is wrong.
    """
    if file is None:
        return {DEFAULT: _named(DEFAULT, {"prompt": settings.prompt}, settings)}
    content = _read(file)
    if not isinstance(content, dict) or not content:
        raise _wrong(file, "it must map the names of personas to what they are")
    made = {}
    for name, entry in content.items():
        if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
            raise _wrong(file, f"{name!r} is no name: letters, digits, - and _")
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("prompt"), str)
            or not entry["prompt"].strip()
        ):
            raise _wrong(file, f"{name} needs a prompt")
        for key, value in entry.items():
            kind = KNOWN.get(key)
            if kind is None:
                raise _wrong(file, f"{name} has an unknown {key!r}; known: {', '.join(KNOWN)}")
            if not isinstance(value, kind) and not (kind is float and type(value) is int):
                raise _wrong(file, f"{key} of {name} must be of type {kind.__name__}")
        made[name] = _named(name, entry, settings)
    return made


def _named(name: str, entry: dict[str, Any], settings: Settings) -> Named:
    sampling = Sampling(
        max_tokens=entry.get("max_tokens", settings.max_tokens),
        temperature=float(entry.get("temperature", settings.temperature)),
    )
    persona = Persona(entry["prompt"].strip(), sampling, entry.get("voice", settings.speaker))
    return Named(name, entry.get("summary", ""), persona)


def _read(file: Path) -> Any:
    import yaml

    try:
        if file.stat().st_size > MAX_BYTES:
            raise _wrong(file, "it is larger than 256 KiB")
        return yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise _wrong(file, " ".join(str(error).split())) from error


def _wrong(file: Path, why: str) -> UsageProblem:
    return UsageProblem("persona-invalid", f"the persona file {file.name} cannot be used: {why}.")
