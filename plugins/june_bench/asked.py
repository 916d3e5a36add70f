"""What a run of a suite is asked for, read from the words of the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from june_bench.suites import Suite, Task, named
from june_cli import nearest
from june_cli.errors import UsageProblem


@dataclass(frozen=True)
class Asked:
    """One command. Either samples from a file, or a model to ask: its name, or the address of a server."""

    suite: Suite
    split: str = ""
    data: Path | None = None
    samples: Path | None = None
    model: str = ""
    url: str = ""
    n: int = 1
    ks: tuple[int, ...] = (1,)
    limit: int = 0
    tasks: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 0.95
    max_tokens: int = 1024
    seed: int | None = None
    concurrency: int = 4
    style: Literal["chat", "completion"] = "chat"
    workers: int = 2
    isolation: Literal["worker", "sample"] = "worker"
    timeout_s: float = 0.0
    unsafe_local: bool = False
    resume: str = ""
    bars: Mapping[int, float] | None = None
    junit: Path | None = None

    @property
    def patience_s(self) -> float:
        """Seconds of the processor that a sample has."""
        return self.timeout_s or self.suite.timeout_s

    def identity(self) -> dict[str, object]:
        """What makes it the same run when it is resumed."""
        kept = ("split", "model", "url", "n", "limit", "temperature", "top_p", "max_tokens", "seed", "style")
        values: dict[str, object] = {name: getattr(self, name) for name in kept}
        return {
            "suite": self.suite.name,
            "tasks": list(self.tasks),
            "samples": str(self.samples.absolute()) if self.samples else "",
            "data": str(self.data.absolute()) if self.data else "",
            "timeout_s": self.patience_s,
            **values,
        }


def numbers(text: str) -> tuple[int, ...]:
    """`1,10` as numbers. UsageProblem for anything else."""
    try:
        found = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or found[0] < 1:
        raise UsageProblem("k-invalid", f"{text!r} is no list of numbers.", hint="1,10 for example")
    return found


def rates(text: str) -> tuple[float, ...]:
    """`0.5,2` as requests a second. UsageProblem for anything else."""
    try:
        found = tuple(float(part) for part in listed(text))
    except ValueError:
        found = (0.0,)
    if any(not 0 < rate < 100_000 for rate in found):
        raise UsageProblem("rate-invalid", f"{text!r} is no list of rates.", hint="--rate 0.5,2")
    return found


def bars(texts: Sequence[str]) -> dict[int, float]:
    """`pass@1=0.8` as a bar. UsageProblem for anything else."""
    found: dict[int, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            k, bar = int(name.removeprefix("pass@")), float(value)
        except ValueError:
            k, bar = 0, 0.0
        if k < 1 or not 0 <= bar <= 1 or not name.startswith("pass@"):
            raise UsageProblem("bar-invalid", f"{text!r} is no bar.", hint="--fail-under pass@1=0.8")
        found[k] = bar
    return found


def chosen(asked: Asked, tasks: Sequence[Task]) -> list[Task]:
    """The tasks of a run. UsageProblem offers the nearest where one is asked for that is none."""
    by_name = named(tasks)
    for name in asked.tasks:
        if name not in by_name:
            hint = nearest.hint(name, [task.id for task in tasks])
            raise UsageProblem("task-unknown", f"{asked.suite.name} has no task {name!r}.", hint=hint)
    wanted = [by_name[name] for name in asked.tasks] if asked.tasks else list(tasks)
    return wanted[: asked.limit] if asked.limit else wanted


def listed(text: str) -> tuple[str, ...]:
    """`HumanEval/0,17` as names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
