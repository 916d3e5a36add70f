"""A scripted HTTP server: one answer to every request, good or bad."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Call(BaseHTTPRequestHandler):
    """One request, and ways to answer it badly."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.requests.append(
            (self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body or b"null"))
        )
        self.close_connection = True
        try:
            self.server.script(self)
        except OSError:
            self.server.left.set()

    do_GET = do_POST  # noqa: N815 - http.server names it so

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server names it so
        del format, args

    def body(self, status: int, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def raw(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def event(self, **chunk: Any) -> None:
        self.raw(f"data: {json.dumps(chunk)}\n\n")

    def delta(self, finish: str | None = None, **delta: Any) -> None:
        self.event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

    def end(self, *, done: bool = True) -> None:
        if done:
            self.raw("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")


Script = Callable[[Call], None]


class Server(ThreadingHTTPServer):
    """Answers every request with one script."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.script = script
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.left = threading.Event()  # a script met a closed connection
        self.over = threading.Event()  # the test has ended: scripts that stall may go

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/"


Start = Callable[[Script], Server]


@pytest.fixture
def start() -> Iterator[Start]:
    servers: list[Server] = []

    def started(script: Script) -> Server:
        servers.append(Server(script))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return servers[-1]

    yield started
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()
