"""Fixtures for every test: a home of its own, and nothing of the machine's configuration."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["june_cli.testing"]


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_reaches_children() -> Iterator[None]:
    """A shell's background job ignores SIGINT, and so would the programs that tests start and interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the home of whoever runs it."""
    monkeypatch.setenv("JUNE_HOME", str(tmp_path / "june-home"))
    for name in ("JUNE_CONFIG", "JUNE_ENGINE", "JUNE_PROFILE", "MODEL_CACHE_DIR", "JUNE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
