"""Finding a Docker Engine, and saying what is in the way: with tiny servers on real sockets in its place."""

from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker.errors import StreamParseError

from june_cli.engine import daemon
from june_cli.errors import JuneError, MachineLacks

Answer = Callable[[str], bytes]
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket")  # the SDK's, where it could not connect


@pytest.fixture(autouse=True)
def _unclosed_sockets_are_those_of_the_test() -> Iterator[None]:
    yield
    gc.collect()


def http(status: int = 200, body: str = "OK", kind: str = "text/plain") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n"
    return f"{head}Connection: close\r\n\r\n{body}".encode()


def refusal(status: int, message: str) -> bytes:
    return http(status, json.dumps({"message": message}), "application/json")


class Engine:
    """Answers every request with what `answer` makes of its first line; `None` says nothing for ever."""

    def __init__(self, listening: socket.socket, answer: Answer | None) -> None:
        self.asked: list[str] = []
        self._listening, self._answer, self._open = listening, answer, list[socket.socket]()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            request = connection.recv(1 << 16).decode()
            if request and self._answer:
                self.asked.append(request.partition(" HTTP")[0])
                connection.sendall(self._answer(self.asked[-1]))
                connection.close()

    def end(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        for one in (self._listening, *self._open):
            one.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket's path, and open to other users."""
    made = Path(tempfile.mkdtemp(prefix="june-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def engine(folder: Path) -> Iterator[Callable[..., Engine]]:
    started: list[Engine] = []

    def start(answer: Answer | bytes | None, tcp: bool = False) -> Engine:
        listening = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        listening.bind(("127.0.0.1", 0) if tcp else str(folder / "d.sock"))
        listening.listen()
        said = (lambda _: answer) if isinstance(answer, bytes) else answer
        started.append(Engine(listening, said))
        started[-1].port = listening.getsockname()[1] if tcp else 0  # type: ignore[attr-defined]
        return started[-1]

    yield start
    for one in started:
        one.end()


def at(folder: Path) -> dict[str, str]:
    return {"DOCKER_HOST": f"unix://{folder}/d.sock"}


def refused(environ: dict[str, str], code: str, answer_s: float = 5) -> JuneError:
    with pytest.raises(JuneError) as caught:
        daemon.connect(environ, answer_s)
    assert caught.value.code == code
    return caught.value


def test_an_engine_that_answers_is_spoken_to_in_the_version_all_engines_know(
    folder: Path, engine: Callable[..., Engine]
) -> None:
    asked = engine(http()).asked
    client = daemon.connect(at(folder))
    assert asked == ["GET /v1.41/_ping"]
    assert client.timeout == daemon.CALL_S
    client.close()


def test_an_engine_on_a_loopback_port_is_reached_past_every_proxy(
    engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    port = engine(http(), tcp=True).port  # type: ignore[attr-defined]
    daemon.connect({"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}).close()
    daemon.connect({"DOCKER_HOST": f"127.0.0.1:{port}"}).close()


def test_an_engine_that_has_given_up_old_versions_is_spoken_to_in_the_oldest_it_has(
    folder: Path, engine: Callable[..., Engine]
) -> None:
    said = "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client"
    started = engine(lambda asked: http() if "v1.44" in asked else refusal(400, said))
    daemon.connect(at(folder)).close()
    assert started.asked == ["GET /v1.41/_ping", "GET /v1.44/_ping"]


@pytest.mark.parametrize(
    "said",
    [
        "client version 1.41 is too new. Maximum supported API version is 1.39",
        "client version 1.41 is too old. Minimum supported API version is 1.99, please upgrade",
    ],
)
def test_an_engine_too_far_from_june_is_named_as_that(
    folder: Path, engine: Callable[..., Engine], said: str
) -> None:
    engine(refusal(400, said))
    error = refused(at(folder), "docker-old")
    assert said in error.message
    assert error.exit_code == 3


def test_an_engine_that_hangs_is_named_before_long(folder: Path, engine: Callable[..., Engine]) -> None:
    engine(None)
    began = time.monotonic()
    error = refused(at(folder), "docker-silent", answer_s=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    assert error.hint == "sudo systemctl restart docker"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff" * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nOK",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\n",
        http(200, "<html>It works!</html>"),
        http(200, ""),
        http(500, "[]", "application/json"),
        http(500, "{}", "application/json"),
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_docker_engine_is_named_as_that(
    folder: Path, engine: Callable[..., Engine], answer: bytes
) -> None:
    engine(answer)
    error = refused(at(folder), "docker-missing")
    assert f"{folder}/d.sock" in error.message
    assert error.exit_code == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (refusal(500, "layer store is corrupt"), "layer store is corrupt"),
        (http(502, "Bad Gateway"), "Bad Gateway"),
        (http(500, ""), "500"),
    ],
)
def test_what_an_engine_says_of_its_own_trouble_is_passed_on(
    folder: Path, engine: Callable[..., Engine], answer: bytes, words: str
) -> None:
    engine(answer)
    assert words in refused(at(folder), "docker-refused").message


def test_an_engine_without_room_on_its_disk_is_named_as_that(
    folder: Path, engine: Callable[..., Engine]
) -> None:
    engine(refusal(500, "write /var/lib/docker/x: no space left on device"))
    assert refused(at(folder), "disk-full").hint == "june image prune; docker system df"


@pytest.mark.parametrize("left", ["nothing", "a stale socket", "a file"])
def test_where_nothing_answers_the_engine_is_missing(folder: Path, left: str) -> None:
    if left == "a stale socket":
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(folder / "d.sock"))
    elif left == "a file":
        (folder / "d.sock").write_text("")
    error = refused(at(folder), "docker-missing")
    assert "--engine process" in error.hint


@pytest.mark.parametrize("closed", ["the socket", "its folder"])
def test_an_engine_this_user_may_not_use_is_named_as_that(
    folder: Path, engine: Callable[..., Engine], closed: str
) -> None:
    engine(http())
    (folder / "d.sock" if closed == "the socket" else folder).chmod(0o000)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        error = refused(at(folder), "docker-permission")
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
    assert "usermod -aG docker" in error.hint


@pytest.mark.parametrize("form", ["unix://{}/d.sock", "http+unix://{}/d.sock", "unix:{}/d.sock"])
def test_every_way_to_write_a_sockets_address_is_understood(
    folder: Path, engine: Callable[..., Engine], form: str
) -> None:
    engine(http())
    daemon.connect({"DOCKER_HOST": form.format(folder)}).close()


def context(home: Path, name: str, host: str, *, used: str) -> None:
    meta = home / "contexts/meta" / name / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    (home / "config.json").write_text(json.dumps({"currentContext": used}))


def test_an_engine_of_a_context_is_connected_to(folder: Path, engine: Callable[..., Engine]) -> None:
    engine(http())
    context(folder, "mine", f"unix://{folder}/d.sock", used="mine")
    context(folder, "far", "ssh://ann@gpu.example", used="mine")
    chosen = {"DOCKER_CONFIG": str(folder)}
    daemon.connect(chosen).close()
    refused({**chosen, "DOCKER_CONTEXT": "far"}, "docker-remote")


def test_a_context_that_is_not_there_is_named_and_no_other_engine_is_used_in_its_place(
    folder: Path, engine: Callable[..., Engine]
) -> None:
    asked = engine(http()).asked
    context(folder, "mine", f"unix://{folder}/d.sock", used="gone")
    chosen = {"DOCKER_CONFIG": str(folder)}
    assert refused(chosen, "docker-context").hint == "docker context use default"
    assert refused({**chosen, "DOCKER_CONTEXT": "typo"}, "docker-context").hint == "unset DOCKER_CONTEXT"
    assert asked == []
    daemon.connect({**chosen, **at(folder)}).close()


def test_what_an_engine_says_of_itself_is_passed_on(folder: Path, engine: Callable[..., Engine]) -> None:
    told = http(200, json.dumps({"ServerVersion": "20.10.24"}), "application/json")
    engine(lambda asked: told if asked.endswith("/info") else http())
    assert daemon.info(at(folder))["ServerVersion"] == "20.10.24"


def test_an_engine_that_talks_nonsense_later_on_is_explained_too(
    folder: Path, engine: Callable[..., Engine]
) -> None:
    engine(lambda asked: http() if "_ping" in asked else http(200, "<html>"))
    with pytest.raises(MachineLacks, match="no Docker Engine") as caught:
        daemon.info(at(folder))
    assert caught.value.code == "docker-missing"


def test_an_engine_that_breaks_off_in_the_middle_is_explained() -> None:
    import requests
    import urllib3

    broken = requests.exceptions.ChunkedEncodingError("Connection broken")
    for error in (broken, urllib3.exceptions.ProtocolError("broken"), StreamParseError("{")):
        with pytest.raises(MachineLacks, match=r"no Docker Engine answers\.") as caught:
            with daemon.explained("http+docker://localhost"):
                raise error
        assert caught.value.code == "docker-missing"


def test_errors_of_june_itself_are_left_alone() -> None:
    with pytest.raises(KeyError), daemon.explained("x"):
        raise KeyError("a mistake in June")
