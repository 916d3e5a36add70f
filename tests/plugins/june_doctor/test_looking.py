"""The real machine: asked once, never for ever, with nothing left running."""

from __future__ import annotations

import http.server
import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from june_doctor import listening
from june_doctor.looking import Once, Tools

from june_cli.checks import Listener
from june_cli.engine.processes import MARK
from june_cli.engine.record import Record, Records, me
from june_cli.errors import JuneError, MachineLacks

LATE = JuneError("late", "too late.")


def test_many_ask_and_it_is_asked_once() -> None:
    asked: list[int] = []

    def ask() -> int:
        time.sleep(0.1)
        asked.append(1)
        return len(asked)

    once = Once(ask, 5.0, LATE)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(once())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 8


def test_an_error_is_an_answer_too() -> None:
    once: Once[int] = Once(lambda: 1 // 0, 5.0, LATE)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            once()


def test_nobody_waits_for_an_answer_that_does_not_come() -> None:
    never = threading.Event()
    once = Once(never.wait, 0.1, LATE)
    with pytest.raises(JuneError, match="too late"):
        once()
    never.set()


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    made = Tools({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    yield made
    made.end()


def program(folder: Path, name: str, text: str, mode: int = 0o755) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(mode)


def test_a_program_runs_once_whoever_asks(tools: Tools, tmp_path: Path) -> None:
    program(tmp_path, "tool", f"echo x >> {tmp_path}/runs; echo said $1 in $LC_ALL")
    for _ in range(3):
        assert tools(["tool", "it"], 5.0).stdout == "said it in C\n"
    assert tools(["tool", "more"], 5.0).stdout == "said more in C\n"
    assert (tmp_path / "runs").read_text() == "x\nx\n"


def test_a_program_that_is_not_there_or_is_none(tools: Tools, tmp_path: Path) -> None:
    program(tmp_path, "plain", "true", mode=0o644)
    (tmp_path / "rubbish").write_bytes(b"\x7fELF\x00")
    (tmp_path / "rubbish").chmod(0o755)
    for name in ("no-such-program", "plain", "rubbish"):
        with pytest.raises(MachineLacks) as lacking:
            tools([name], 5.0)
        assert lacking.value.code == "program-missing"


def sleeping(seconds: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", seconds]]


def test_a_program_that_hangs_is_ended(tools: Tools) -> None:
    with pytest.raises(JuneError) as late:
        tools(["sleep", "71.25"], 0.3)
    assert late.value.code == "timeout"
    assert sleeping("71.25") == []


def test_what_still_runs_at_the_end_is_ended(tools: Tools) -> None:
    def ask() -> None:
        with pytest.raises(JuneError):
            tools(["sleep", "72.25"], 60.0)

    thread = threading.Thread(target=ask)
    thread.start()
    while not sleeping("72.25"):
        time.sleep(0.01)
    tools.end()
    assert sleeping("72.25") == []
    thread.join(5)
    with pytest.raises(JuneError, match="nobody waits"):
        tools(["true"], 5.0)


def no_docker() -> object:
    raise MachineLacks("docker-missing", "no Docker Engine answers.")


def test_who_listens_on_a_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        port, unwanted = taken.getsockname()[1], other.getsockname()[1]
        found = listening.listeners({port, 1}, tmp_path, {}, no_docker)
        assert set(found) == {port}
        assert found[port].who.endswith(f"(process {os.getpid()})")
        assert found[port].service == ""
        assert unwanted not in found


LISTEN = (
    "import socket, sys, time; s = socket.create_server(('127.0.0.1', 0)); "
    "print(s.getsockname()[1], flush=True); time.sleep(60)"
)
Serving = Callable[..., int]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """A process that listens, as a service of the June whose state is in a folder; returns the port."""
    running: list[subprocess.Popen[str]] = []

    def start(state: Path) -> int:
        child = subprocess.Popen(
            [sys.executable, "-c", LISTEN],
            stdout=subprocess.PIPE,
            text=True,
            env={MARK: str(state / "services"), "JUNE_SERVICE": "tts"},
        )
        running.append(child)
        assert child.stdout
        return int(child.stdout.readline())

    yield start
    for child in running:
        child.kill()
        child.communicate()


def test_a_service_of_this_june_is_known_and_whether_anybody_uses_it(
    tmp_path: Path, serving: Serving
) -> None:
    state = tmp_path / "state"
    port = serving(state)

    def found() -> Listener:
        return listening.listeners({port}, state, {}, no_docker)[port]

    assert (found().service, found().stale) == ("tts", True)
    records = Records(state / "services")
    records.folder.mkdir(parents=True)
    record = Record("tts", "hash", "voice", {"grpc": port}, "log", False, 0.0, me(), (me(),))
    records.write(record)
    assert (found().service, found().stale) == ("tts", False)
    records.write(record.without_user(me()))
    assert found().stale


def test_a_service_of_another_june_is_somebody_elses(tmp_path: Path, serving: Serving) -> None:
    port = serving(tmp_path / "other" / "state")
    found = listening.listeners({port}, tmp_path / "state", {}, no_docker)[port]
    assert found.service == ""
    assert found.who.startswith(f"tts of the June in {tmp_path / 'other'} (process")


class FakeDaemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Docker's socket, with prepared answers."""

    daemon_threads = True
    answers: dict[str, Any]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/v1.41")
        server: Any = self.server
        body = b"OK" if path == "/_ping" else json.dumps(server.answers.get(path, {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        del words


@pytest.fixture
def fake_docker(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], dict[str, str]]]:
    pytest.importorskip("docker", reason="needs the Python package docker")
    servers: list[FakeDaemon] = []

    def start(answers: dict[str, Any]) -> dict[str, str]:
        path = tmp_path / "docker.sock"
        server = FakeDaemon(str(path), Handler)
        server.answers = answers
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return {"DOCKER_HOST": f"unix://{path}"}

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_forwarded_port_is_told_by_its_container(
    tmp_path: Path, fake_docker: Callable[[dict[str, Any]], dict[str, str]]
) -> None:
    mine = {"june.home": str(tmp_path), "june.service": "stt"}
    listed = [
        {"Names": ["/june-stt-1"], "Labels": mine, "Ports": [{"PublicPort": 50051}, {"PrivatePort": 9}]},
        {"Names": ["/web"], "Labels": None, "Ports": [{"PublicPort": 8080}]},
    ]
    environ = fake_docker({"/containers/json": listed})
    hidden = {50051: None, 8080: None, 9999: None}  # root's docker-proxy, seen by somebody else
    found = listening.listeners(hidden, tmp_path, environ, dict, lambda: hidden)
    assert found == {
        50051: Listener("container june-stt-1", "stt"),
        8080: Listener("container web"),
        9999: Listener("a program of another user"),
    }
    silent = listening.listeners(hidden, tmp_path, environ, no_docker, lambda: hidden)
    assert silent[8080].who == "a program of another user"
