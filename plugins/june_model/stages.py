"""What of a build is done: a hash of what went into each stage, so that a killed build goes on after it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

NAMES = ("plan", "fetch", "quantize", "lay out", "validate")


class Stages:
    """The stages of one build, in their order; `how` says what became of each."""

    def __init__(self, file: Path, tell: Callable[[str], None]) -> None:
        self._file, self._tell = file, tell
        self.how: dict[str, str] = {}

    def run(
        self, name: str, inputs: Mapping[str, Any], act: Callable[[], object], *, there: bool = True
    ) -> None:
        """Do a stage unless it is done with the same inputs, and its product is there."""
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()
        done = self._done()
        if done.get(name) == digest and there:
            self.how[name] = "done before"
            return
        self._tell(name)
        began = time.monotonic()
        act()
        self.how[name] = f"{time.monotonic() - began:.1f} s"
        if done.get(name) == digest:
            return  # done again to be sure, and nothing that follows is other than it was
        later = NAMES[NAMES.index(name) + 1 :]
        kept = {key: value for key, value in done.items() if key not in later}
        temporary = self._file.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({**kept, name: digest}, indent=1), "utf-8")
        temporary.replace(self._file)

    def _done(self) -> dict[str, str]:
        try:
            content = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}
