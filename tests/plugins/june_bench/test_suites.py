"""Suites: what their rows become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from june_bench import datasets, humaneval, mbpp, mbpp_plus, suites
from june_bench.samples import from_file

from june_cli.errors import UsageProblem
from june_cli.sandbox.comparing import same


def rows(path: Path, *lines: dict[str, object]) -> datasets.Dataset:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return datasets.read(path)


MBPP = {"task_id": 11, "text": "Add.", "code": "def add(a, b):\n  return a + b", "test_setup_code": "",
        "test_list": ["assert add(1, 2) == 3"], "challenge_test_list": []}  # fmt: skip


def test_names_in_tests_are_the_samples_the_modules_or_pythons(tmp_path: Path) -> None:
    own = {**MBPP, "code": "def sum(a, b):\n  return a", "test_list": ["assert sum(len('a'), math.pi) == 1"]}
    imported = {**MBPP, "test_imports": ["import math as m"], "test_list": ["assert m.isclose(add(1, 2), 3)"]}
    one, two = mbpp.all_tasks(rows(tmp_path / "a.jsonl", own, imported))
    assert (one.tests.names, one.tests.setup) == (("sum",), "import math")
    assert (two.tests.names, two.tests.setup) == (("add",), "import math as m")
    assert one.entry == "sum"


def test_tests_of_the_solutions_own_classes_run_where_those_are(tmp_path: Path) -> None:
    code = "class Node:\n  pass\ndef f(n):\n  return 1"
    row = {**MBPP, "code": code, "test_setup_code": "root = Node()", "test_list": ["assert f(root) == 1"]}
    (task,) = mbpp.all_tasks(rows(tmp_path / "a.jsonl", row))
    assert task.tests.inside
    assert task.tests.asserts == ("root = Node()", "assert f(root) == 1")


def test_the_test_split_is_what_scores_are_of(tmp_path: Path) -> None:
    data = rows(tmp_path / "a.jsonl", *({**MBPP, "task_id": n} for n in (10, 11, 510, 511)))
    assert [task.id for task in mbpp.test_split(data)] == ["Mbpp/11", "Mbpp/510"]


def test_samples_are_completions_or_whole_programs(tmp_path: Path) -> None:
    row = {
        "task_id": "HumanEval/0",
        "prompt": "def f():\n",
        "entry_point": "f",
        "canonical_solution": "  pass",
        "test": "def check(candidate): pass",
    }
    tasks = humaneval.tasks(rows(tmp_path / "d.jsonl", row))
    path = tmp_path / "s.jsonl"
    rows(path, {"task_id": "HumanEval/0", "completion": "  return 1"}, {"task_id": "0", "solution": "x = 1"})
    one, two = from_file(path, tasks)
    assert (one.program, one.number) == ("def f():\n  return 1", 0)
    assert (two.program, two.number) == ("x = 1", 1)


def test_rows_that_lack_something_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="canonical_solution, entry_point"):
        humaneval.tasks(rows(tmp_path / "a.jsonl", {"task_id": "a", "prompt": "", "test": ""}))
    with pytest.raises(UsageProblem, match="test_list"):
        mbpp.all_tasks(rows(tmp_path / "b.jsonl", {"task_id": 1, "code": "", "text": ""}))


def test_inputs_are_again_what_json_could_not_hold() -> None:
    assert mbpp_plus.inputs("Mbpp/2", [[[1], [2]]]) == [[(1,), (2,)]]
    assert mbpp_plus.inputs("Mbpp/63", [[[[1, 2], [3]]]]) == [[[(1, 2), (3,)]]]
    assert mbpp_plus.inputs("Mbpp/124", [["1", "1+2j"]]) == [[1.0, 1 + 2j]]
    assert mbpp_plus.inputs("Mbpp/307", [[[1, [2]], 0, 5]]) == [[(1, [2]), 0, 5]]
    assert mbpp_plus.inputs("Mbpp/580", [[[1, [2, [3]]]]]) == [[(1, (2, (3,)))]]
    assert mbpp_plus.inputs("Mbpp/3", [[[1]]]) == [[[1]]]


@pytest.mark.parametrize(
    ("answer", "wanted", "oracle", "atol", "will_do"),
    [
        ([1, 2], [1, 2], "", 0, True),
        ((1, 2), [1, 2], "", 0, False),
        (0.1 + 0.2, 0.3, "", 0, True),
        (0.3001, 0.3, "", 0, False),
        (0.3001, 0.3, "", 1e-3, True),
        ([0.1 + 0.2, 1.0], [0.3, 1.0], "", 0, True),
        ([0.3], [0.3, 1.0], "", 1e-3, False),
        (3, 3.0, "", 0, True),
        ([2, 1, 1], [1, 2], "set", 0, True),
        ([3], [1, 2], "set", 0, False),
        ("m", None, "found", 0, False),
        (True, "match", "found", 0, True),
        (0, 7, "or zero", 0, True),
        (float("nan"), float("nan"), "", 0, False),
        (None, 0.3, "", 0, False),
        ("0.3", 0.3, "", 1, False),
    ],
)
def test_when_an_answer_will_do(
    answer: object, wanted: object, oracle: str, atol: float, will_do: bool
) -> None:
    assert same(answer, wanted, [], oracle, atol) is will_do


def test_a_root_is_a_root_whichever_it_is() -> None:
    assert same(-1.0, None, [[-1.0, 0.0, 1.0]], "root", 1e-4)
    assert not same(0.5, None, [[-1.0, 0.0, 1.0]], "root", 1e-4)


def test_every_suite_has_data_that_is_pinned() -> None:
    import tomllib
    from importlib.resources import files

    known = tomllib.loads(files("june_bench").joinpath("datasets.toml").read_text("utf-8"))
    for suite in suites.found().values():
        assert suite.dataset in known
        assert all(name in known for name, _ in suite.splits.values())
    for entry in known.values():
        assert len(entry["source"]["sha256"]) == 64


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(datasets, "LONGEST_BYTES", 1 << 20)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (4 << 20)))
    with pytest.raises(UsageProblem, match="more than 1 MiB"):
        datasets.read(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(UsageProblem, match="cannot be read"):
        datasets.read(path)
