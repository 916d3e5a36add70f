"""Before a score is believed: what is known to be right has to pass, what is known to be wrong, to fail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from june_bench.samples import Sample
from june_bench.suites import Task
from june_cli.errors import JuneError
from june_cli.files import write
from june_cli.paths import made
from june_cli.sandbox.verdict import Verdict

CANARY_TASKS = 3
# Programs that solve nothing, with the name of the function to be tested in the place of NAME.
CHEATS: tuple[tuple[str, str], ...] = (
    ("answers nothing", "def NAME(*a, **k): return None\n"),
    (
        "answers an object that equals everything",
        """
class Always(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
def NAME(*a, **k): return Always()
""",
    ),
    ("ends itself with success", "import os\nos._exit(0)\n"),
    ("ends in the call", "import os\ndef NAME(*a, **k): os._exit(0)\n"),
    ("leaves politely", "raise SystemExit(0)\n"),
    (
        "changes what is built in",
        """
import builtins
builtins.all = builtins.any = lambda *a: True
def NAME(*a, **k): return None
""",
    ),
    (
        "jumps over tests",
        """
import sys
def jump(frame, event, argument):
    if event == "line": frame.f_lineno += 1
    return jump
sys.settrace(jump)
def NAME(*a, **k): return None
""",
    ),
    ("stops", "import os, signal\ndef NAME(*a, **k): os.kill(os.getpid(), signal.SIGKILL)\n"),
)


@dataclass
class Audit:
    """What has to be found out, and what was."""

    waiting: dict[str, bool] = field(default_factory=dict)  # a sample's id, and whether it has to pass
    wrong: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def samples(self, tasks: Sequence[Task], *, all_references: bool) -> list[Sample]:
        """What to grade: every reference, and cheating programs for some tasks."""
        found: list[Sample] = []
        for number, task in enumerate(tasks):
            if all_references or number < CANARY_TASKS:
                found.append(Sample(task, -1, task.reference, task.reference))
                self._await(found[-1], f"{task.id}: its reference", passes=True)
        for task in [task for task in tasks if not task.tests.inside][:CANARY_TASKS]:
            for place, (label, text) in enumerate(CHEATS, 2):
                program = text.replace("NAME", task.entry)
                found.append(Sample(task, -place, program, program))
                self._await(found[-1], f"{task.id}: a program that {label}", passes=False)
        return found

    def _await(self, sample: Sample, label: str, *, passes: bool) -> None:
        self.waiting[sample.id], self.labels[sample.id] = passes, label

    def note(self, verdict: Verdict) -> bool:
        """Whether it is one of the audit's; if so it has been taken in."""
        expected = self.waiting.pop(verdict.id, None)
        if expected is None:
            return False
        if verdict.passed != expected:
            said = "passed" if verdict.passed else f"{verdict.reason}: {verdict.detail}"
            self.wrong.append(f"{self.labels[verdict.id]}: {said}")
        return True

    def require(self) -> None:
        """JuneError when something was not as it has to be: then no score can be believed."""
        if self.wrong or self.waiting:
            shown = "; ".join([*self.wrong, *(f"{self.labels[one]}: no verdict" for one in self.waiting)][:3])
            raise JuneError(
                "audit-failed",
                f"the benchmark does not grade right here, so there is no score. {shown}.",
                hint="june bench … --timeout 10, where this machine is slow; june image prune, then again",
            )


def key_of(*parts: object) -> str:
    """What an audit is true for: data, sandbox, limits."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]


def passed_before(folder: Path, key: str) -> bool:
    """Whether all references passed here already, with the same data and the same sandbox."""
    return (folder / f"{key}.json").is_file()


def remember(folder: Path, key: str, tasks: int) -> None:
    """Note that they did."""
    write(made(folder) / f"{key}.json", json.dumps({"references": tasks}).encode())
