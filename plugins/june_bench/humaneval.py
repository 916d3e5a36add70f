"""HumanEval: functions to complete from their docstring, with a `check` that tests them. And HumanEval+."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from june_bench.datasets import Dataset
from june_bench.suites import Suite, Task
from june_cli.errors import UsageProblem
from june_cli.sandbox.plain import pack
from june_cli.sandbox.verdict import Tests

ASK = "Complete this Python function. Answer with the whole function in one code block.\n\n```python\n{}\n```"


def tasks(data: Dataset) -> Sequence[Task]:
    """The rows as tasks. The prompt is run before the tests: some of them use its helpers."""
    return [_task(data, row, _check(row)) for row in _known(data)]


def plus_tasks(data: Dataset) -> Sequence[Task]:
    """The rows of HumanEval+: every input, the base ones first, against what the reference answers."""
    return [_task(data, row, _cases(row)) for row in _known(data)]


def _known(data: Dataset) -> Sequence[dict[str, Any]]:
    needed = {"task_id", "prompt", "entry_point", "canonical_solution", "test"}
    for row in data.rows:
        if missing := needed - row.keys():
            raise UsageProblem("data-invalid", f"{data.path}: a row has no {', '.join(sorted(missing))}.")
    return data.rows


def _check(row: dict[str, Any]) -> Tests:
    setup = f"{row['prompt']}\n{row['test']}"
    return Tests((row["entry_point"],), setup, (f"check({row['entry_point']})",))


def _cases(row: dict[str, Any]) -> Tests:
    return Tests(
        (row["entry_point"],),
        cases=tuple(pack(one) for one in [*row["base_input"], *row["plus_input"]]),
        base=len(row["base_input"]),
        reference=row["prompt"] + row["canonical_solution"],
        atol=row["atol"],
        oracle="root" if row["entry_point"] == "find_zero" else "",
    )


def _task(data: Dataset, row: dict[str, Any], tests: Tests) -> Task:
    del data
    return Task(
        id=row["task_id"],
        prompt=row["prompt"],
        entry=row["entry_point"],
        reference=row["prompt"] + row["canonical_solution"],
        tests=tests,
        prefix=row["prompt"],
        question=ASK.format(row["prompt"].strip()),
    )


HUMANEVAL = Suite("humaneval", "HumanEval: 164 functions from their docstrings", "humaneval", tasks)
HUMANEVAL_PLUS = Suite(
    "humaneval+", "HumanEval+: the same, with many more inputs", "humaneval-plus", plus_tasks, timeout_s=10.0
)
