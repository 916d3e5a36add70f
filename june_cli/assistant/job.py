"""How a job reports, from inside: JSON lines on stdout, its log on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from june_cli.errors import JuneError


def event(name: str, **fields: Any) -> None:
    """Say what is under way."""
    _line({"event": name, **fields})


def result(value: Any) -> None:
    """The one result: the last line a job writes."""
    _line({"result": value})


def failed(error: JuneError) -> None:
    """The one error, in place of a result."""
    said = {"code": error.code, "message": error.message, "hint": error.hint, "exit": error.exit_code}
    _line({"error": said})


def _line(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.stdout.flush()
