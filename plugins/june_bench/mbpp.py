"""MBPP: small programs from one sentence, with a few assertions that test them. And MBPP+."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Sequence
from typing import Any

from june_bench.datasets import Dataset
from june_bench.suites import Suite, Task
from june_cli.errors import UsageProblem
from june_cli.sandbox.plain import pack
from june_cli.sandbox.verdict import Tests

TEST_SPLIT = (11, 510)  # of task numbers, both among them
ASK = (
    "{}\n\nIts name and how it is called are in this test:\n\n```python\n{}\n```\n\n"
    "Answer with the whole program in one code block."
)


def test_split(data: Dataset) -> Sequence[Task]:
    """Tasks 11 to 510: what scores are reported on."""
    first, last = TEST_SPLIT
    return [task for task in all_tasks(data) if first <= int(task.id.rpartition("/")[2]) <= last]


def all_tasks(data: Dataset) -> Sequence[Task]:
    """All of them."""
    return [_task(data, row) for row in data.rows]


def plus_tasks(data: Dataset) -> Sequence[Task]:
    """The rows of MBPP+: every input against what the reference answers."""
    return [_plus(row) for row in data.rows]


def _task(data: Dataset, row: dict[str, Any]) -> Task:
    try:
        code, asserts, number = row["code"], tuple(row["test_list"]), str(row["task_id"])
        words = row.get("text") or row["prompt"]
    except KeyError as error:
        raise UsageProblem("data-invalid", f"{data.path}: a row has no {error}.") from error
    setup = "\n".join([*row.get("test_imports", ()), row.get("test_setup_code", "")]).strip()
    return Task(
        id=f"Mbpp/{number}",
        prompt=f'"""\n{words}\n{asserts[0]}\n"""\n',
        entry=_called(asserts[0], code),
        reference=code,
        tests=_tests(code, setup, asserts),
        question=ASK.format(words, asserts[0]),
    )


def _tests(code: str, setup: str, asserts: tuple[str, ...]) -> Tests:
    """Tests that make objects of the solution's own classes can only run where those are."""
    tree = ast.parse(code)
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    classes = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    text = f"{setup}\n" + "\n".join(asserts)
    used = _names(text)
    if used & classes:
        return Tests((), asserts=(setup, *asserts) if setup else asserts, inside=True)
    known = {name for name in used - functions if hasattr(builtins, name)} | _bound(setup)
    modules = (used - functions - known) & sys.stdlib_module_names
    setup = "\n".join([*(f"import {name}" for name in sorted(modules)), setup]).strip()
    return Tests(tuple(sorted(used - known - modules)), setup, asserts)


def _names(text: str) -> set[str]:
    """What a text uses."""
    nodes = ast.walk(ast.parse(text))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _bound(text: str) -> set[str]:
    """What a text makes: imports and assignments."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _called(test: str, code: str) -> str:
    """The function of the program that a test calls; the last one defined where that cannot be told."""
    defined = [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    used = _names(test)
    return next((name for name in defined if name in used), defined[-1] if defined else "")


def _plus(row: dict[str, Any]) -> Task:
    from june_bench.mbpp_plus import inputs, oracle

    base, more = inputs(row["task_id"], row["base_input"]), inputs(row["task_id"], row["plus_input"])
    entry, rule = row["entry_point"], oracle(row["entry_point"])
    tests = Tests(
        (entry,),
        cases=tuple(pack(one) for one in [*base, *more]),
        base=len(base),
        reference=row["canonical_solution"],
        atol=row["atol"],
        oracle=rule,
    )
    words = row["prompt"].strip().strip('"').strip()
    return Task(
        id=row["task_id"],
        prompt=row["prompt"],
        entry=entry,
        reference=row["canonical_solution"],
        tests=tests,
        question=ASK.format(*words.split("\n", 1)) if "\n" in words else words,
    )


MBPP = Suite(
    "mbpp",
    "MBPP: small programs from one sentence",
    "mbpp",
    test_split,
    splits={
        "test": ("mbpp", test_split),
        "all": ("mbpp", all_tasks),
        "sanitized": ("mbpp-sanitized", all_tasks),
    },
)
MBPP_PLUS = Suite("mbpp+", "MBPP+: the same, with many more inputs", "mbpp-plus", plus_tasks, timeout_s=10.0)
