"""`june bench` as people use it: a real sandbox, HumanEval's own data, samples of a file and of a model."""

from __future__ import annotations

import gzip
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.echo import Echo

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune, RealJune

pytestmark = pytest.mark.docker


def rows(june: DockerJune) -> list[dict[str, Any]]:
    """HumanEval, fetched by June the first time."""
    (file,) = (june.home / "datasets").rglob("HumanEval.jsonl.gz")
    return [json.loads(line) for line in gzip.open(file)]


def written(june: DockerJune, lines: list[dict[str, Any]], name: str = "samples.jsonl") -> str:
    path = june.work / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory, models: Path, docker_client: Any) -> DockerJune:
    from tests.e2e.conftest import _docker_june

    return _docker_june(tmp_path_factory.mktemp("bench"), models, docker_client)


@pytest.fixture(scope="module")
def data(june: DockerJune) -> list[dict[str, Any]]:
    empty = written(june, [{"task_id": "HumanEval/0", "completion": "    pass"}])
    june("bench", "humaneval", "--samples", empty, "--tasks", "0")
    return rows(june)


def test_every_reference_passes_and_scores_are_told(june: DockerJune, data: list[dict[str, Any]]) -> None:
    lines = [{"task_id": r["task_id"], "completion": r["canonical_solution"]} for r in data]
    lines += [{"task_id": r["task_id"], "completion": "    return None\n"} for r in data]
    told = june("bench", "humaneval", "--samples", written(june, lines), "-k", "1,2", "--json").json
    assert (told["suite"], told["total"], told["tasks"]) == ("humaneval", 328, 164)
    assert told["passed"] in (164, 165)  # a task or two may hold that None is right
    assert told["pass_at_k"]["1"] == pytest.approx(0.5, abs=0.01)
    assert told["pass_at_k"]["2"] == 1.0
    assert 0.45 < told["interval"][0] <= told["interval"][1] < 0.55
    graded = [json.loads(line) for line in Path(told["samples"]).read_text().splitlines()]
    assert {(one["task_id"], one["number"]) for one in graded} == {
        (r["task_id"], n) for r in data for n in (0, 1)
    }
    assert {"passed", "reason", "seconds", "peak_bytes", "completion"} <= graded[0].keys()
    assert json.loads(Path(told["report"]).read_text())["passed"] == told["passed"]
    assert june.containers() == []
    # exit codes for CI
    few = written(june, lines[:3] + lines[164:165], "few.jsonl")
    missed = june("bench", "humaneval", "--samples", few, "--fail-under", "pass@1=0.9", "--json", code=5).json
    assert "pass@1" in missed["missed"][0]
    assert june("bench", "humaneval", "--samples", few, "-k", "2", "--json", code=2).json["error"][
        "code"
    ] == ("k-too-large")
    assert len(june("bench", "list", "--json").json["runs"]) >= 3


def test_what_is_killed_leaves_nothing_and_goes_on(june: DockerJune, data: list[dict[str, Any]]) -> None:
    slow = "\nimport time\ntime.sleep(0.1)\n"
    lines = [{"task_id": r["task_id"], "completion": r["canonical_solution"] + slow} for r in data]
    path = written(june, lines)
    child = june.start("bench", "humaneval", "--samples", path, "--timeout", "10")
    folder = june.home / "runs" / "bench"
    deadline = time.monotonic() + 60
    while not any(f.read_text().count("\n") > 20 for f in folder.glob("*/samples.jsonl") if _young(f)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    told = june("bench", "humaneval", "--samples", path, "--timeout", "10", "--resume", "last", "--json").json
    assert (told["total"], told["passed"]) == (164, 164)
    assert june.containers() == []
    again = june("bench", "humaneval", "--samples", path, "--resume", "last", "--json", code=2).json
    assert again["error"]["code"] == "run-differs"  # another time limit


def _young(file: Path) -> bool:
    return json.loads((file.parent / "run.json").read_text())["timeout_s"] == 10


def test_ctrl_c_ends_the_workers(june: DockerJune, data: list[dict[str, Any]]) -> None:
    lines = [{"task_id": "HumanEval/0", "completion": "    while True: pass\n"} for _ in range(50)]
    child = june.start("bench", "humaneval", "--samples", written(june, lines), "--tasks", "0")
    deadline = time.monotonic() + 60
    while not june.containers(running=True):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)
    child.send_signal(signal.SIGINT)
    assert june.finish(child).code == 130
    assert june.containers() == []
    del data


BAD_FILES = [
    ("not json\n", "line 1", "data-invalid"),
    ("[1, 2]\n", "no JSON objects", "data-invalid"),
    ('{"completion": "x"}\n', "no task_id", "samples-invalid"),
    ('{"task_id": "HumanEval/0"}\n', "neither completion nor solution", "samples-invalid"),
    ('{"task_id": "Other/0", "completion": "x"}\n', "Other/0", "samples-foreign"),
    ("", "no JSON objects", "data-invalid"),
]


def test_a_file_that_is_no_samples_says_where(june: DockerJune, data: list[dict[str, Any]]) -> None:
    del data
    path = june.work / "bad.jsonl"
    for content, words, code in BAD_FILES:
        path.write_text(content)
        error = june("bench", "humaneval", "--samples", str(path), "--json", code=2).json["error"]
        assert error["code"] == code
        assert words in error["message"]


def test_without_docker_nothing_runs_unless_that_is_asked_for(real: RealJune) -> None:
    real.environ["DOCKER_HOST"] = "unix:///nonexistent/docker.sock"
    samples = real.work / "samples.jsonl"
    samples.write_text(json.dumps({"task_id": "HumanEval/23", "completion": "    return len(string)\n"}))
    words = ["bench", "humaneval", "--samples", str(samples), "--tasks", "23", "--json"]
    refused = real(*words, code=3).json["error"]
    assert "--unsafe-local" in refused["hint"]
    ran = real(*words, "--unsafe-local")
    assert ran.json["passed"] == 1
    assert "there is no container" in ran.err


def test_a_model_is_asked_and_what_it_says_is_graded(june: DockerJune, data: list[dict[str, Any]]) -> None:
    with Echo() as echo:
        for row in data[:4]:
            task = (
                "Complete this Python function. Answer with the whole function in one code block.\n\n"
                f"```python\n{row['prompt'].strip()}\n```"
            )
            whole = row["prompt"] + row["canonical_solution"]
            echo.answers[task] = {
                "HumanEval/0": f"<think>\n```python\ndef {row['entry_point']}(): wrong\n```\n</think>\n"
                f"Here you are:\n```python\n{whole}\n```\nDone.",
                "HumanEval/1": "<think> it never ends",
                "HumanEval/2": "I do not know.",
                "HumanEval/3": f"```python\n{whole}\n```",
            }[row["task_id"]]
        url = f"http://{echo.address}/v1"
        told = june("bench", "humaneval", "--url", url, "--limit", "4", "--json").json
    assert told["reasons"] == {"passed": 2, "unfinished": 1, "no code": 1}
    shown = june("bench", "show", "--json").json
    assert {one["task_id"] for one in shown["failed"]} == {"HumanEval/1", "HumanEval/2"}


def test_a_dry_run_prints_the_sandbox(june: DockerJune) -> None:
    plan = june("bench", "mbpp", "--samples", "none.jsonl", "--workers", "2", "--dry-run", "--json").json
    assert len(plan["run"]) == 2
    assert "--network none" in plan["run"][0]
    assert "--cap-drop ALL" in plan["run"][0]
    assert june.containers() == []
