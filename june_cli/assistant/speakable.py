"""From Markdown, as a model writes it, to what is read aloud: no code, tables, links, marks or emoji."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from june_cli.assistant.sentences import Splitter

DECIDES = 3  # characters of a line that tell what it is
_FENCES = ("```", "~~~")
_BLOCK = re.compile(r"^\s*(?:#{1,6}\s+|>\s?|[-*+]\s+(?:\[[ xX]\]\s+)?)+")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])")
_ADDRESS = re.compile(r"<?\b(?:https?|ftp|tg|mailto):[^\s<>]+[^\s<>.,;:!?)\]}'\"]>?|\bwww\.[^\s<>]+[\w/]")
_CODE = re.compile(r"(`+)(.+?)\1")
_STRONG = re.compile(r"(\*\*\*|\*\*|__|~~|\|\|)(?=\S)(.+?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*])\*(?=\S)([^*]+?)(?<=\S)\*(?![\w*])|(?<!\w)_(?=\S)([^_]+?)(?<=\S)_(?!\w)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
_JOINERS = "\u200d\ufe0e\ufe0f\u20e3"
_NOT_SPOKEN = {"So", "Sk", "Cs", "Co", "Cn"}
_SILENT = ((0x1F3FB, 0x1F3FF), (0x1F1E6, 0x1F1FF))  # tones of skin, and the letters that flags are made of


def plain(text: str) -> str:
    """One sentence or paragraph without its inline marks, addresses and emoji."""
    text = _IMAGE.sub(r"\1", _BLOCK.sub("", text))
    text = _LINK.sub(r"\1", text)
    text = _ADDRESS.sub("", text)
    text = _CODE.sub(r"\2", text)
    for _ in range(3):  # marks within marks
        text = _STRONG.sub(r"\2", text)
    text = _EMPHASIS.sub(lambda found: found[1] or found[2], text)
    text = _ESCAPED.sub(r"\1", _TAG.sub("", text)).replace("`", "").replace("**", "")
    text = "".join(c for c in text if not _silent(c))
    text = _EMPTY_BRACKETS.sub("", text)
    text = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(text.split()))
    return text if any(c.isalnum() for c in text) else ""


def spoken(text: str) -> list[str]:
    """The sentences of a finished Markdown text that are read aloud."""
    speakable = Speakable()
    return [*speakable.push(text), *speakable.finish()]


def _silent(character: str) -> bool:
    return (
        character in _JOINERS
        or unicodedata.category(character) in _NOT_SPOKEN
        or any(first <= ord(character) <= last for first, last in _SILENT)
    )


@dataclass
class Speakable:
    """Takes Markdown as it streams in and gives out sentences for the voice, each as soon as it is whole.

    What a line is follows from its first characters, so a sentence is not kept until its line ends: within a
    code fence or a table nothing is spoken.
    """

    _splitter: Splitter = field(default_factory=Splitter)
    _line: str = ""  # the undecided start of a line
    _fence: str = ""
    _passing: bool = False  # the line has been found to be prose, and its rest passes through
    _skipping: bool = False
    _heading: bool = False

    def push(self, text: str) -> Iterator[str]:
        """Take more text; yield the sentences it completes."""
        for sentence in self._splitter.push("".join(self._prose(text))):
            if said := plain(sentence):
                yield said

    def finish(self) -> Iterator[str]:
        """The text ended: yield what is left."""
        rest = self._decided(ended=True) if self._line else ""
        for sentence in [*self._splitter.push(rest), *self._splitter.finish()]:
            if said := plain(sentence):
                yield said

    def _prose(self, text: str) -> Iterator[str]:
        for piece in text.splitlines(keepends=True):
            ends = piece.endswith(("\n", "\r"))
            if self._passing:
                yield piece
            elif not self._skipping:  # what it is, is still open
                self._line += piece
                if ends or len(self._line.lstrip()) >= DECIDES:
                    yield self._decided(ended=ends)
            if ends:
                if self._heading:
                    yield "\n"  # a heading is a sentence without a full stop
                self._passing = self._skipping = self._heading = False

    def _decided(self, *, ended: bool) -> str:
        """What of the line's start is prose; the rest of the line goes the same way."""
        line, bare, self._line = self._line, self._line.strip(), ""
        if self._fence:
            if bare.startswith(self._fence):
                self._fence = ""
            self._skipping = True
            return "\n" if ended else ""
        if bare.startswith(_FENCES):
            self._fence = bare[:3]
            self._skipping = True
            return "\n\n"  # what came before is a sentence, whatever it ends with
        if bare.startswith("|") or _RULE.match(line):
            self._skipping = True
            return "\n\n"
        self._passing, self._heading = True, bare.startswith("#")
        return f"\n\n{line}" if self._heading else line
