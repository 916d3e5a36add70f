"""For tests of speech services: a real gRPC server on a free loopback port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from june_cli.assistant.rpc import MAX_MESSAGE_BYTES

Serve = Callable[[Callable[[grpc.Server], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve what `register` adds to a server; returns the address."""
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
