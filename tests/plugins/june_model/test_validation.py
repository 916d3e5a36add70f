"""What keeps Triton from loading an entry is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from june_model import pbtxt, validation

from june_cli.assistant import tensors

GOOD = tensors.config("tiny", context_tokens=512)


def entry(repository: Path, config: str | None = GOOD, name: str = "tiny", program: bool = True) -> Path:
    folder = repository / name
    (folder / "1").mkdir(parents=True)
    if config is not None:
        (folder / "config.pbtxt").write_text(config)
    if program:
        (folder / "1" / "model.py").write_text("")
    return folder


def said(repository: Path, name: str = "tiny") -> list[tuple[str, int, str]]:
    return [(Path(p.file).name, p.line, p.what) for p in validation.problems(repository, name)]


def test_what_june_writes_itself_is_valid(tmp_path: Path) -> None:
    entry(tmp_path)
    assert said(tmp_path) == []


@pytest.mark.parametrize(
    ("config", "line", "what"),
    [
        ('name: "tiny"\nbackend "python"\n', 2, "needs a ':'"),
        ('name: "tiny"\nbackend: "python"\ninput [ { name: "a" \n', 3, "the file ends"),
        ('name: "tiny"\nbackend: "python\n', 2, "unexpected"),
        ('name: "other"\nbackend: "python"\n', 1, "it is named 'other', and its folder 'tiny'"),
        ('name: "tiny"\n', 0, "it names no backend"),
        ('name: "tiny"\nbackend: "tensorrtllm"\n', 2, "was removed from TensorRT-LLM"),
        ('backend: "python"\ninput [ { name: "a"\n data_type: TYPE_TEXT dims: [ 1 ] } ]\n', 3, "'TYPE_TEXT'"),
        ('backend: "python"\ninput { name: "a" data_type: TYPE_BOOL }\n', 2, "has no dims"),
        ('backend: "python"\noutput [ { data_type: TYPE_BOOL dims: 1 } ]\n', 2, "has no name"),
        (
            'backend: "python"\ninput { name: "a" data_type: TYPE_BOOL dims: 1 }\ninput { name: "a" }\n',
            3,
            "two inputs are named 'a'",
        ),
        (
            'platform: "ensemble"\nensemble_scheduling { step [\n{ model_name: "gone" } ] }\n',
            3,
            "its step 'gone' is not in the repository",
        ),
        ("", 0, "it names no backend"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, config: str, line: int, what: str) -> None:
    entry(tmp_path, config)
    found = said(tmp_path)
    assert any(what in words and at == line for _, at, words in found), found


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    entry(tmp_path, None, "bare")
    assert said(tmp_path, "bare") == [("config.pbtxt", 0, "it is missing")]
    entry(tmp_path, program=False)
    assert said(tmp_path) == [("model.py", 0, "model.py is missing: Triton 2.51 waits for it for ever")]
    (tmp_path / "tiny" / "1").rmdir()
    assert "no version folder" in said(tmp_path)[0][2]
    assert said(tmp_path, "nowhere") == [("nowhere", 0, "there is no such folder")]


def test_a_link_that_leads_out_of_the_repository_is_a_problem(tmp_path: Path) -> None:
    folder = entry(tmp_path / "repository")
    (folder / "1" / "weights").symlink_to("/etc")
    assert "leads out of" in said(tmp_path / "repository")[0][2]


def test_every_form_of_the_text_is_read() -> None:
    text = "a: 1 # comment\nb { c: 'x' \"y\" } d < e: -2.5 >\nf: [1, 0x10, TYPE_BOOL]; g: true,"
    message = pbtxt.read(text)
    assert (message.one("a").value, message.text("f")) == (1, "TYPE_BOOL")  # type: ignore[union-attr]
    assert [value.value for value in message.all("f")] == [1, 16, "TYPE_BOOL"]
    assert message.all("b")[0].value.text("c") == "xy"
    assert message.all("d")[0].value.one("e").value == -2.5
    assert message.text("nothing") == ""


@pytest.mark.parametrize("text", ["{", "a", "a:", "a: }", "a: [1 2]", "1: 2", "a {" * 60, "a: \x00"])
def test_what_is_no_such_text_is_refused_with_a_line(text: str) -> None:
    with pytest.raises(pbtxt.Unreadable) as caught:
        pbtxt.read(text)
    assert caught.value.line >= 1
