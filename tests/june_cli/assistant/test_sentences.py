"""Text into sentences, whole and in pieces."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from june_cli.assistant.sentences import LONGEST, Splitter, split


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
        ("Dr. Smith met Mrs. Jones. They left.", ["Dr. Smith met Mrs. Jones.", "They left."]),
        ("It weighs approx. 3.5 kg. Really.", ["It weighs approx. 3.5 kg.", "Really."]),
        ("Pi is 3.14159. That is all.", ["Pi is 3.14159.", "That is all."]),
        ("See e.g. the book. Or not.", ["See e.g. the book.", "Or not."]),
        ("J. R. R. Tolkien wrote it. I did not.", ["J. R. R. Tolkien wrote it.", "I did not."]),
        ("So do I. You too.", ["So do I.", "You too."]),
        ('He said "Go." She went.', ['He said "Go."', "She went."]),
        ("(It rained.) We stayed.", ["(It rained.)", "We stayed."]),
        ("“Why?” he asked. Nobody knew.", ["“Why?”", "he asked.", "Nobody knew."]),
        ("What?! No way...  Yes.", ["What?!", "No way...", "Yes."]),
        ("and so on ... but not yet. Now.", ["and so on ... but not yet.", "Now."]),
        ("1. Wash it\n2. Dry it\n3. Eat it", ["1. Wash it", "2. Dry it", "3. Eat it"]),
        ("Buy:\n- milk\n- eggs\n* bread", ["Buy:", "- milk", "- eggs", "* bread"]),
        ("A title\n\nA paragraph", ["A title", "A paragraph"]),
        ("A line\nthat goes on.", ["A line\nthat goes on."]),
        ("你好。你叫什么？很好！", ["你好。", "你叫什么？", "很好！"]),
        ("「行こう。」彼は言った。", ["「行こう。」", "彼は言った。"]),
        ("visit example.com today. Bye.", ["visit example.com today.", "Bye."]),
    ],
)
def test_text_is_cut_where_sentences_end(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\t \n"])
def test_nothing_gives_no_sentences(text: str) -> None:
    assert split(text) == []


@pytest.mark.parametrize("text", [".", "...", "?!", "。。。"])
def test_marks_alone_are_not_lost(text: str) -> None:
    assert "".join(split(text)) == text


def test_a_sentence_is_given_out_before_the_next_is_whole() -> None:
    splitter = Splitter()
    assert list(splitter.push("Hello there. How")) == ["Hello there."]
    assert list(splitter.push(" are you?")) == []
    assert list(splitter.finish()) == ["How are you?"]
    assert list(splitter.finish()) == []


def test_an_ending_at_the_end_of_a_piece_waits_for_what_follows() -> None:
    splitter = Splitter()
    assert list(splitter.push("It is 3.")) == []
    assert list(splitter.push("5 km away. ")) == []
    assert list(splitter.push("Far")) == ["It is 3.5 km away."]


def test_a_long_sentence_is_cut_at_a_comma() -> None:
    text = "word " * 50 + "end, " + "more " * 100
    first, *_ = split(text)
    assert first.endswith("end,")


def test_words_are_kept_whole_in_a_forced_cut() -> None:
    words = [f"word{n}" for n in range(300)]
    assert " ".join(split(" ".join(words))).split() == words


def test_a_text_without_spaces_is_cut_at_the_limit() -> None:
    found = split("x" * 1_000)
    assert [len(s) for s in found] == [400, 400, 200]


PIECES = st.lists(
    st.sampled_from(
        ["a", "Be", "Dr.", "1.", "3.5", ".", "!", "?", "…", ", ", "; ", " ", "\n", '"', "- ", "。", "」", "é"]
    ),
    max_size=120,
).map("".join)
SETTINGS = settings(max_examples=80, deadline=None, derandomize=True, database=None)


def in_pieces(text: str, cuts: list[int]) -> list[str]:
    splitter, found = Splitter(), []
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        found += splitter.push(text[start:end])
    return [*found, *splitter.finish()]


@SETTINGS
@given(PIECES | st.text(max_size=900), st.lists(st.integers(0, 10_000), max_size=30))
def test_no_character_is_lost_however_the_text_arrives(text: str, cuts: list[int]) -> None:
    wanted = "".join(text.split())
    for found in (split(text), in_pieces(text, cuts)):
        assert "".join("".join(found).split()) == wanted
        assert all(s == s.strip() and 0 < len(s) <= LONGEST for s in found)


WORDS = st.lists(
    st.sampled_from(
        ["Hello", "world", "Dr.", "e.g.", "3.5", "so.", "Really?", "Yes!", '"No."', "I.", "end."]
    ),
    max_size=40,
).map(" ".join)


@SETTINGS
@given(WORDS, st.lists(st.integers(0, 10_000), max_size=40))
def test_ordinary_text_gives_the_same_sentences_whole_and_in_pieces(text: str, cuts: list[int]) -> None:
    assert in_pieces(text, cuts) == split(text)


@SETTINGS
@given(WORDS, st.lists(st.integers(0, 10_000), max_size=40))
def test_japanese_gives_the_same_sentences_whole_and_in_pieces(text: str, cuts: list[int]) -> None:
    text = text.replace(".", "。」").replace(" ", "")
    assert in_pieces(text, cuts) == split(text)


@pytest.mark.parametrize("unit", [".", "?!", "a.'", "\n ", "Mr. ", "。", "x, "])
def test_twenty_thousand_hostile_characters_end_within_seconds(unit: str) -> None:
    code = (
        "import sys; from june_cli.assistant.sentences import split; split((sys.argv[1] * 20_000)[:20_000])"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code, unit], timeout=3)
    except subprocess.TimeoutExpired:
        pytest.fail("it would take minutes")
    assert done.returncode == 0
