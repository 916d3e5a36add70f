"""What is read aloud: sentences, without code, tables, links, marks or emoji."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from june_cli.assistant.speakable import Speakable, spoken

TEXT = """# A title
Hello **world**, see [the docs](https://x.y/z) and https://a.b/c?d=1. It costs 3 * 4 in snake_case 🎉!

```python
print("never spoken. Never.")
```
After `code` it goes on.

| a | b |
|---|---|
| 1 | 2 |

- first item
    - second *item*

> quoted text
---
The end (https://e.f) 👨\u200d👩\u200d👧."""


def test_a_whole_text() -> None:
    assert spoken(TEXT) == [
        "A title",
        "Hello world, see the docs and.",
        "It costs 3 * 4 in snake_case!",
        "After code it goes on.",
        "first item",
        "second item",
        "quoted text",
        "The end.",
    ]


@given(st.lists(st.integers(1, 9), min_size=60, max_size=60))
def test_it_is_the_same_however_the_text_comes(sizes: list[int]) -> None:
    speakable, said, at = Speakable(), [], 0
    for size in sizes * 9:
        said += speakable.push(TEXT[at : at + size])
        at += size
    assert [*said, *speakable.push(TEXT[at:]), *speakable.finish()] == spoken(TEXT)


@pytest.mark.parametrize(
    "text", ["", "```\ncode\n```", "https://only.a/link", "🎉🎉", "| a |\n|---|", "***", "---"]
)
def test_some_answers_have_nothing_to_say(text: str) -> None:
    assert spoken(text) == []


def test_a_fence_that_is_never_closed_is_code_to_the_end() -> None:
    assert spoken("Look:\n```\nx = 1\ny = 2") == ["Look:"]


def test_a_sentence_is_given_out_before_its_line_ends() -> None:
    assert list(Speakable().push("One is done. Two is")) == ["One is done."]
