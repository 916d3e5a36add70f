"""What MBPP+ leaves to its readers: which inputs JSON could not hold, and which answers compare otherwise.

The numbers of the tasks and the rules are facts of evalplus 0.3.1 (evalplus/data/mbpp.py and
evalplus/eval/_special_oracle.py, Apache-2.0): without them its own references fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# A shape has a letter for each argument, or a star and one for all: `t` a tuple, `l` a list of tuples, `c` a
# complex number, `.` as it stands; the others are _MADE's.
SHAPES: Mapping[str, tuple[int, ...]] = {
    "*t": (
        *(2, 116, 132, 143, 222, 261, 273, 394, 399, 421, 424, 429, 470, 560, 579, 596, 616, 630, 726, 740),
        *(744, 809),
    ),
    "*l": (63, 64, 70, 94, 120, 237, 272, 299, 400, 409, 417, 438, 473, 614, 780),
    "l.": (75, 413, 444, 753),
    ".t": (106, 750),
    "t.": (250, 405, 446, 617, 720, 763, 808),
    "t..": (307,),
    "*tt": (259, 401, 445),
    "*d": (580, 615, 791),
    "s": (115,),
    "fc": (124,),
    "m": (278,),
    "v": (722,),
    "c": (252,),
}
RULES: Mapping[str, tuple[str, ...]] = {
    "set": (
        *("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum"),
        *("intersection_array", "find_dissimilar", "Diff"),
    ),
    "found": ("check_str", "text_match_three", "text_starta_endb"),
    "anything": ("are_equivalent",),
    "or zero": ("sum_div",),
    "surface": ("surface_Area",),
    "digits": ("digit_distance_nums",),
}


# One input has an answer of 1.7 million tuples of 77 words, a gigabyte of JSON: it is left out.
LEFT_OUT: Mapping[int, Any] = {255: [["Dog", "Cat", "CatBird", "Bird", "Fish"], 77]}


def oracle(entry: str) -> str:
    """The rule by which answers of a function are compared; empty for equality."""
    return next((rule for rule, entries in RULES.items() if entry in entries), "")


def inputs(task: str, rows: list[list[Any]]) -> list[list[Any]]:
    """The inputs of a task, with what was a tuple, a set or a complex number such again."""
    number = int(task.rpartition("/")[2])
    rows = [row for row in rows if row != LEFT_OUT.get(number)]
    shape = next((shape for shape, tasks in SHAPES.items() if number in tasks), "")
    return [_shaped(row, shape) for row in rows] if shape else rows


def _shaped(row: list[Any], shape: str) -> list[Any]:
    if shape.startswith("*"):
        return [_MADE[shape[1:]](one) for one in row]
    return [_MADE[kind](one) for kind, one in zip(shape + "." * (len(row) - len(shape)), row, strict=True)]


def _deep(value: Any) -> Any:
    return tuple(_deep(one) for one in value) if isinstance(value, list) else value


_MADE: Mapping[str, Callable[[Any], Any]] = {
    ".": lambda value: value,
    "t": tuple,
    "l": lambda value: [tuple(one) for one in value],
    "tt": lambda value: tuple(tuple(one) for one in value),
    "d": _deep,
    "s": lambda value: [set(one) if isinstance(one, list) and one else {} for one in value],
    "f": float,
    "c": complex,
    "m": lambda value: tuple(tuple(one) if isinstance(one, list) else one for one in value),
    "v": lambda value: {key: tuple(one) for key, one in value.items()},
}
