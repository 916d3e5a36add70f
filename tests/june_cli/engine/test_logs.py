"""Logs of services: what a line says."""

from __future__ import annotations

import pytest

from june_cli.engine import logs


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("plain words \n", "plain words"),
        ('{"at": "x", "event": "no luck.", "why": "rain"}', "no luck: rain"),
        ('{"event": "no luck."}', "no luck"),
        ("{no json", "{no json"),
        ('{"other": 1}', '{"other": 1}'),
        ("[1]", "[1]"),
    ],
)
def test_what_a_log_line_says(line: str, said: str) -> None:
    assert logs.sentence(line) == said
