"""Error rates, and the normalisation they rest on."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from june_cli.wer import normalised, rates

SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", "hello world"),
        ("  two\n\tspaces ", "two spaces"),
        ("Don’t, don't, DONT", "dont dont dont"),
        ("twenty-one well-known", "twenty one well known"),
        ("Café naïve Ünïcode", "cafe naive unicode"),
        ("Mr. Smith vs. Dr. Jones", "mister smith versus doctor jones"),
        ("I have 21 cats", "i have twenty one cats"),
        ("1,234.5", "one thousand two hundred thirty four point five"),
        ("the 3rd of the 21st", "the third of the twenty first"),
        ("$5 and £2.50 and € 3", "five dollars and two point five zero pounds and three euros"),
        ("100% & more", "one hundred percent and more"),
        ("OK, grey colour", "okay gray color"),
        ("snake_case", "snake case"),
        ("ﬁne ½", "fine one two"),
        ("", ""),
        ("...!", ""),
        ("0", "zero"),
        ("007", "seven"),
    ],
)
def test_text_becomes_plain_words(text: str, words: str) -> None:
    assert normalised(text) == words


def test_an_identifier_of_digits_stays_as_it_is() -> None:
    assert normalised("9" * 40) == "9" * 40


@SETTINGS
@given(
    st.text(max_size=80)
    | st.text(st.sampled_from("0123456789.,$%stndrh- '"), max_size=40)
    | st.text(st.characters(categories=["Nd", "No", "Nl"]), max_size=10)
)
def test_any_text_can_be_normalised(text: str) -> None:
    found = normalised(text)
    assert found == " ".join(found.split())
    assert found == found.casefold()


def test_the_same_words_have_no_errors() -> None:
    found = rates(["I have 2 cats."], ["i have two cats"])
    assert (found.wer, found.cer) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("heard", "wer"),
    [
        ("one two three", 0.25),
        ("one two three four five", 0.25),
        ("one two three for", 0.25),
        ("", 1.0),
        ("a b c d e f g h", 2.0),
    ],
)
def test_substitutions_deletions_and_insertions_count_alike(heard: str, wer: float) -> None:
    assert rates(["one two three four"], [heard]).wer == pytest.approx(wer)


def test_characters_are_counted_too() -> None:
    assert rates(["abcd"], ["abxd"]).cer == pytest.approx(0.25)


def test_long_clips_weigh_more_than_short_ones() -> None:
    assert rates(["one", "a b c d e f g h i"], ["two", "a b c d e f g h i"]).wer == pytest.approx(0.1)


def test_a_silent_clip_that_is_heard_as_silent_is_right() -> None:
    assert rates([""], [""]).wer == 0.0
    assert rates(["...", "one two"], ["", "one two"]).wer == 0.0


def test_words_heard_in_silence_are_errors() -> None:
    assert rates([""], ["thank you"]).wer >= 1.0
    assert rates(["", "one two three four"], ["thank you", "one two three four"]).wer == pytest.approx(0.5)


def test_no_clips_have_no_errors() -> None:
    assert rates([], []).wer == 0.0


def test_a_missing_transcript_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        rates(["one", "two"], ["one"])
