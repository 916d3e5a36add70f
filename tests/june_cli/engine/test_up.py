"""Services come up together, and go down again whatever happens in between."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from june_cli.engine import up
from june_cli.engine.up import using
from june_cli.errors import MachineLacks, NotReady
from june_cli.invocation import Invocation
from june_cli.output import Output
from june_cli.testing import FakeEngine
from june_cli.words import GlobalWords

CONFIG = """
[profiles.tiny.stt]
loader = "moonshine"
path = "{0}"
[profiles.tiny.llm]
path = "{0}"
[profiles.tiny.tts]
loader = "hibari"
path = "{0}"
"""


@pytest.fixture
def invocation(tmp_path: Path, engine: FakeEngine) -> Invocation:
    """A run whose models are folders of one's own, so that nothing is fetched."""
    (tmp_path / "model").mkdir()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(CONFIG.format(tmp_path / "model"))
    out = Output(stdout=io.StringIO(), stderr=io.StringIO())
    return Invocation(GlobalWords(), {"JUNE_HOME": str(tmp_path)}, out, given_engine=engine)


@pytest.fixture
def health(engine: FakeEngine) -> Iterator[None]:
    """Something that answers like each service does when it is ready."""
    import threading
    from concurrent.futures import ThreadPoolExecutor
    from http.server import BaseHTTPRequestHandler, HTTPServer

    import grpc
    from grpc_health.v1 import health as checks
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    class Fine(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    server = grpc.server(ThreadPoolExecutor(1))
    checker = checks.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checker, server)
    for name in ("june.asr.v1.SpeechToText", "june.tts.v1.TextToSpeech"):
        checker.set(name, health_pb2.HealthCheckResponse.SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    web = HTTPServer(("127.0.0.1", 0), Fine)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    engine.addresses |= {"stt": port, "tts": port, "llm": web.server_port}
    yield
    web.shutdown()
    web.server_close()
    thread.join()
    server.stop(None).wait()


@pytest.mark.usefixtures("health")
def test_all_services_are_ready_inside_and_let_go_afterwards(
    invocation: Invocation, engine: FakeEngine
) -> None:
    with using(invocation, ("stt", "llm", "tts")) as running:
        assert list(running) == ["stt", "llm", "tts"]
        assert engine.released == []
    assert engine.released == ["stt", "llm", "tts"]
    assert engine.kept == set()


@pytest.mark.usefixtures("health")
def test_keep_is_said_once_all_are_ready(invocation: Invocation, engine: FakeEngine) -> None:
    with using(invocation, ("stt", "tts"), keep=True):
        assert engine.kept == {"stt", "tts"}


@pytest.mark.usefixtures("health")
def test_an_error_in_the_block_lets_go_too(invocation: Invocation, engine: FakeEngine) -> None:
    with pytest.raises(ZeroDivisionError), using(invocation, ("stt",)):
        raise ZeroDivisionError
    assert engine.released == ["stt"]


@pytest.mark.usefixtures("health")
def test_one_that_fails_takes_the_others_down_and_keeps_none(
    invocation: Invocation, engine: FakeEngine
) -> None:
    engine.endings["llm"] = "it ended with exit code 1"
    with pytest.raises(NotReady, match="llm did not start: it ended with exit code 1"):
        with using(invocation, ("stt", "llm", "tts"), keep=True):
            pytest.fail("not ready")
    assert engine.released == ["stt", "llm", "tts"]
    assert engine.kept == set()


def test_a_port_taken_in_the_last_moment_is_tried_again_a_few_times(
    invocation: Invocation, engine: FakeEngine
) -> None:
    engine.endings["tts"] = "it ended with exit code 98"
    with pytest.raises(NotReady), using(invocation, ("tts",)):
        pytest.fail("not ready")
    assert [service.name for service in engine.launched] == ["tts"] * 3


def test_a_folder_that_is_not_there_is_named_before_anything_starts(
    invocation: Invocation, engine: FakeEngine, tmp_path: Path
) -> None:
    (tmp_path / "model").rmdir()
    with pytest.raises(MachineLacks, match="there is no model folder"), using(invocation, ("stt",)):
        pytest.fail("not there")
    assert engine.launched == []


LARGE = """
[profiles.tiny.llm]
model = "smollm2-135m-instruct"
path = ""
context_tokens = 900000000
"""


def large(tmp_path: Path, engine: FakeEngine) -> Invocation:
    """A run whose language model needs more memory than any machine has, and is not in the store."""
    (tmp_path / "config").mkdir(exist_ok=True)
    (tmp_path / "config" / "config.toml").write_text(LARGE)
    out = Output(stdout=io.StringIO(), stderr=io.StringIO())
    return Invocation(GlobalWords(), {"JUNE_HOME": str(tmp_path)}, out, given_engine=engine)


def test_what_does_not_fit_is_refused_before_anything_is_fetched_or_started(
    tmp_path: Path, engine: FakeEngine
) -> None:
    with pytest.raises(MachineLacks) as caught, using(large(tmp_path, engine), ("llm",)):
        pytest.fail("it cannot fit")
    assert caught.value.code == "plan-does-not-fit"
    assert "--force" in caught.value.hint
    assert engine.launched == []
    assert not (tmp_path / "models").exists()


def test_what_runs_already_is_not_judged_again_and_force_judges_nothing(
    invocation: Invocation, engine: FakeEngine, tmp_path: Path
) -> None:
    del invocation  # its folder is the model of the next one
    june = large(tmp_path, engine)
    with pytest.raises(MachineLacks, match="do not fit"):
        up.require_fit(june, ("stt", "llm"))
    engine.launch(june.roles.service("llm", engine.name), keep=True)
    up.require_fit(june, ("llm",))
    with pytest.raises(MachineLacks):
        up.require_fit(june, ("llm",), restart=True)


def test_readiness_by_http_waits_for_200(tmp_path: Path) -> None:
    from june_cli.engine.ready import probe
    from june_cli.spec import Ready

    del tmp_path
    from june_cli.engine import Running

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        running = Running(
            "x", "fake", "1", {"http": deaf.getsockname()[1]}, "", "", kept=False, started_at=0.0
        )
        assert probe(Ready("http", port="http"), running, list) == "an answer over HTTP (TimeoutError)"
        assert probe(Ready("port", port="http"), running, list) == ""
    assert probe(Ready("http", port="http"), running, list) == "the model to load"
