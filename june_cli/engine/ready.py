"""Readiness by http, grpc, log or port, with a deadline that extends while there is progress."""

from __future__ import annotations

import http.client
import math
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from june_cli.engine import Engine, Running, logs
from june_cli.errors import JuneError, MachineLacks, NotReady
from june_cli.spec import Ready, Service

PROBE_S = 1.0
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"  # of a client without settings of its own
POLL_S = 0.03
LOOK_S = 1.0
ALIVE_S = 0.25  # between two questions whether a service lives: each costs an engine some milliseconds
JOINED_S = 2.0  # a service that began so long before a wait did was not started by it
PATIENCE_S = 10.0  # with one that was ready before and does not answer now
LACKING = re.compile(rf"exit code {MachineLacks.exit_code}\b")  # how a service says what its machine lacks
BROKEN = "is not healthy"  # Triton's words for a model whose process is gone: it starts no other one
UNLOADED = "a load, for the model is not loaded"
IDLE_EFFORT = 0.005  # what a server that waits for nothing spends in a second


def probe(ready: Ready, running: Running, log_tail: Callable[[], list[str]]) -> str:
    """What is still awaited, in a few words; empty once the service is ready."""
    if ready.kind == "log":
        seen = any(re.search(ready.pattern, line) for line in log_tail())
        return "" if seen else f"a log line like {ready.pattern!r}"
    port = running.ports[ready.port or next(iter(running.ports))]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PROBE_S) as connection:
            if ready.kind == "grpc" and not _speaks_http2(connection):
                return "the model to load"
    except OSError:
        return "the model to load"
    if ready.kind == "http":
        return _http(port, ready.path)
    if ready.kind == "triton":
        return _triton(port, ready.model)
    return _grpc(port, ready.service) if ready.kind == "grpc" else ""


def _http(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"an answer over HTTP ({type(error).__name__})"
    finally:
        connection.close()
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return "the model to load"  # what servers of language models answer meanwhile
    return "" if status == http.HTTPStatus.OK else f"HTTP 200 instead of {status}"


def _triton(port: int, model: str) -> str:
    """Triton calls a model ready whose process was killed: so it has to write a token."""
    from june_cli.assistant.repository import Repository, served_name

    triton, name = Repository(f"127.0.0.1:{port}", answer_s=PROBE_S), served_name(model)
    if not triton.live():
        return "an answer from Triton"
    if triton.ready(name):
        return triton.probe(name)
    try:
        state = triton.state(name).state
    except JuneError:
        return "an answer from Triton"
    # the server answers once it has loaded what it was started with: nobody loads what is not loaded now
    return UNLOADED if state in ("", "UNAVAILABLE") else "the model to load"


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether a server is at the other end, found out without the cost of a channel.

    Docker's proxy accepts for a program that does not listen yet, and then hangs up. A server of HTTP/2
    begins with its settings (RFC 9113, 3.4).
    """
    connection.sendall(PREFACE)
    return len(connection.recv(1)) > 0


def _grpc(port: int, service: str) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PROBE_S)
        except grpc.RpcError as error:
            return f"an answer over gRPC ({error.code().name})"
    return "" if reply.status == health_pb2.HealthCheckResponse.SERVING else "its health to be SERVING"


@dataclass
class Wait:
    """The wait for one service. Ask `poll` until it returns an empty string."""

    engine: Engine
    service: Service
    running: Running
    started: float = field(default_factory=time.monotonic)
    reason: str = ""
    _effort: float = 0.0
    _looked: float = field(default_factory=time.monotonic)
    _moved: float = field(default_factory=time.monotonic)
    _seen_alive: float = -math.inf

    @property
    def joined(self) -> bool:
        """Whether it has been running for so long that it should have been ready before this wait began."""
        return time.time() - self.running.started_at > time.monotonic() - self.started + JOINED_S

    def poll(self) -> str:
        """What is awaited now. NotReady, with the log's last lines, when it ended or stopped moving."""
        ready = self.service.ready
        self.reason = probe(ready, self.running, lambda: self.engine.log_tail(self.service.name, 200))
        if not self.reason or time.monotonic() - self._seen_alive > ALIVE_S:
            ended = self.engine.alive(self.running)  # also of one that answers: it may be another's port
            if ended:
                raise self._failed(ended)
            self._seen_alive = time.monotonic()
        if not self.reason:
            trouble = self.engine.trouble(self.running) if self.service.gpu else ""
            if trouble:
                raise self._failed(trouble)
            return ""
        if BROKEN in self.reason:
            raise self._failed(f"it waits for {self.reason}, in vain")
        if self.reason == UNLOADED:
            raise NotReady(
                "model-not-loaded",
                f"{self.service.name} runs, and {self.service.model} is not loaded in it.",
                hint=f"june model load {self.service.model}",
            )
        now = time.monotonic()
        self._look(now)
        deadline_s, stall_s = ready.deadline_s, ready.stall_s
        if self.joined and time.time() - self.running.started_at > deadline_s:  # it was ready once: it hangs
            deadline_s, stall_s = PATIENCE_S, PATIENCE_S
        waited = now - self.started
        if waited > ready.limit_s or (waited > deadline_s and now - self._moved > stall_s):
            raise self._failed(f"it was not ready after {waited:.0f} s, still waiting for {self.reason}")
        return self.reason

    def _look(self, now: float) -> None:
        """Whether it works on something: asked about once a second, for asking costs an engine something."""
        passed = now - self._looked
        if passed < min(LOOK_S, self.service.ready.stall_s / 4):
            return
        self._looked = now
        effort = self.engine.effort(self.running)
        if effort - self._effort > passed * IDLE_EFFORT:
            self._moved = now
        self._effort = max(effort, self._effort)

    def _failed(self, why: str) -> JuneError:
        lines = [line for line in self.engine.log_tail(self.service.name, 40) if re.search(r"\w", line)]
        said = f"; it said: {logs.sentence(lines[-1])[:300]}" if lines else ""
        name = self.service.name
        if self.joined:
            return NotReady(
                "service-failed",
                f"{name} runs but does not work: {why}{said}.",
                hint=f"june serve restart {name}",
            )
        log = f"its log: {self.running.log}" if self.running.log else f"june serve logs {name}"
        if LACKING.search(why):
            return MachineLacks("service-lacks", f"{name} did not start: {why}{said}.", hint=log)
        return NotReady("service-failed", f"{name} did not start: {why}{said}.", hint=log)


def ready_now(engine: Engine, service: Service, running: Running) -> str:
    """Why a running service is not ready at this moment; empty when it is."""
    try:
        return engine.alive(running) or probe(
            service.ready, running, lambda: engine.log_tail(service.name, 200)
        )
    except JuneError as error:
        return error.message
