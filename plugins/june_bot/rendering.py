"""Markdown in each platform's own markup. What a platform cannot show is shown plainly, never left out."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

SAFE = re.compile(r"(?:https?|tg|mailto):", re.IGNORECASE)
# What Telegram's HTML has for what Markdown has.
INLINE = {
    "strong_open": "<b>",
    "strong_close": "</b>",
    "em_open": "<i>",
    "em_close": "</i>",
    "s_open": "<s>",
    "s_close": "</s>",
}
NEWLINE = "\n"
RULE = "———"
BULLET, BOX = "•", {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}


@cache
def _parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough; HTML in it is text."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def telegram(markdown: str) -> str:
    """Telegram's HTML: headings become bold, lists get bullets, tables stand aligned in <pre>."""
    return _Html().blocks(_parser().parse(markdown)).strip("\n")


def discord(markdown: str) -> str:
    """Discord reads Markdown itself, but no tables, and headings only to the third level."""
    lines = markdown.split("\n")
    made: list[str] = []
    at = 0
    for token in _parser().parse(markdown):
        if token.type == "table_open" and token.map and token.level == 0:
            start, end = token.map
            made += [*lines[at:start], "```", *_aligned(_cells(lines[start:end])), "```"]
            at = end
    made += lines[at:]
    return "\n".join(_heading(line) for line in made)


def _heading(line: str) -> str:
    return re.sub(r"^#{4,6}\s+(.*)$", r"**\1**", line)


def _cells(lines: Sequence[str]) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [row for number, row in enumerate(rows) if number != 1]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table as lines of text, its columns as wide as their widest cell."""
    count = max((len(row) for row in rows), default=0)
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max((_width(row[i]) for row in full), default=0) for i in range(count)]
    made = [
        "  ".join(c + " " * (w - _width(c)) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in full
    ]
    return [made[0], "─" * min(60, sum(widths) + 2 * (count - 1)), *made[1:]] if made else []


def _width(text: str) -> int:
    """Columns of a terminal or a monospaced block: East Asian characters and emoji take two."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c)
    )


class _Html:
    """Writes a document's tokens as the tags that Telegram knows, properly nested."""

    def __init__(self) -> None:
        self._lists: list[int] = []  # the number of the next item; 0 for bullets
        self._rows: list[list[str]] = []
        self._quotes = 0
        self._in_table = False
        self._item = ""

    def blocks(self, tokens: Sequence[Token]) -> str:
        """The whole document."""
        made = "".join(self._block(token) for token in tokens)
        return re.sub(r"\n{3,}", "\n\n", re.sub(r"\n+</blockquote>\n*", "</blockquote>\n\n", made))

    def _block(self, token: Token) -> str:
        kind = token.type
        if self._in_table or kind == "table_open":
            return self._table(token)
        if kind == "inline":
            return self._take_item() + self.inline(token.children or [])
        if kind in ("fence", "code_block"):
            return self._take_item() + self._code(token)
        if kind == "hr":
            return f"{RULE}\n\n"
        if kind.startswith("blockquote"):
            return self._quote(opens=kind == "blockquote_open")
        if kind.startswith(("bullet_list", "ordered_list", "list_item")):
            return self._list(token)
        return {
            "heading_open": "<b>",
            "heading_close": "</b>\n\n",
            "paragraph_close": "\n" if token.hidden or self._lists else "\n\n",
        }.get(kind, "")

    def _quote(self, *, opens: bool) -> str:
        """Telegram has quotes, but none within another, and none within a list."""
        if self._lists:
            return ""
        self._quotes += 1 if opens else -1
        if opens:
            return "<blockquote>" if self._quotes == 1 else ""
        return "</blockquote>\n" if self._quotes == 0 else ""

    def _code(self, token: Token) -> str:
        language = re.sub(r"[^\w+#.-]", "", (token.info or "").split(" ")[0])
        content = html.escape(token.content.rstrip("\n"), quote=False)
        if not language:
            return f"<pre>{content}</pre>\n\n"
        return f'<pre><code class="language-{language}">{content}</code></pre>\n\n'

    def _list(self, token: Token) -> str:
        if token.type in ("bullet_list_open", "ordered_list_open"):
            first = int(token.attrGet("start") or 1) if token.type == "ordered_list_open" else 0
            self._lists.append(first)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            self._lists.pop()
            return "" if self._lists else "\n"
        elif token.type == "list_item_open":
            number = self._lists[-1]
            mark = f"{number}." if number else BULLET
            self._lists[-1] += 1 if number else 0
            self._item = "  " * (len(self._lists) - 1) + mark + " "
        return ""

    def _take_item(self) -> str:
        taken, self._item = self._item, ""
        return taken

    def _table(self, token: Token) -> str:
        self._in_table = token.type != "table_close"
        if token.type == "tr_open":
            self._rows.append([])
        elif token.type == "inline":
            self._rows[-1].append("".join(_text(child) for child in token.children or []))
        elif token.type == "table_close":
            rows, self._rows = self._rows, []
            return f"<pre>{html.escape(NEWLINE.join(_aligned(rows)), quote=False)}</pre>\n\n"
        return ""

    def inline(self, tokens: Sequence[Token]) -> str:
        """Text, emphasis, code and links. A link that is not to the web stays text."""
        made: list[str] = []
        links: list[bool] = []
        for token in tokens:
            if token.type in INLINE:
                made.append(INLINE[token.type])
            elif token.type == "code_inline":
                made.append(f"<code>{html.escape(token.content, quote=False)}</code>")
            elif token.type == "link_open":
                address = str(token.attrGet("href") or "")
                links.append(bool(SAFE.match(address)))
                made.append(f'<a href="{html.escape(address)}">' if links[-1] else "")
            elif token.type == "link_close":
                made.append("</a>" if links.pop() else "")
            elif token.type == "image":
                made.append(_image(token))
            elif token.type in ("softbreak", "hardbreak"):
                made.append("\n")
            else:
                made.append(html.escape(_boxed(token.content), quote=False))
        return "".join(made)


def _boxed(text: str) -> str:
    """The boxes of a task list."""
    return next((box + text[len(mark) :] for mark, box in BOX.items() if text.startswith(mark)), text)


def _image(token: Token) -> str:
    address, label = str(token.attrGet("src") or ""), token.content or "image"
    if not SAFE.match(address):
        return html.escape(label, quote=False)
    return f'<a href="{html.escape(address)}">{html.escape(label, quote=False)}</a>'


def _text(token: Token) -> str:
    return " " if token.type in ("softbreak", "hardbreak") else token.content
