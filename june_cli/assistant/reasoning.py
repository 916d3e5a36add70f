"""Keeps a model's thinking apart from its answer while both stream in."""

from __future__ import annotations

from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"


@dataclass
class ReasoningSplitter:
    """Splits streamed text at think tags, also when a tag arrives in pieces.

    `thinking` starts True for a model whose chat template opens the tag itself, so that only the closing one
    appears in its output.
    """

    thinking: bool = False
    _held: str = ""

    def push(self, text: str) -> tuple[str, str]:
        """Take more text; return what is answer and what is reasoning so far certain."""
        answer, reasoning = "", ""
        text, self._held = self._held + text, ""
        while text:
            tag = CLOSE if self.thinking else OPEN
            head, found, tail = text.partition(tag)
            if not found:
                keep = _overlap(text, tag)
                head, self._held = text[: len(text) - keep], text[len(text) - keep :]
                tail = ""
            if self.thinking:
                reasoning += head
            else:
                answer += head
            if found:
                self.thinking = not self.thinking
            text = tail
        return answer, reasoning

    def finish(self) -> tuple[str, str]:
        """What was held back in case it became a tag."""
        held, self._held = self._held, ""
        return ("", held) if self.thinking else (held, "")


def _overlap(text: str, tag: str) -> int:
    """How many of the last characters of `text` could be the start of `tag`."""
    return next((n for n in range(min(len(tag) - 1, len(text)), 0, -1) if tag.startswith(text[-n:])), 0)
