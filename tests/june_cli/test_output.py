"""Results as text and as JSON; progress as lines, events or nothing."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import pytest

from june_cli.errors import NotReady
from june_cli.output import Output, Table, plain


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    path: Path
    colour: Colour


@dataclass(frozen=True)
class Result:
    name: str
    parts: tuple[Inner, ...]
    nothing: None = None
    ratio: float = float("nan")


def made(**options: bool) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Output(stdout=out, stderr=err, **options), out, err


def test_a_result_is_json_by_its_fields() -> None:
    output, out, _ = made(json=True)
    output.show(Result("é", (Inner(Path("/a"), Colour.RED),)))
    wanted = {"name": "é", "parts": [{"path": "/a", "colour": "red"}], "nothing": None, "ratio": None}
    assert json.loads(out.getvalue()) == wanted


def test_nothing_is_null_in_json_and_silence_for_people() -> None:
    for options, wanted in (({"json": True}, "null\n"), ({}, "")):
        output, out, _ = made(**options)
        output.show(None)
        assert out.getvalue() == wanted


def test_a_table_is_aligned_in_a_pipe() -> None:
    assert str(Table(("a", "bb"), [("long", "x"), ("s", "")])) == "a     bb\nlong  x\ns"


def test_an_error_goes_to_stderr_for_people_and_to_stdout_as_json() -> None:
    error = NotReady("not-ready", "it sleeps.", hint="wake it")
    output, out, err = made()
    output.error(error)
    assert (out.getvalue(), err.getvalue()) == ("", "june: it sleeps.\n  hint: wake it\n")
    output, out, err = made(json=True)
    output.error(error)
    assert json.loads(out.getvalue()) == {
        "error": {"code": "not-ready", "message": "it sleeps.", "hint": "wake it"}
    }
    assert err.getvalue() == ""


def test_events_are_json_lines_on_stderr_with_start_and_end() -> None:
    output, out, err = made(events=True)
    with output.progress("Working", 10, "bytes") as bar:
        bar.update(5, text="half")
    lines = [json.loads(line) for line in err.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["progress-start", "progress", "progress-end"]
    assert (lines[1]["done"], lines[1]["total"], lines[1]["text"], lines[2]["ok"]) == (5, 10, "half", True)
    assert out.getvalue() == ""


def test_events_say_when_the_work_failed() -> None:
    output, _, err = made(events=True)
    with pytest.raises(ValueError, match="no"), output.progress("Working"):
        raise ValueError("no")
    assert json.loads(err.getvalue().splitlines()[-1])["ok"] is False


def test_short_work_leaves_no_line_in_a_log_and_long_work_a_few() -> None:
    output, _, err = made()
    with output.progress("Working", 10) as bar:
        bar.update(1)
    assert err.getvalue() == ""
    with output.progress("Working", 10) as bar:
        end = time.monotonic() + 1.1
        while time.monotonic() < end:
            bar.update(5, text="half")
            time.sleep(0.01)
    assert err.getvalue() == "Working 50 %: half …\n"


def test_text_that_is_no_unicode_does_not_end_the_program() -> None:
    output, out, _ = made()
    output.show("a\udcffb")
    assert out.getvalue() == "a?b\n"


def test_plain_refuses_nothing() -> None:
    assert plain({1: {Path("/x")}, "b": object}) == {"1": ["/x"], "b": "<class 'object'>"}
