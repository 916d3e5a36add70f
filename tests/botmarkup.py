"""Telegram's markup and lengths as its server reads them, and its refusals."""

from __future__ import annotations

import html.parser
from typing import Any

TAGS = {
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "a",
    "code",
    "pre",
    "blockquote",
    "tg-spoiler",
    "span",
}
UNPARSED = "Bad Request: can't parse entities"


class Wrong(Exception):
    """A refusal, as the server words it."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


class _Markup(html.parser.HTMLParser):
    """HTML as Telegram reads it: known tags, properly nested."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in TAGS:
            raise Wrong(
                400, f'Bad Request: can\'t parse entities: Unsupported start tag "{tag}" at byte offset 0'
            )
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise Wrong(400, f"{UNPARSED}: Unexpected end tag at byte offset 0")

    def handle_data(self, data: str) -> None:
        self.text += data


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def plain(text: str, mode: str) -> str:
    """A text without its markup."""
    if not mode:
        return text
    if mode.upper() != "HTML":
        raise Wrong(400, "Bad Request: unsupported parse_mode")
    parser = _Markup()
    parser.feed(text)
    parser.close()
    if parser.open:
        raise Wrong(400, f"{UNPARSED}: Can't find end tag corresponding to start tag {parser.open[-1]}")
    return parser.text
