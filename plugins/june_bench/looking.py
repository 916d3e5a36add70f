"""Looks at runs: which there are, what came out, and how two of them differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from june_bench import runs, scores
from june_cli.errors import JuneError, UsageProblem
from june_cli.output import Table

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

SHOWN = 20


@dataclass(frozen=True)
class Listed:
    """Runs, the oldest first. `pass_at_k` is empty for one that was interrupted."""

    runs: Sequence[Mapping[str, Any]]

    def blocks(self) -> list[str | Table]:
        """A row a run."""
        rows = [
            [one["run"], one["suite"], one["model"], str(one["samples"]), _scores(one["pass_at_k"])]
            for one in self.runs
        ]
        return [Table(["run", "suite", "answers of", "samples", "score"], rows)] if rows else ["(no run)"]


@dataclass(frozen=True)
class Shown:
    """A run's report, and its failed samples."""

    report: Mapping[str, Any]
    failed: Sequence[Mapping[str, Any]]

    def blocks(self) -> list[str | Table]:
        """The report in short, and the first of the failed."""
        report = self.report
        share = f"{report['passed']} of {report['total']} passed"
        found: list[str | Table] = [f"{report['suite']}: {_scores(report['pass_at_k'])}, {share}"]
        if self.failed:
            rows = [
                [one["task_id"], str(one["number"]), one["reason"], one["detail"][:60]] for one in self.failed
            ]
            found.append(Table(["task", "sample", "reason", "detail"], rows[:SHOWN]))
        if len(self.failed) > SHOWN:
            found.append(f"… and {len(self.failed) - SHOWN} more in {report['samples']}")
        return found


@dataclass(frozen=True)
class Compared:
    """How much better `other` is, over the tasks that both ran. `interval`: 95 %, paired by task."""

    one: str
    other: str
    tasks: int
    pass_at_1: Sequence[float]
    difference: float
    interval: Sequence[float]
    better: Sequence[str]
    worse: Sequence[str]

    def blocks(self) -> list[str | Table]:
        """The difference, and which tasks changed."""
        low, high = self.interval
        sure = "" if low > 0 or high < 0 else " This may be chance: the interval holds 0."
        both = zip((self.one, self.other), self.pass_at_1, strict=True)
        return [
            Table(["run", "pass@1"], [[name, _percent(value)] for name, value in both]),
            (
                f"difference {100 * self.difference:+.1f} points, 95 % interval {100 * low:+.1f} to "
                f"{100 * high:+.1f}, over {self.tasks} tasks.{sure}"
            ),
            f"better: {_few(self.better)}\nworse: {_few(self.worse)}",
        ]


def listed(june: Invocation) -> Listed:
    """Every run of this home."""
    folder = june.paths.runs / "bench"
    found = []
    for name in runs.names(folder):
        own = folder / name
        asked = runs.asked_of(own)
        try:
            report = runs.report_of(own)
        except JuneError:
            report = {}
        found.append(
            {
                "run": name,
                "suite": asked.get("suite", ""),
                "model": asked.get("model") or asked.get("url") or asked.get("samples", ""),
                "samples": report["total"] if report else sum(1 for _ in runs.lines(own)),
                "pass_at_k": report.get("pass_at_k", {}),
            }
        )
    return Listed(found)


def shown(june: Invocation, name: str) -> Shown:
    """One run."""
    own = runs.find(june.paths.runs / "bench", name)
    return Shown(runs.report_of(own), [line for line in runs.lines(own) if not line["passed"]])


def export(june: Invocation, name: str, form: str) -> str:
    """A run in another program's format. UsageProblem for a format that is none."""
    from june_bench.export import FORMATS, exported

    if form not in FORMATS:
        raise UsageProblem("format-unknown", f"there is no format {form!r}.", hint=", ".join(FORMATS))
    own = runs.find(june.paths.runs / "bench", name)
    return exported(form, str(runs.asked_of(own).get("suite", "")), list(runs.lines(own)))


def compared(june: Invocation, one: str, other: str) -> Compared:
    """Two runs of the same tasks. UsageProblem when they have none in common, or another data set."""
    folder = june.paths.runs / "bench"
    places = [runs.find(folder, name) for name in (one, other)]
    reports = [runs.report_of(place) for place in places]
    sums = {report["identity"]["dataset_sha256"] for report in reports}
    if len(sums) > 1:
        raise UsageProblem("runs-differ", "the two runs are of different data sets.")
    if len({report["identity"]["temperature"] == 0 for report in reports}) > 1:
        raise UsageProblem("runs-differ", "one run answered greedily, and the other drew its answers.")
    rates = [_rates(runs.lines(place)) for place in places]
    difference, interval, tasks = scores.difference(*rates)
    if not tasks:
        raise UsageProblem("runs-differ", "the two runs have no task in common.")
    both = [task for task in rates[0] if task in rates[1]]
    return Compared(
        one=places[0].name,
        other=places[1].name,
        tasks=tasks,
        pass_at_1=[scores.mean([rate[task] for task in both]) for rate in rates],
        difference=difference,
        interval=interval,
        better=[task for task in both if rates[1][task] > rates[0][task]],
        worse=[task for task in both if rates[1][task] < rates[0][task]],
    )


def _rates(lines: Any) -> dict[str, float]:
    """The share of every task's samples that passed: its pass@1."""
    counts: dict[str, list[bool]] = {}
    for line in lines:
        if line["reason"] != "infrastructure":
            counts.setdefault(line["task_id"], []).append(bool(line["passed"]))
    return {task: sum(values) / len(values) for task, values in counts.items()}


def _scores(at_k: Mapping[str, float]) -> str:
    return ", ".join(f"pass@{k} {_percent(value)}" for k, value in at_k.items()) or "(unfinished)"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "none") + more
