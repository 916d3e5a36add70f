"""Global options: anywhere before `--`, declared by no command."""

from __future__ import annotations

import pytest

from june_cli.errors import UsageProblem
from june_cli.words import GlobalWords, take


@pytest.mark.parametrize("at", range(4))
def test_flags_are_taken_from_anywhere(at: int) -> None:
    words = ["stt", "transcribe", "a.wav"]
    words.insert(at, "--json")
    assert take(words) == (GlobalWords(json=True), ["stt", "transcribe", "a.wav"])


def test_values_come_with_or_without_an_equals_sign() -> None:
    given, rest = take(["--engine", "docker", "talk", "--profile=spark", "--dry-run", "--events"])
    assert given == GlobalWords(events=True, dry_run=True, engine="docker", profile="spark")
    assert rest == ["talk"]


def test_what_follows_two_dashes_is_left_alone() -> None:
    assert take(["tts", "say", "--", "--json"]) == (GlobalWords(), ["tts", "say", "--", "--json"])


@pytest.mark.parametrize("words", [["talk", "--engine"], ["--profile", "--", "x"], ["--engine="]])
def test_a_value_that_is_missing_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(UsageProblem, match="needs a value"):
        take(words)
