"""Text into sentences, also while it is still being written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# An ending: one or more marks, closing quotes or brackets, then white space. CJK marks need no space.
_END = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s)|[。！？]+["”’）」]*|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)""")
_ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "rev",
        "hon",
        "st",
        "jr",
        "sr",
        "vs",
        "etc",
        "inc",
        "ltd",
        "co",
        "corp",
        "dept",
        "fig",
        "no",
        "vol",
        "approx",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
        "u.s",
        "u.k",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
LONGEST = 400  # characters; past it a sentence is cut at a comma or a space


def split(text: str) -> list[str]:
    """The sentences of a finished text, stripped, none empty, none longer than 400 characters."""
    splitter = Splitter()
    return [*splitter.push(text), *splitter.finish()]


@dataclass
class Splitter:
    """Gives out each sentence as soon as it is certain to be whole."""

    _buffer: str = ""
    _ended: bool = False

    def push(self, text: str) -> Iterator[str]:
        """Take more text; yield the sentences it completes."""
        self._buffer += text
        while (cut := self._cut()) is not None:
            sentence, self._buffer = self._buffer[:cut].strip(), self._buffer[cut:]
            if sentence:
                yield sentence

    def finish(self) -> Iterator[str]:
        """The text ended: yield what is left."""
        self._ended = True
        yield from self.push("")
        rest, self._buffer = self._buffer.strip(), ""
        if rest:
            yield rest

    def _cut(self) -> int | None:
        for match in _END.finditer(self._buffer, 0, LONGEST + 2):
            if match.end() > LONGEST:
                break
            if match.end() == len(self._buffer) and match.group()[0] in "。！？" and not self._ended:
                break  # a closing quote may follow
            if match.group().isspace() or self._ends(match):
                return match.end()
        return self._forced() if len(self._buffer) > LONGEST else None

    def _ends(self, match: re.Match[str]) -> bool:
        """Whether the mark ends a sentence, rather than an abbreviation, an initial or a list number."""
        if match.group()[0] != ".":
            return True
        word = self._buffer[: match.start()].rsplit(maxsplit=1)[-1:] or [""]
        bare = word[0].strip("(\"'“‘[").lower()
        following = self._buffer[match.end() :].lstrip()
        if not following:
            return False  # what comes next decides; more text or the end will tell
        if bare in _ABBREVIATIONS or (len(bare) == 1 and bare.isalpha() and bare != "i"):
            return False
        at_line_start = self._buffer[: match.start()].rpartition("\n")[2].strip() == word[0]
        return not (bare.isdigit() and at_line_start) and not following[0].islower()

    def _forced(self) -> int:
        head = self._buffer[:LONGEST]
        for marks in ("; ", ", ", " "):
            at = head.rfind(marks)
            if at > LONGEST // 4:
                return at + len(marks)
        return LONGEST
