"""The bot as it runs: its own process, a Bot API server that keeps the rules, and a model that repeats."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("telegram", reason="needs pip install 'june-cli[bot]'")

from tests.botapi import BotApi
from tests.botprocess import environ, ledger_of, started
from tests.echo import Echo


@dataclass
class Bot:
    """`python -m june_bot.server`, with settings of a test's."""

    api: BotApi
    echo: Echo
    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def ledger(self) -> Path:
        return ledger_of(self.home)

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def start(self, **settings: Any) -> Bot:
        self.settings |= settings
        told = {"telegram_allow": list(range(1, 100)), **self.settings}
        env = environ(self.api, self.echo.address, self.home, **told)
        self.port = self.port or int(env["JUNE_PORT"])
        self.process = started(env | {"JUNE_PORT": str(self.port)} | self.environ, self.home)
        return self

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """End it; its exit code."""
        assert self.process
        self.process.send_signal(signum)
        return self.ended()

    def ended(self, timeout_s: float = 20.0) -> int:
        assert self.process
        code = self.process.wait(timeout_s)
        self.process = None
        return code

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def until_said(self, words: str, timeout_s: float = 20.0) -> None:
        """Until its log has the words."""
        deadline = time.monotonic() + timeout_s
        while words not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)


@pytest.fixture
def api() -> Iterator[BotApi]:
    with BotApi() as running:
        yield running


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def bot(api: BotApi, echo: Echo, tmp_path: Path) -> Iterator[Bot]:
    made = Bot(api, echo, tmp_path)
    yield made
    if made.process:
        made.kill()
