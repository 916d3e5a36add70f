"""The program in what a model said: the corpus of what goes wrong elsewhere."""

from __future__ import annotations

import time

import pytest
from june_bench.answers import of_chat, of_completion, without_thinking

RIGHT = "def f(x):\n    return x + 1\n"
DRAFT = "def f(x):\n    return x - 1\n"


def fenced(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}```"


@pytest.mark.parametrize(
    "text",
    [
        fenced(RIGHT),
        fenced(RIGHT, ""),
        fenced(RIGHT, "py"),
        f"~~~python\n{RIGHT}~~~",
        f"Sure!\n\n{fenced(RIGHT)}\n\nIt adds one.",
        f"<think>{fenced(DRAFT)}</think>{fenced(RIGHT)}",
        f"thinking without its opening tag {fenced(DRAFT)}</think>\n{fenced(RIGHT)}",
        f"<think>a</think> <think>{fenced(DRAFT * 20)}</think>\n{fenced(RIGHT)}",
        f"First try:\n{fenced(DRAFT)}\nNo, better:\n{fenced(RIGHT)}",
        f"{fenced(RIGHT)}\nUse it so:\n{fenced('print(f(1))' + chr(10))}",
        f"{fenced(RIGHT)}\n```bash\npython f.py\n```",
        f"{fenced(RIGHT)}\n{fenced('def f(x) return' + chr(10))}",
        f"````python\n{RIGHT}````",
        f"   ```python\n{RIGHT}   ```",
        RIGHT,
    ],
)
def test_the_last_whole_program_that_defines_the_function_is_the_answer(text: str) -> None:
    found = of_chat(text, "f", cut=False)
    assert found.missing == ""
    assert found.code.strip() == RIGHT.strip()


@pytest.mark.parametrize(
    ("text", "cut", "missing"),
    [
        ("<think>" + fenced(RIGHT), False, "unfinished"),
        ("<think>", True, "unfinished"),
        ("I do not know.", False, "no code"),
        ("", False, "no code"),
        ("```python\ndef f(x):\n    return", True, "unfinished"),
        ("As I said, the func", True, "unfinished"),
    ],
)
def test_without_a_program_it_is_said_why(text: str, cut: bool, missing: str) -> None:
    assert of_chat(text, "f", cut=cut).missing == missing


def test_a_whole_program_counts_although_the_talk_after_it_was_cut() -> None:
    assert of_chat(f"{fenced(RIGHT)}\nAnd now I expl", "f", cut=True).code.strip() == RIGHT.strip()


def test_a_block_of_another_name_is_what_was_answered() -> None:
    found = of_chat(fenced("def g(x):\n    return x\n"), "f", cut=False)
    assert "def g" in found.code
    assert found.source == "last block"


def test_a_base_model_is_cut_where_it_goes_on_to_something_else() -> None:
    assert of_completion("    return x + 1\n\ndef other():\n    pass").code == "    return x + 1\n"
    assert of_completion("    return x + 1\n\nprint(f(1))").code == "    return x + 1\n"
    assert of_completion("    if x:\n        return 1\n    return 2").code.endswith("return 2")
    assert of_completion("\n\n").missing == "no code"


def test_three_shapes_of_thinking() -> None:
    assert without_thinking("<think>a</think>b") == ("b", True)
    assert without_thinking("a</think>b") == ("b", True)
    assert without_thinking("<think>a") == ("", False)
    assert without_thinking("b") == ("b", True)


def test_long_texts_take_linear_time() -> None:
    def took(lines: int) -> float:
        text = "some words about x = 1 and ```inline``` code\n" * lines + fenced(RIGHT)
        began = time.process_time()
        assert of_chat(text, "f", cut=False).missing == ""
        return time.process_time() - began

    took(100)
    assert took(40_000) < 100 * took(4_000) + 0.5  # quadratic would be a hundredfold, and seconds
