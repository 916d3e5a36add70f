"""What the references of a data set answer, as digests: worked out in the first run, kept for the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from june_bench.suites import Task
from june_cli.files import write
from june_cli.paths import made
from june_cli.sandbox.verdict import Tests, Verdict


@dataclass
class References:
    """Of one data set in one sandbox. What is lost is worked out again."""

    file: Path
    known: dict[str, Any] = field(default_factory=dict)
    changed: bool = False

    @classmethod
    def of(cls, folder: Path, key: str) -> References:
        """Those that are kept."""
        file = folder / f"{key}.json"
        try:
            known = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            known = {}
        return cls(file, known if isinstance(known, dict) else {})

    def tests(self, task: Task) -> Tests:
        """A task's tests, with what is known of its reference."""
        found = self.known.get(task.id)
        if not isinstance(found, Mapping) or len(found.get("digests", ())) != len(task.tests.cases):
            return task.tests
        return replace(task.tests, known=tuple(found["digests"]), reference_s=float(found["seconds"]))

    def learn(self, task: str, verdict: Verdict) -> None:
        """Take in what a verdict says of the reference of its task."""
        if verdict.learned and task not in self.known:
            self.known[task] = {"digests": list(verdict.learned), "seconds": verdict.reference_s}
            self.changed = True

    def keep(self) -> None:
        """For the next run."""
        if not self.changed:
            return
        made(self.file.parent)
        write(self.file, json.dumps(self.known).encode())
