"""Suites: which tasks there are, what decides about an answer, and how it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from june_cli import nearest
from june_cli.errors import JuneError, UsageProblem
from june_cli.sandbox.verdict import Tests

if TYPE_CHECKING:
    from june_bench.datasets import Dataset

GROUP = "june.suites"


@dataclass(frozen=True)
class Task:
    """One problem.

    prompt: what a model is given. entry: the function that is tested. prefix: what comes before a completion
    to make a program of it. reference: a whole program that is right. question: the problem in words, for
    models that chat.
    """

    id: str
    prompt: str
    entry: str
    reference: str
    tests: Tests
    prefix: str = ""
    question: str = ""


def named(tasks: Sequence[Task]) -> dict[str, Task]:
    """Tasks by their id, and by its last part: `HumanEval/0`, `0`."""
    return {task.id: task for task in tasks} | {task.id.rpartition("/")[2]: task for task in tasks}


@dataclass(frozen=True)
class Suite:
    """A benchmark of code. `tasks` reads them from a data set; `dataset` is its name in datasets.toml."""

    name: str
    summary: str
    dataset: str
    tasks: Callable[[Dataset], Sequence[Task]]
    splits: Mapping[str, tuple[str, Callable[[Dataset], Sequence[Task]]]] = field(default_factory=dict)
    timeout_s: float = 3.0


def found() -> dict[str, Suite]:
    """June's own, and those that other packages add by an entry point of the group `june.suites`."""
    from importlib.metadata import entry_points

    from june_bench.humaneval import HUMANEVAL, HUMANEVAL_PLUS
    from june_bench.mbpp import MBPP, MBPP_PLUS

    suites = {one.name: one for one in (HUMANEVAL, HUMANEVAL_PLUS, MBPP, MBPP_PLUS)}
    for entry in entry_points(group=GROUP):
        if entry.name in suites:
            continue
        try:
            suite = entry.load()
        except Exception as error:
            raise JuneError("suite-broken", f"the suite {entry.name} does not load: {error}.") from error
        suites[entry.name] = suite
    return suites


def get(name: str) -> Suite:
    """One suite; UsageProblem offers the nearest name."""
    known = found()
    if name not in known:
        raise UsageProblem(
            "suite-unknown",
            f"there is no suite {name!r}.",
            hint=nearest.hint(name, sorted(known)) or f"known: {', '.join(known)}",
        )
    return known[name]
