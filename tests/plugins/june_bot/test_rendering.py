"""Markdown in each platform's own markup."""

from __future__ import annotations

import pytest
from june_bot import rendering


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**b** *i* ~~s~~ `c`", "<b>b</b> <i>i</i> <s>s</s> <code>c</code>"),
        ("[site](https://x.y/?a=1&b=2)", '<a href="https://x.y/?a=1&amp;b=2">site</a>'),
        ("[bad](javascript:alert)", "[bad](javascript:alert)"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("<b>raw</b>", "&lt;b&gt;raw&lt;/b&gt;"),
        ("- one\n  - two\n1. three", "• one\n  • two\n\n1. three"),
        ("- [x] done", "• ☑ done"),
        ("> quoted", "<blockquote>quoted</blockquote>"),
        ("> one\n> > two", "<blockquote>one\n\ntwo</blockquote>"),
        ("```c++\nint x;\n```", '<pre><code class="language-c++">int x;</code></pre>'),
        ("```\nopen", "<pre>open</pre>"),
        ("| a | b |\n|---|---|\n| 1 | 22 |", "<pre>a  b\n─────\n1  22</pre>"),
        ("## Head\ntext", "<b>Head</b>\n\ntext"),
        ("![alt](https://x.y/z.png)", '<a href="https://x.y/z.png">alt</a>'),
        ("snake_case_name 3*4*5", "snake_case_name 3<i>4</i>5"),
    ],
)
def test_telegram(markdown: str, html: str) -> None:
    assert rendering.telegram(markdown) == html


def test_discord_reads_markdown_but_no_tables_and_few_headings() -> None:
    made = rendering.discord("#### Four\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n**bold**\n- item")
    assert made == "**Four**\n\n```\na  b\n────\n1  2\n```\n\n**bold**\n- item"
