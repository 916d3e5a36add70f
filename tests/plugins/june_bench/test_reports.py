"""Reports: what a run's lines become, for people, for CI and for other programs."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from june_bench import asked, export, page, report

from june_cli.errors import UsageProblem


def line(task: str, number: int, reason: str, **more: Any) -> dict[str, Any]:
    base = {"task_id": task, "number": number, "passed": reason == "passed", "reason": reason, "detail": ""}
    return {**base, "completion": "    pass", "seconds": 0.1, "cpu_s": 0.1, "peak_bytes": 1 << 20, **more}


KNOWN = {
    "suite": "humaneval",
    "seconds": 1.0,
    "fallback": ["Mbpp/1"],
    "run": "r",
    "samples": "s",
    "report": "p",
    "page": "h",
    "identity": {"model": "<m>", "limit": 0},
}
LINES = [
    line("a", 0, "passed"),
    line("a", 1, "wrong answer", detail="<script>alert(1)</script>\x00\x1b"),
    line("b", 0, "timeout", completion="\ud800 </pre>"),
    line("b", 1, "infrastructure"),
    line("b", 2, "passed"),
]


def test_what_is_of_infrastructure_counts_for_nothing() -> None:
    made = report.made(LINES, (1, 2), KNOWN, {1: 0.9, 2: 0.9})
    assert (made.total, made.passed, made.tasks) == (4, 2, 2)
    assert made.pass_at_k == {"1": 0.5, "2": 1.0}
    assert made.reasons["infrastructure"] == 1
    assert made.exit_code == 5
    assert made.missed == ("pass@1 0.5000 is below the bar of 0.9",)
    assert any("Mbpp/1" in str(block) for block in made.blocks())


def test_base_tests_alone_are_a_score_of_their_own() -> None:
    lines = [line("a", 0, "wrong answer", base_passed=True), line("b", 0, "passed", base_passed=True)]
    made = report.made(lines, (1,), KNOWN, {})
    assert (made.pass_at_k["1"], made.base_pass_at_k["1"]) == (0.5, 1.0)
    assert made.exit_code == 0


def test_a_page_needs_nothing_else_and_runs_nothing() -> None:
    text = page.page(report.made(LINES, (1,), KNOWN, {}), LINES)
    text.encode("utf-8", "replace")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;m&gt;" in text
    assert "http" not in text.replace("http-equiv", "")
    assert text.count("<details>") == 3


def test_junit_is_xml_whatever_samples_hold() -> None:
    root = ElementTree.fromstring(export.junit("humaneval", LINES))  # noqa: S314 - its own
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "2", "1")


def test_samples_and_csv() -> None:
    lines = export.exported("samples", "x", LINES).splitlines()
    assert json.loads(lines[2]) == {"task_id": "b", "completion": "\ud800 </pre>"}
    assert export.exported("csv", "x", LINES).splitlines()[0].startswith("task_id,number,passed")


@pytest.mark.parametrize("text", ["", "0", "x", "1,,2", "-1"])
def test_a_k_that_is_none(text: str) -> None:
    with pytest.raises(UsageProblem):
        asked.numbers(text)


@pytest.mark.parametrize("text", ["pass@1", "pass@x=1", "0.8", "pass@1=2", "1=0.8", "pass@0=0.5"])
def test_a_bar_that_is_none(text: str) -> None:
    with pytest.raises(UsageProblem):
        asked.bars([text])
    assert asked.bars(["pass@1=0.8", "pass@10=1"]) == {1: 0.8, 10: 1.0}
