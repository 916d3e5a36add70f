"""Cuts a long Markdown text where a reader would: between paragraphs, lines, sentences, words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"^ {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)$")  # a line of ```code``` is none
_INFO = 32  # of what stands behind a fence, its language first, that is said again
# The best places first. A cut comes after the match.
_BORDERS = (
    re.compile(r"\n[ \t]*\n+"),
    re.compile(r"\n"),
    re.compile(r"[.!?…。！？]+[\"'”’)\]]*\s+"),
    re.compile(r"\s+"),
)
_SHORTEST = 0.4  # of what would fit: a better border that leaves less is passed over
NEWLINE = "\n"
_JOINED = "\u200d\ufe0e\ufe0f\u20e3"


def split(text: str, fits: Callable[[str], bool]) -> list[str]:
    """The text in parts that fit, in order, nothing left out. A code fence that is cut is closed, and opened
    again in the next part with its language.

    `fits` says whether a part can be sent; it must hold for a few characters, else ValueError.
    """
    parts, rest = [], text.strip("\n")
    while not fits(rest):
        before = len(rest)
        head, rest = _cut(rest, fits)
        if len(rest) >= before:
            raise ValueError("a part holds nothing but its fences")
        if head.strip():
            parts.append(head)
    return [*parts, rest] if rest.strip() or not parts else parts


def first(text: str, fits: Callable[[str], bool]) -> str:
    """The first of the parts, without the work of the others."""
    text = text.strip("\n")
    return text if fits(text) else _cut(text, fits)[0]


def _cut(text: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    most = _most(text, fits)
    if most < 1:
        raise ValueError("not even one character fits")
    for border in _BORDERS:
        at = next(
            (p for p in _before(border, text, most) if p >= most * _SHORTEST and _fits(text, p, fits)), 0
        )
        if at:
            return _parted(text, at)
    return _parted(text, _whole(text, most))


def _most(text: str, fits: Callable[[str], bool]) -> int:
    """The longest start that fits, in characters, by halving."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _fits(text, middle, fits):
            low = middle
        else:
            high = middle - 1
    return low


def _fits(text: str, at: int, fits: Callable[[str], bool]) -> bool:
    return fits(_parted(text, at)[0])


def _before(border: re.Pattern[str], text: str, most: int) -> Iterator[int]:
    """Where the text may be cut, the last place first."""
    yield from reversed([m.end() for m in border.finditer(text, 0, most + 1) if 0 < m.end() <= most])


def _parted(text: str, at: int) -> tuple[str, str]:
    """Both sides of a cut, with an open fence closed and opened again."""
    head, tail = text[:at], text[at:]
    opened = open_fence(head)
    if not opened:
        return head.rstrip(), tail.lstrip("\n")
    return f"{head.rstrip(NEWLINE)}\n{_mark(opened)}", f"{opened}\n{tail.removeprefix(NEWLINE)}"


def _mark(opened: str) -> str:
    found = _FENCE.match(opened)
    return found[1] if found else "```"


def open_fence(text: str) -> str:
    """The line that opened the code fence in which a text ends; empty when it ends in none."""
    opened = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if not found:
            continue
        if not opened:
            info = found[2].strip()
            opened = found[1] + (info if len(info) <= _INFO else "")
        elif found[1].startswith(_mark(opened)) and not found[2].strip():
            opened = ""
    return opened


def _whole(text: str, at: int) -> int:
    """Not within a character that is made of several, as long as that leaves anything."""
    cut = at
    while 1 < cut < len(text) and (text[cut] in _JOINED or text[cut - 1] == "\u200d" or _combines(text[cut])):
        cut -= 1
    return cut if cut > 1 else at


def _combines(character: str) -> bool:
    return bool(unicodedata.combining(character)) or 0x1F3FB <= ord(character) <= 0x1F3FF
