"""When two answers are the same, for tests that are inputs and what a reference answers to them."""

from __future__ import annotations

from typing import Any


def same(answer: Any, wanted: Any, arguments: list[Any], oracle: str, atol: float) -> bool:
    """Whether an answer will do."""
    del arguments, oracle, atol
    return bool(answer == wanted)
