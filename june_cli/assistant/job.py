"""How a job reports, from inside: JSON lines on stdout, its log on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
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


def call(command: Sequence[str]) -> None:
    """Run a program of the job's image to its end; what it says is log. JuneError where it fails."""
    try:
        code = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False
        ).returncode
    except OSError as error:
        raise JuneError("job-failed", f"{command[0]} cannot be run: {error.strerror}.") from error
    if code:
        raise JuneError("job-failed", f"{command[0]} ended with exit code {code}; the log says why.")


def _line(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message, ensure_ascii=False) + "\n")
    sys.stdout.flush()
