"""What a run found: scores with their intervals, reasons, times; as tables, JSON and one HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from june_bench import scores
from june_cli.bar import MISSED_EXIT
from june_cli.output import Table

MIB = 1024 * 1024


@dataclass(frozen=True)
class Report:
    """The result of a run of code. `total` and `passed` count samples; `interval` is of the first k.

    A sample whose reason is `infrastructure` counts for nothing: it is in `reasons` and in no score.
    """

    suite: str
    total: int
    passed: int
    pass_at_k: Mapping[str, float]
    interval: Sequence[float]
    intervals: Mapping[str, Sequence[float]]
    base_pass_at_k: Mapping[str, float]
    reasons: Mapping[str, int]
    tasks: int
    seconds: float
    seconds_grading: float
    peak_mib: float
    tokens: int
    fallback: Sequence[str]
    run: str
    samples: str
    report: str
    page: str
    identity: Mapping[str, Any]
    missed: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """5 when a bar was missed."""
        return MISSED_EXIT if self.missed else 0

    def blocks(self) -> list[str | Table]:
        """Scores, reasons, where the rest is."""
        rows = [
            [f"pass@{k}", f"{100 * value:.1f} %", _percent(self.intervals[k]), _base(self.base_pass_at_k, k)]
            for k, value in self.pass_at_k.items()
        ]
        columns = ["", self.suite, "95 % interval", "base tests alone"]
        width = 4 if self.base_pass_at_k else 3
        found: list[str | Table] = [Table(columns[:width], [row[:width] for row in rows])]
        found.append(Table(["reason", "samples"], [[k, str(v)] for k, v in self.reasons.items()]))
        found.append(
            f"{self.passed} of {self.total} samples of {self.tasks} tasks passed, in {self.seconds:.1f} s."
        )
        if self.fallback:
            found.append(
                f"Graded in the sample's own process, where it could cheat: {', '.join(self.fallback)}."
            )
        found += [f"missed: {one}" for one in self.missed]
        found.append(f"run: {self.run}\n{self.page}")
        return found


def made(
    lines: Iterable[Mapping[str, Any]], ks: Sequence[int], known: Mapping[str, Any], bars: Mapping[int, float]
) -> Report:
    """A report of a run's lines. UsageProblem where a k is larger than a task's number of samples."""
    everything = list(lines)
    counted = [line for line in everything if line["reason"] != "infrastructure"]
    counts = _counts(counted, "passed")
    scores.require_k(ks, counts)
    by_k = {str(k): scores.scores(counts, k) for k in ks}
    at_k = {k: scores.mean(values) for k, values in by_k.items()}
    intervals = {k: scores.interval(values) for k, values in by_k.items()}
    base = _counts(counted, "base_passed") if any("base_passed" in line for line in counted) else {}
    seconds = [line["seconds"] for line in counted] or [0.0]
    return Report(
        total=len(counted),
        passed=sum(bool(line["passed"]) for line in counted),
        pass_at_k=at_k,
        interval=intervals[str(ks[0])],
        intervals=intervals,
        base_pass_at_k={str(k): scores.mean(scores.scores(base, k)) for k in ks} if base else {},
        reasons=dict(Counter(line["reason"] for line in everything).most_common()),
        tasks=len(counts),
        seconds_grading=median(seconds),
        peak_mib=max((line["peak_bytes"] for line in counted), default=0) / MIB,
        tokens=sum(line.get("tokens", 0) for line in counted),
        missed=tuple(
            f"pass@{k} {at_k[str(k)]:.4f} is below the bar of {bar:g}"
            for k, bar in bars.items()
            if at_k[str(k)] < bar
        ),
        **known,
    )


def _counts(lines: Sequence[Mapping[str, Any]], what: str) -> dict[str, tuple[int, int]]:
    """Samples of each task, and how many of them did."""
    counts: dict[str, tuple[int, int]] = {}
    for line in lines:
        n, c = counts.get(line["task_id"], (0, 0))
        counts[line["task_id"]] = n + 1, c + bool(line.get(what))
    return counts


def _percent(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"


def _base(values: Mapping[str, float], k: str) -> str:
    return f"{100 * values[k]:.1f} %" if values else ""
