"""Cutting loses nothing, fits, and leaves no code fence open."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from june_bot import planning, rendering
from june_bot.limits import DISCORD, TELEGRAM, Limits, units
from june_bot.splitting import first, open_fence, split

from tests.botapi import plain

WORDS = st.lists(
    st.sampled_from(
        ["word", "**bold**", "a_b", "🎉", "end.", "\n", "\n\n", "`x`", "<b>", "&amp;", "漢字", "- item\n"]
    ),
    max_size=200,
)


def letters(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=60, deadline=None)
@given(WORDS)
def test_nothing_is_lost_and_everything_fits(words: list[str]) -> None:
    text = " ".join(words)
    parts = split(text, lambda part: units(part) <= 50)
    assert all(units(part) <= 50 for part in parts)
    assert letters("".join(parts)) == letters(text)
    assert first(text, lambda part: units(part) <= 50) == parts[0]


def test_a_fence_that_is_cut_is_closed_and_opened_again_with_its_language() -> None:
    code = "```python\n" + "\n".join(f"    line = {n}" for n in range(100)) + "\n```"
    parts = split(f"Before.\n\n{code}\n\nAfter.", lambda part: units(part) <= 400)
    assert all(not open_fence(part) for part in parts)
    inner = [part for part in parts if "line = 50" in part]
    assert inner[0].startswith("```python\n    line")
    assert "".join(parts).count("    line = ") == 100


def test_what_stands_behind_a_fence_is_not_said_again_when_it_is_long() -> None:
    parts = split("```" + "a" * 4100 + "\nx = 1\n```", lambda part: len(part) <= 4096)
    assert "".join(parts).count("a") == 4100
    assert len(parts) == 2


def test_code_between_three_backticks_on_a_line_opens_nothing() -> None:
    text = "```ls``` lists them\n" + "Some more words. " * 20
    assert not any(part.startswith("```\n") for part in split(text, lambda part: len(part) <= 100)[1:])


def test_paragraphs_are_preferred_to_lines_lines_to_sentences_and_those_to_words() -> None:
    text = "One two three.\n\nFour five six. Seven eight.\nNine ten eleven."
    assert split(text, lambda part: len(part) <= 50)[0] == "One two three.\n\nFour five six. Seven eight."
    assert split("One two. Three four five.", lambda part: len(part) <= 20)[0] == "One two."


def test_a_family_stays_together() -> None:
    family = "👨\u200d👩\u200d👧"
    parts = split(family * 100, lambda part: units(part) <= 50)
    assert all(part == family * (len(part) // len(family)) for part in parts)


@settings(max_examples=60, deadline=None)
@given(WORDS, st.sampled_from([TELEGRAM, DISCORD]))
def test_what_telegram_gets_is_markup_it_takes(words: list[str], limits: Limits) -> None:
    text = " ".join(words)
    assert isinstance(plain(rendering.telegram(text), "HTML"), str)
    for one in planning.texts(text, limits, rendering.telegram):
        assert units(one.rendered) <= limits.text_units


def test_what_is_still_written_is_shown_as_far_as_it_fits() -> None:
    raw, rendered = planning.preview("word " * 3000, TELEGRAM, rendering.telegram)
    assert raw.endswith(" …")
    assert units(rendered) <= 4096
