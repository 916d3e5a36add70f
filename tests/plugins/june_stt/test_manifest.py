"""Manifests: which are understood, and which line is to blame otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from june_stt.manifest import Entry, read

from june_cli.errors import UsageProblem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for name in ("a.wav", "b c.wav"):
        (tmp_path / "clips" / name).touch()
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "manifest.tsv"
    path.write_text(text, "utf-8")
    return path


def problem(path: Path) -> UsageProblem:
    with pytest.raises(UsageProblem) as caught:
        read(path)
    assert str(path) in caught.value.message
    return caught.value


def test_a_header_names_the_columns(folder: Path) -> None:
    path = written(folder, "text\tspeaker\tfile\nHello.\tme\tclips/a.wav\nBye.\tyou\tclips/b c.wav\n")
    assert read(path) == [
        Entry(folder / "clips/a.wav", "Hello."),
        Entry(folder / "clips/b c.wav", "Bye."),
    ]


@pytest.mark.parametrize(
    "header", ["FILE\tTranscript", "path\tsentence", "audio_filepath\ttext", "wav\ttranscription"]
)
def test_usual_names_of_columns_are_known(folder: Path, header: str) -> None:
    assert read(written(folder, f"{header}\nclips/a.wav\tHello.\n"))[0].transcript == "Hello."


def test_without_a_header_the_first_two_columns_are_file_and_transcript(folder: Path) -> None:
    assert read(written(folder, "clips/a.wav\tHello.\nclips/b c.wav\tBye.")) == [
        Entry(folder / "clips/a.wav", "Hello."),
        Entry(folder / "clips/b c.wav", "Bye."),
    ]


def test_absolute_paths_are_taken_as_they_are(folder: Path) -> None:
    path = folder / "clips/a.wav"
    assert read(written(folder, f"file\ttext\n{path}\tHello.\n"))[0].path == path


def test_empty_lines_carriage_returns_and_a_byte_order_mark_do_no_harm(folder: Path) -> None:
    path = written(folder, "\ufefffile\ttext\r\n\r\nclips/a.wav\tHello.\r\n\r\n")
    assert read(path) == [Entry(folder / "clips/a.wav", "Hello.")]


def test_quotes_are_part_of_the_transcript(folder: Path) -> None:
    path = written(folder, 'file\ttext\nclips/a.wav\t"Hello," he said.\nclips/a.wav\tSay "no\n')
    assert [e.transcript for e in read(path)] == ['"Hello," he said.', 'Say "no']


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c"])
def test_only_line_ends_end_a_line(folder: Path, mark: str) -> None:
    path = written(folder, f"file\ttext\nclips/a.wav\tone{mark}two\n")
    assert [e.transcript for e in read(path)] == [f"one{mark}two"]


def test_an_empty_transcript_is_a_clip_in_which_nobody_speaks(folder: Path) -> None:
    assert read(written(folder, "file\ttext\nclips/a.wav\t\n"))[0].transcript == ""


@pytest.mark.parametrize("text", ["", "file\ttext\n", "file\ttext\n\n\t\n", "\n\n"])
def test_a_manifest_without_clips_is_refused(folder: Path, text: str) -> None:
    assert problem(written(folder, text)).code in ("manifest-empty", "manifest-header")


@pytest.mark.parametrize(
    "text", ["file\tspeaker\nclips/a.wav\tme\n", "clips/a.wav\n", "file,text\nclips/a.wav,Hi\n"]
)
def test_missing_columns_are_named(folder: Path, text: str) -> None:
    found = problem(written(folder, text))
    assert found.code == "manifest-header"
    assert ":1:" in found.message


@pytest.mark.parametrize("row", ["clips/a.wav", "\tHello.", "  \tHello."])
def test_a_row_that_lacks_something_is_named_by_its_line(folder: Path, row: str) -> None:
    found = problem(written(folder, f"file\ttext\nclips/a.wav\tHello.\n\n{row}\n"))
    assert found.code == "manifest-row"
    assert ":4:" in found.message


@pytest.mark.parametrize("name", ["clips/none.wav", "clips", "x" * 5_000, "a\0b.wav"])
def test_a_clip_that_is_not_there_is_named_by_its_line(folder: Path, name: str) -> None:
    found = problem(written(folder, f"file\ttext\n{name}\tHello.\n"))
    assert found.code == "audio-missing"
    assert ":2:" in found.message


def test_a_missing_manifest_is_refused(folder: Path) -> None:
    assert problem(folder / "none.tsv").code == "manifest-unreadable"
    assert problem(folder / "clips").code == "manifest-unreadable"


def test_a_manifest_that_is_no_text_is_refused(folder: Path) -> None:
    path = folder / "clip.wav"
    path.write_bytes(bytes(range(256)))
    assert problem(path).code == "manifest-unreadable"


def test_a_file_of_one_endless_line_is_refused(folder: Path) -> None:
    assert problem(written(folder, "x" * 200_000)).code in ("manifest-header", "manifest-unreadable")
