"""Fixtures for every test: a home of its own, and nothing of the machine's configuration."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from june_cli.assistant.rpc import MAX_MESSAGE_BYTES
from june_cli.engine import PRIVATE

Serve = Callable[[Callable[[grpc.Server], None]], str]

pytest_plugins = ["june_cli.testing"]


def pytest_configure() -> None:
    """No test reports to a vendor either: see `PRIVATE` in june_cli/engine."""
    os.environ |= PRIVATE


@pytest.fixture(autouse=True, scope="session")
def _signals_reach_children() -> Iterator[None]:
    """A background job of a shell ignores SIGINT, one of nohup SIGHUP, and so would what tests start."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the home of whoever runs it."""
    monkeypatch.setenv("JUNE_HOME", str(tmp_path / "june-home"))
    for name in ("JUNE_CONFIG", "JUNE_ENGINE", "JUNE_PROFILE", "MODEL_CACHE_DIR", "JUNE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve what `register` adds to a real gRPC server with the limits of June's own; returns the address."""
    servers: list[grpc.Server] = []

    def start(register: Callable[[grpc.Server], None]) -> str:
        server = grpc.server(
            ThreadPoolExecutor(4),
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ],
        )
        register(server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(grace=None).wait()
