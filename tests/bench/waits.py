"""Runs `june` in this process and says how long it waited for others: for a Docker Engine, for services.

second_serve.py starts this with a file to write to and the words of a command. Whatever blocks on a socket
counts, and a health check over gRPC, which opens its sockets outside Python. What speaks to them is imported
before the run, so that no import happens while a clock runs.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from june_cli.main import run

BLOCKING = ("connect", "sendall", "recv", "recv_into")
SPEAKING = ("docker", "grpc", "grpc_health.v1.health_pb2_grpc", "june_cli.engine.docker")
Span = tuple[float, float]


def timed(call: Callable[..., Any], spans: list[Span]) -> Callable[..., Any]:
    """The same call; when it began and ended is written down."""

    @wraps(call)
    def timing(*args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args, **options)
        finally:
            spans.append((began, time.perf_counter()))

    return timing


def watch(spans: list[Span]) -> None:
    """Have every wait for somebody else written down."""
    for name in BLOCKING:
        setattr(socket.socket, name, timed(getattr(socket.socket, name), spans))
    health: Any = import_module("grpc_health.v1.health_pb2_grpc")
    stub = health.HealthStub

    def watched(channel: Any) -> Any:
        made = stub(channel)
        made.Check = timed(made.Check, spans)
        return made

    health.HealthStub = watched


def covered(spans: list[Span]) -> float:
    """Seconds in which at least one wait was under way: threads wait side by side."""
    total, until = 0.0, 0.0
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def main() -> None:
    """One command; its own output goes where it always goes."""
    for name in SPEAKING:
        import_module(name)
    spans: list[Span] = []
    watch(spans)
    code = run(sys.argv[2:], os.environ)
    added = sum(ended - began for began, ended in spans)
    found = {"waiting": covered(spans), "added up": added, "waits": len(spans)}
    Path(sys.argv[1]).write_text(json.dumps(found), "utf-8")
    sys.exit(code)


if __name__ == "__main__":
    main()
