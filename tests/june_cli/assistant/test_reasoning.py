"""Think tags, whole and in pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from june_cli.assistant.reasoning import ReasoningSplitter


def parted(pieces: list[str], *, thinking: bool = False) -> tuple[str, str]:
    splitter = ReasoningSplitter(thinking)
    found = [*(splitter.push(piece) for piece in pieces), splitter.finish()]
    return "".join(a for a, _ in found), "".join(r for _, r in found)


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("", "", ""),
        ("Hello", "Hello", ""),
        ("<think>hm</think>Hello", "Hello", "hm"),
        ("Well, <think>hm</think>Hello", "Well, Hello", "hm"),
        ("<think>a</think>b<think>c</think>d", "bd", "ac"),
        ("<think>never closed", "", "never closed"),
        ("<think></think>", "", ""),
        ("a < b <thin air", "a < b <thin air", ""),
        ("ends with <th", "ends with <th", ""),
        ("<think>ends with </th", "", "ends with </th"),
        ("<<think>x</think>", "<", "x"),
        ("</think>stray", "</think>stray", ""),
    ],
)
def test_thinking_and_answer_are_parted(text: str, answer: str, reasoning: str) -> None:
    assert parted([text]) == (answer, reasoning)
    assert parted(list(text)) == (answer, reasoning)


def test_a_template_that_opens_the_tag_itself_starts_inside() -> None:
    assert parted(["hm</thi", "nk>Hello"], thinking=True) == ("Hello", "hm")


def test_text_is_held_back_no_longer_than_it_may_be_a_tag() -> None:
    splitter = ReasoningSplitter()
    assert splitter.push("a<thi") == ("a", "")
    assert splitter.push("s") == ("<this", "")
    assert splitter.push("b<think>c</") == ("b", "c")
    assert splitter.push("think>d") == ("d", "")


def test_finish_forgets_what_was_held() -> None:
    splitter = ReasoningSplitter()
    splitter.push("<thi")
    assert splitter.finish() == ("<thi", "")
    assert splitter.finish() == ("", "")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "</", "think", ">", "a", " "]), max_size=30),
    st.lists(st.integers(0, 500), max_size=30),
    st.booleans(),
)
def test_pieces_give_the_same_as_the_whole(words: list[str], cuts: list[int], thinking: bool) -> None:
    text = "".join(words)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    whole = parted([text], thinking=thinking)
    assert parted(pieces, thinking=thinking) == whole
    assert len(whole[0]) + len(whole[1]) <= len(text)
