"""`june doctor --fix`: runs the safe commands, each after asking, and looks again."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.engine import run
from june_cli.errors import JuneError
from june_doctor.diagnosis import Outcome, Report, every, run_all
from june_doctor.looking import looking

if TYPE_CHECKING:
    from june_cli.checks import Offered
    from june_cli.invocation import Invocation

LIMIT_S = 120.0


@dataclass(frozen=True)
class WouldRun:
    """What `--fix` would offer to run."""

    run: tuple[str, ...]

    def blocks(self) -> list[str]:
        """A command a line."""
        return list(self.run) or ["nothing: what is left needs root, or somebody to decide"]


def mend(june: Invocation, *, yes: bool) -> Report | WouldRun:
    """Check, offer what is safe, check that again. The report is of how it is then."""
    checks = every(june)
    with looking(june) as host:
        outcomes = run_all(june, checks, host)
    offers = [one for one in outcomes if _safe(one)]
    if june.words.dry_run:
        return WouldRun(tuple(dict.fromkeys(one.fix for one in offers)))
    if not offers:
        june.out.note("nothing here can be mended by --fix: what is left needs root, or somebody to decide.")
    elif not yes and not sys.stdin.isatty():
        june.out.note(
            "--fix asks before it runs anything: call it on a terminal, or with --yes. Nothing was run."
        )
    else:
        by_id = {one.check.id: one for one in checks}
        outcomes = [_mended(june, by_id[one.id], one, yes) for one in outcomes]
    return Report(outcomes)


def _safe(outcome: Outcome) -> bool:
    """Whatever a plugin claims, nothing runs as root."""
    return (
        outcome.finding.safe
        and bool(outcome.fix)
        and shlex.split(outcome.fix)[0] not in ("sudo", "su", "doas")
    )


def _mended(june: Invocation, check: Offered, outcome: Outcome, yes: bool) -> Outcome:
    """Go on while a check has another safe command: two broken downloads are two commands."""
    tried: set[str] = set()
    while _safe(outcome) and outcome.fix not in tried:
        tried.add(outcome.fix)
        if not _agreed(june, outcome, yes) or not _ran(june, outcome.fix):
            break
        with looking(june) as host:
            outcome = run_all(june, [check], host)[0]
    return outcome


def _agreed(june: Invocation, outcome: Outcome, yes: bool) -> bool:
    june.out.note(f"\n{outcome.id}: {outcome.message}\n  {outcome.fix}")
    if yes:
        return True
    june.out.note("Run it? [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _ran(june: Invocation, command: str) -> bool:
    words = shlex.split(command)
    if words[0] == "june":  # this one, not another on PATH
        words = [sys.executable, "-P", "-m", "june_cli", *words[1:]]
    try:
        with june.out.progress(command):
            done = run.run(words, timeout_s=LIMIT_S, env=june.environ)
    except JuneError as error:
        june.out.note(f"it did not work: {error.message}")
        return False
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        june.out.note(f"it did not work: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.returncode == 0
