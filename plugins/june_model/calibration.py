"""What a model is shown while its activations are measured for a quantization.

Without a file of somebody's own it is June's kind of work: questions to an assistant, whose answers the model
writes itself, so that what is measured is what it will be used for, and nothing has to be fetched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from june_cli.errors import BadInput

LONGEST = 512  # texts, and tokens of each: what ModelOpt's own recipes take
MAX_BYTES = 64 * 1024 * 1024
TASKS = (
    "Explain {} to somebody who has never heard of it.",
    "What is the most common mistake with {}? Answer in one paragraph.",
    "Write a short dialogue between two friends about {}.",
    "Make a numbered list of five facts about {}.",
    "Erkläre mir {} in drei einfachen Sätzen.",
    "Explique en français ce qu'il faut savoir sur {}.",
    "Write a Python function with a docstring that helps with {}.",
    "Think step by step: how would you plan a day around {}?",
)
TOPICS = (
    "the tides",
    "compound interest",
    "baking bread",
    "prime numbers",
    "the French Revolution",
    "electric cars",
    "a chess opening",
    "vaccines",
    "sorting a list",
    "the Moon landing",
    "growing tomatoes",
    "regular expressions",
    "a broken heart",
    "train timetables",
    "black holes",
    "learning the piano",
)


def prompts() -> list[str]:
    """June's own questions, mixed, always in the same order."""
    asked = [task.format(topic) for topic, task in product(TOPICS, TASKS)]
    return asked[::3] + asked[1::3] + asked[2::3]


def texts(file: Path) -> list[str]:
    """The texts of a file, one a line: plain, or JSON Lines with `text`. BadInput where that is not so."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise BadInput("calibration-too-large", f"{file} has more than {MAX_BYTES // 2**20} MiB.")
        lines = [line for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("calibration-unreadable", f"{file} cannot be read as text: {error}.") from error
    found = [_text(file, number, line) for number, line in enumerate(lines[:LONGEST], 1)]
    if not found:
        raise BadInput("calibration-empty", f"{file} has no text.")
    return found


def _text(file: Path, number: int, line: str) -> str:
    if not line.lstrip().startswith("{"):
        return line
    try:
        said = json.loads(line)["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("calibration-unreadable", f"{file}:{number} is no JSON object with a text.") from error
    return str(said)


def write(folder: Path, shown: Sequence[str]) -> None:
    """A folder that the `datasets` library reads as a data set with a split `train` and a column `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in shown)
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
