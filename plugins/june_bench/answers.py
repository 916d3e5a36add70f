"""The program in what a model said: after its thinking, out of its talk. Linear in the length of the text."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

# Tags of models that think; a text may lack the opening one, which the chat template wrote for the model.
THINKING = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+.#-]*)[^\n]*$", re.MULTILINE)
PYTHON = ("", "python", "py", "python3", "py3")
# Where a base model has gone on to something else (Chen et al. 2021, and the bigcode harness).
STOPS = ("\nclass ", "\ndef ", "\n#", "\n@", "\nif ", "\nprint(", "\nassert ", "\n```", "<|endoftext|>")


@dataclass(frozen=True)
class Answer:
    """A program, and where it was found; without one, why: `no code` or `unfinished`."""

    code: str
    source: str
    missing: str = ""


def of_chat(text: str, entry: str, *, cut: bool) -> Answer:
    """The last whole code block that defines `entry`, after the thinking.

    cut: the answer ended at the limit of its length.
    """
    said, closed = without_thinking(text)
    if not closed:
        return Answer("", "thinking", "unfinished")
    blocks, whole = _blocks(said)
    for block in reversed(blocks):
        if _defines(block, entry):
            return Answer(block, "fenced block")
    if cut and (not whole or not blocks):
        return Answer("", "an answer that was cut", "unfinished")
    if not blocks and _defines(said, entry):
        return Answer(said, "whole answer")
    if cut:
        return Answer("", "an answer that was cut", "unfinished")
    if blocks:  # of another name, or not Python: it is what was answered
        return Answer(blocks[-1], "last block")
    return Answer("", "no code block", "no code")


def of_completion(text: str, stops: Sequence[str] = STOPS) -> Answer:
    """What a base model went on with, up to where it began something else."""
    said, closed = without_thinking(text)
    if not closed:
        return Answer("", "thinking", "unfinished")
    ends = [place for stop in stops if (place := said.find(stop)) >= 0]
    code = said[: min(ends)] if ends else said
    return Answer(code, "completion") if code.strip() else Answer("", "completion", "no code")


def without_thinking(text: str) -> tuple[str, bool]:
    """What comes after the last end of thinking, and whether the thinking had an end."""
    for opening, closing in THINKING:
        if closing in text:
            text = text[text.rfind(closing) + len(closing) :]
        if opening in text:
            return "", False
    return text, True


def _blocks(text: str) -> tuple[list[str], bool]:
    """Blocks between fences that may be Python, and whether the last one has an end."""
    found: list[str] = []
    opened: re.Match[str] | None = None
    for fence in FENCE.finditer(text):
        if opened is None:
            opened = fence
        elif fence[1][0] == opened[1][0] and len(fence[1]) >= len(opened[1]) and not fence[2]:
            if opened[2].lower() in PYTHON:
                found.append(text[opened.end() + 1 : fence.start()])
            opened = None
    return found, opened is None


def _defines(code: str, entry: str) -> bool:
    """Whether it is a program that defines a name at its top."""
    if entry not in code:
        return False
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == entry:
            return True
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if entry in names:
                return True
    return False
