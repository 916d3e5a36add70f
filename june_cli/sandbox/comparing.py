"""When two answers are the same, for tests that are inputs and what a reference answers to them.

The rules are those of EvalPlus 0.3.1 (evalplus/eval/__init__.py): floats within 1e-6 unless a task says
otherwise, and a rule of its own for the few tasks that have several right answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

FLOATS = 1e-6
RELATIVE = 1e-7


def same(answer: Any, wanted: Any, arguments: list[Any], oracle: str, atol: float) -> bool:
    """Whether an answer will do, to a reference's answer to the same arguments."""
    if oracle == "root":
        return abs(_polynomial(arguments[0], answer)) <= atol
    if oracle in RULES:
        if RULES[oracle](answer, wanted, arguments):
            return True
        if oracle in ALONE:
            return False
    if bool(answer == wanted):
        return True
    tolerance = FLOATS if atol == 0 and _floats(wanted) else atol
    return bool(tolerance) and type(answer) is type(wanted) and _close(answer, wanted, tolerance)


def _floats(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(one, float) for one in value)
    return isinstance(value, float)


def _close(answer: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(wanted, list | tuple):
        if not isinstance(answer, list | tuple) or len(answer) != len(wanted):
            return False
        return all(_close(a, w, tolerance) for a, w in zip(answer, wanted, strict=True))
    if not isinstance(wanted, int | float | complex) or not isinstance(answer, int | float | complex):
        return False
    if answer == wanted:
        return True
    return abs(answer - wanted) <= tolerance + RELATIVE * abs(wanted)


def _polynomial(coefficients: list[float], x: float) -> float:
    return sum(factor * math.pow(x, power) for power, factor in enumerate(coefficients))


def _found(answer: Any, wanted: Any, arguments: list[Any]) -> bool:
    """Found or not, whatever it is that says so."""
    del arguments
    expected = wanted is not None
    return answer == expected if isinstance(answer, bool) else expected == (answer is not None)


def _surface(answer: Any, wanted: Any, arguments: list[Any]) -> bool:
    """Of a pyramid, when its height is taken as that of the tip."""
    del wanted
    base, height = arguments
    slant = math.sqrt((base / 2) ** 2 + height**2)
    return bool(answer == round(base**2 + 2 * base * slant))


def _digits(answer: Any, wanted: Any, arguments: list[Any]) -> bool:
    """The differences of digits at the same place, the shorter number filled up with zeros."""
    del wanted
    one, other = (str(number) for number in arguments)
    width = max(len(one), len(other))
    pairs = zip(one.zfill(width), other.zfill(width), strict=True)
    return bool(answer == sum(abs(int(a) - int(b)) for a, b in pairs))


RULES: Mapping[str, Callable[[Any, Any, list[Any]], bool]] = {
    "set": lambda answer, wanted, _: set(answer) == set(wanted),
    "found": _found,
    "anything": lambda _answer, _wanted, _arguments: True,
    "or zero": lambda answer, _wanted, _arguments: bool(answer == 0),
    "surface": _surface,
    "digits": _digits,
}
ALONE = ("set", "found")  # rules that stand in place of equality; the others are beside it
