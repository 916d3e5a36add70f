"""Runs all checks side by side and tells what they found."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from june_cli.bar import MISSED_EXIT
from june_cli.checks import Finding, Host, Offered, fails, offered
from june_cli.output import Table
from june_doctor.looking import looking

if TYPE_CHECKING:
    from june_cli.invocation import Invocation
    from june_cli.progress import Progress

POLL_S = 0.1
OWN = "doctor"
SHOWN = {"ok": "ok", "note": "note", "unneeded": "-", "fails": "FAILS", "unknown": "?"}


@dataclass(frozen=True)
class Outcome:
    """One check's finding, as scripts get it."""

    id: str
    ok: bool
    message: str
    fix: str
    finding: Finding = field(metadata={"json": False})

    @classmethod
    def of(cls, name: str, finding: Finding) -> Outcome:
        """A finding under the name of its check."""
        return cls(name, finding.ok, finding.message, finding.fix, finding)


class Report(tuple[Outcome, ...]):
    """Every check, in order: a list to scripts, a table and the commands below it to people."""

    __slots__ = ()

    @property
    def exit_code(self) -> int:
        """5 when something that is needed is not ready."""
        return 0 if all(one.ok for one in self) else MISSED_EXIT

    def blocks(self) -> list[str | Table]:
        """What was found, what mends it, and how much of it there is."""
        rows = [(SHOWN[one.finding.mark], one.id, one.message) for one in self]
        parts: list[str | Table] = [Table(("", "check", "finding"), rows)]
        parts += _commands("To mend it:", [one for one in self if not one.ok])
        parts += _commands("Worth doing:", [one for one in self if one.ok])
        if any(one.finding.safe for one in self):
            parts.append("\njune doctor --fix offers to run what needs no root and stays within June's own.")
        return [*parts, f"\n{self._summary()}"]

    def _summary(self) -> str:
        marks = [one.finding.mark for one in self]
        counts = (
            ("ok", marks.count("ok")),
            ("to note", marks.count("note")),
            ("not needed", marks.count("unneeded")),
            ("failed", marks.count("fails")),
            ("not known", marks.count("unknown")),
        )
        return f"{len(self)} checks: " + ", ".join(f"{count} {name}" for name, count in counts if count)


@dataclass(frozen=True)
class Question:
    """What one check asks of this machine."""

    id: str
    summary: str


class Plan(tuple[Question, ...]):
    """What `--dry-run` prints: every check there is, none of them run."""

    __slots__ = ()

    def blocks(self) -> list[Table]:
        """A row a check."""
        return [Table(("check", "ok when"), [(one.id, one.summary) for one in self])]


def planned(june: Invocation) -> Plan:
    """The checks of every plugin."""
    return Plan(Question(one.check.id, one.check.summary) for one in every(june))


def diagnose(june: Invocation) -> Report:
    """Run every plugin's checks."""
    with looking(june) as host:
        return Report(run_all(june, every(june), host))


def every(june: Invocation) -> list[Offered]:
    """The checks of every plugin, June's own machine checks first."""
    return offered(sorted(june.known.values(), key=lambda plugin: plugin.name != OWN))


def run_all(june: Invocation, checks: Sequence[Offered], host: Host) -> list[Outcome]:
    """All at once: together they take about as long as the slowest, and none longer than its limit."""
    found: queue.SimpleQueue[tuple[int, Finding]] = queue.SimpleQueue()
    for number, one in enumerate(checks):
        threading.Thread(target=_look, args=(number, one, host, found), daemon=True).start()
    with june.out.progress("Checking this machine", len(checks)) as bar:
        findings = _gathered(checks, found, bar)
    return [Outcome.of(one.check.id, findings[number]) for number, one in enumerate(checks)]


def _look(number: int, one: Offered, host: Host, found: queue.SimpleQueue[tuple[int, Finding]]) -> None:
    try:
        finding = one.check.run(host)
        if not isinstance(finding, Finding):
            raise TypeError(f"it returned {finding!r}, no Finding")
    except BaseException as error:  # noqa: BLE001 - one check that is broken must not hide the others
        text = f"the check itself is broken: {type(error).__name__}: {error}"
        finding = fails(text, f"pip install --upgrade {one.distribution}")
    found.put((number, finding))


def _gathered(
    checks: Sequence[Offered], found: queue.SimpleQueue[tuple[int, Finding]], bar: Progress
) -> dict[int, Finding]:
    began = time.monotonic()
    findings: dict[int, Finding] = {}
    while len(findings) < len(checks):
        try:
            number, finding = found.get(timeout=POLL_S)
            findings.setdefault(number, finding)
        except queue.Empty:
            pass
        for number, one in enumerate(checks):
            if number not in findings and time.monotonic() - began > one.check.limit_s:
                findings[number] = _overdue(one)
        pending = [one.check.id for number, one in enumerate(checks) if number not in findings]
        bar.update(len(findings), text=_few(pending))
    return findings


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _overdue(one: Offered) -> Finding:
    return fails(
        f"no answer within {one.check.limit_s:g} s; a disk or a network that hangs is the usual reason",
        "june doctor",
    )


def _commands(title: str, outcomes: Iterable[Outcome]) -> list[str]:
    """Each command once, with the checks that it mends: a line that a shell takes as it is."""
    fixes: dict[str, list[str]] = {}
    for one in outcomes:
        if one.fix:
            fixes.setdefault(one.fix, []).append(one.id)
    return [f"\n{title}", *(f"  {fix}  # {', '.join(ids)}" for fix, ids in fixes.items())] if fixes else []
