"""Reads config.pbtxt, protobuf's text form, and remembers on which line each field stands.

Triton says of a bad one only that it "failed to poll"; its own parser's words go to its log. The protobuf
library could read it with Triton's schema, which comes with a client of 100 MB, and would not tell the lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)|(?P<newline>\n)|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<number>-?(?:0x[0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)f?)|(?P<word>[A-Za-z_][\w.]*)"""
    r"""|(?P<mark>[{}\[\]:,;<>])"""
)
CLOSING = {"{": "}", "<": ">"}
MAX_DEPTH = 32


class Unreadable(ValueError):
    """The text is no pbtxt; `line` is where that shows."""

    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True)
class Value:
    """A field's value: a text, a number, a word such as TYPE_STRING, or a Message; and its line."""

    value: Any
    line: int


@dataclass
class Message:
    """A message: every value of every field, in order."""

    line: int = 1
    fields: dict[str, list[Value]] = field(default_factory=dict)

    def all(self, name: str) -> list[Value]:
        """The values of a field."""
        return self.fields.get(name, [])

    def one(self, name: str) -> Value | None:
        """The last value of a field, which is the one that counts."""
        found = self.fields.get(name)
        return found[-1] if found else None

    def text(self, name: str) -> str:
        """The last value of a field as text; empty without one."""
        found = self.one(name)
        return str(found.value) if found else ""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def read(text: str) -> Message:
    """The whole file as one message. Raises Unreadable."""
    tokens = list(_tokens(text))
    reader = _Reader(tokens)
    message = reader.message("", 0)
    if reader.rest:
        raise Unreadable(f"unexpected {reader.rest.text!r}", reader.rest.line)
    return message


def _tokens(text: str) -> Iterator[_Token]:
    line, at = 1, 0
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise Unreadable(f"unexpected {text[at : at + 10].splitlines()[0]!r}", line)
        kind = str(found.lastgroup)
        if kind == "newline":
            line += 1
        elif kind != "space":
            yield _Token(kind, found.group(), line)
        at = found.end()


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens, self._at = tokens, 0

    @property
    def rest(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self, wanted: str) -> _Token:
        token = self.rest
        if token is None:
            last = self._tokens[-1].line if self._tokens else 1
            raise Unreadable(f"the file ends where {wanted} should be", last)
        self._at += 1
        return token

    def _skip(self, *marks: str) -> bool:
        if self.rest and self.rest.kind == "mark" and self.rest.text in marks:
            self._at += 1
            return True
        return False

    def message(self, closing: str, depth: int) -> Message:
        """Fields up to the closing mark."""
        if depth > MAX_DEPTH:
            raise Unreadable("messages in messages without an end", self.rest.line if self.rest else 1)
        made = Message(self.rest.line if self.rest else 1)
        while True:
            if not closing and self.rest is None:
                return made
            if closing and self._skip(closing):
                return made
            name = self._next(f"a field or {closing!r}" if closing else "a field")
            if name.kind != "word":
                raise Unreadable(f"{name.text!r} where the name of a field should be", name.line)
            colon = self._skip(":")
            values = self._values(depth, colon=colon, name=name)
            made.fields.setdefault(name.text, []).extend(values)
            self._skip(",", ";")

    def _values(self, depth: int, *, colon: bool, name: _Token) -> list[Value]:
        if not self._skip("["):
            return [self._value(depth, colon=colon, name=name)]
        found = []
        while not self._skip("]"):
            found.append(self._value(depth, colon=True, name=name))
            if not self._skip(",") and not (self.rest and self.rest.text == "]"):
                last = self._next("',' or ']'")
                raise Unreadable(f"{last.text!r} where ',' or ']' should be", last.line)
        return found

    def _value(self, depth: int, *, colon: bool, name: _Token) -> Value:
        token = self._next(f"the value of {name.text}")
        if token.kind == "mark" and token.text in CLOSING:
            return Value(self.message(CLOSING[token.text], depth + 1), token.line)
        if not colon:
            raise Unreadable(f"{name.text} needs a ':' before {token.text!r}", token.line)
        if token.kind == "text":
            text = token.text
            while self.rest and self.rest.kind == "text":  # neighbours are one text
                text += self._next("a text").text
            return Value("".join(part[1:-1] for part in re.findall(r"\"[^\"]*\"|'[^']*'", text)), token.line)
        if token.kind == "number":
            return Value(_number(token.text.rstrip("f")), token.line)
        if token.kind == "word":
            return Value(token.text, token.line)
        raise Unreadable(f"{token.text!r} where the value of {name.text} should be", token.line)


def _number(text: str) -> int | float:
    return float(text) if re.search(r"[.eE]", text) and "x" not in text else int(text, 0)
