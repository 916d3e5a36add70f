"""Jobs and secrets in containers: events and one result come out, a secret stays secret, nothing stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from june_cli.engine.docker import DockerEngine
from june_cli.errors import JuneError, MachineLacks
from june_cli.output import Output
from june_cli.spec import Job, Mount, Port, Ready, Secret, Service

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune

pytestmark = pytest.mark.docker

WORD = "a-word-that-nobody-may-see"
TELL = """
import json, os, sys
print(json.dumps({"event": "looking"}), flush=True)
print("a library's chatter")
print("a log line", file=sys.stderr)
print(json.dumps({"result": {"secret": open(os.environ["TOKEN_FILE"]).read(), "uid": os.getuid()}}))
"""
WRITE = """
import json, os, pathlib
out = pathlib.Path(os.environ["JUNE_OUT"])
(out / "made").write_text(pathlib.Path(os.environ["JUNE_MODEL_DIR"], "in").read_text())
try:
    pathlib.Path(os.environ["JUNE_MODEL_DIR"], "spoiled").write_text("")
    spoiled = True
except OSError:
    spoiled = False
print(json.dumps({"result": {"spoiled": spoiled}}))
"""
SLEEP = "import json, time; print(json.dumps({'event': 'here'}), flush=True); time.sleep(99)"
CALLER = """
import os, pathlib, sys
from june_cli.engine.docker import DockerEngine
from june_cli.main import _handle_signals
from june_cli.spec import Job, Secret
_handle_signals()
secret = Secret("token", pathlib.Path(sys.argv[2]), "TOKEN_FILE")
job = Job("sleeper", "sleeps", "tts", ("python", "-c", sys.argv[3]), secrets=(secret,), deadline_s=60.0)
DockerEngine(os.environ, pathlib.Path(sys.argv[1])).run_job(job, lambda event: print(event, flush=True))
"""


@pytest.fixture
def engine(docked: DockerJune) -> Iterator[DockerEngine]:
    """The engine of a home, with the voice's image there."""
    made = DockerEngine(os.environ, docked.home / "state")
    made.builder(Output()).ensure(["tts"])
    yield made
    made.stop("keeper")
    made.client.close()


@pytest.fixture
def token(tmp_path: Path) -> Secret:
    """A secret in a file that only its owner may read."""
    path = tmp_path / "token"
    path.write_text(WORD)
    path.chmod(0o600)
    return Secret("token", path, "TOKEN_FILE")


def job(code: str, *secrets: Secret, **more: Any) -> Job:
    return Job("asker", "asks", "tts", ("python", "-c", code), secrets=secrets, **more)


def clean(june: DockerJune) -> bool:
    """No container, and no copy of a secret."""
    copies = (june.home / "state" / "docker" / "secrets").rglob("*")
    return june.containers() == [] and not any(path.is_file() for path in copies)


def test_a_job_reports_events_and_one_result_and_reads_its_secret(
    docked: DockerJune, engine: DockerEngine, token: Secret
) -> None:
    events: list[dict[str, Any]] = []
    result = engine.run_job(job(TELL, token), events.append)
    assert result["secret"] == WORD
    assert result["uid"] != 0
    assert events == [{"event": "looking"}]
    assert clean(docked)


def test_a_job_writes_into_the_folder_that_is_made_for_it_and_nowhere_else(
    docked: DockerJune, engine: DockerEngine, tmp_path: Path
) -> None:
    """As nobody, where the caller is root: what a build leaves is written this way."""
    del docked
    source, out = tmp_path / "source", tmp_path / "builds" / "out"
    source.mkdir()
    (source / "in").write_text("weights")
    for folder in (source, *source.parents):
        if folder.is_relative_to(tmp_path.parent):
            folder.chmod(0o755)
    mounts = (
        Mount(source, "/source", "JUNE_MODEL_DIR"),
        Mount(out, "/out", "JUNE_OUT", read_only=False, made=True),
    )
    for _ in range(2):  # and a second time into the same one
        assert engine.run_job(job(WRITE, mounts=mounts), lambda _: None) == {"spoiled": False}
    assert (out / "made").read_text() == "weights"


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("raise SystemExit('no luck')", "job-failed", "no luck"),
        ('print(\'{"error": {"code": "bad-day", "message": "it rains."}}\')', "bad-day", "it rains."),
        ("pass", "job-failed", "it said nothing"),
        ("import os; os.kill(os.getpid(), 9)", "job-failed", "SIGKILL"),
    ],
)
def test_a_job_that_fails_says_why(
    docked: DockerJune, engine: DockerEngine, token: Secret, code: str, error: str, words: str
) -> None:
    with pytest.raises(JuneError) as caught:
        engine.run_job(job(code, token), lambda _: None)
    assert caught.value.code == error
    assert words in caught.value.message
    assert clean(docked)


def test_a_job_out_of_memory_says_so(docked: DockerJune, engine: DockerEngine) -> None:
    with pytest.raises(JuneError, match="ran out of memory"):
        engine.run_job(job("bytearray(10**9)", memory_bytes=50_000_000), lambda _: None)
    assert clean(docked)


def test_a_job_past_its_deadline_is_ended(docked: DockerJune, engine: DockerEngine, token: Secret) -> None:
    began = time.monotonic()
    with pytest.raises(JuneError) as caught:
        engine.run_job(job(SLEEP, token, deadline_s=1.5), lambda _: None)
    assert caught.value.code == "timeout"
    assert time.monotonic() - began < 10
    assert clean(docked)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_job_ends_with_the_june_that_ran_it(
    docked: DockerJune, engine: DockerEngine, token: Secret, signum: int
) -> None:
    state = str(docked.home / "state")
    child = subprocess.Popen(
        [sys.executable, "-c", CALLER, state, str(token.source), SLEEP], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout
    assert "here" in child.stdout.readline()
    assert len(docked.containers()) == 1
    child.send_signal(signum)
    child.communicate(timeout=20)
    if signum == signal.SIGKILL:  # the next june sweeps
        engine.prepare([job(TELL, token)], Output())
    assert docked.containers() == []
    engine.run_job(job(TELL, token), lambda _: None)
    assert clean(docked) or signum == signal.SIGKILL


def test_a_secret_is_in_no_inspection_no_argument_and_no_log(
    docked: DockerJune, engine: DockerEngine, token: Secret
) -> None:
    code = (
        "import os, socket, time; open(os.environ['TOKEN_FILE']).read(); s = socket.create_server(('', 80))"
    )
    service = Service(
        *("keeper", "keeps a secret", "tts", ("python", "-c", f"{code}; time.sleep(99)")),
        ports=(Port("http", 80, "PORT"),),
        secrets=(token,),
        ready=Ready("port"),
        stop_s=1.0,
    )
    engine.launch(service, keep=False)
    found = docked.container("keeper")
    assert WORD not in json.dumps(found)
    assert not any(WORD in " ".join(p) for p in docked.client.top(found["Id"])["Processes"])
    (copy,) = (docked.home / "state" / "docker" / "secrets").rglob("token")
    assert copy.stat().st_mode & 0o777 == 0o400
    assert copy.parent.stat().st_mode & 0o077 == 0 or os.geteuid() == 0
    assert WORD not in engine.describe(service, keep=False) + str(engine.prerequisites([service]))
    engine.release("keeper")
    assert clean(docked)


def test_a_secret_that_is_not_there_starts_nothing(
    docked: DockerJune, engine: DockerEngine, tmp_path: Path
) -> None:
    missing = Secret("token", tmp_path / "no-such-file", "TOKEN_FILE")
    with pytest.raises(MachineLacks) as caught:
        engine.run_job(job(TELL, missing), lambda _: None)
    assert caught.value.code == "secret-unreadable"
    assert clean(docked)


@pytest.mark.parametrize(
    ("address", "exit_code", "error"),
    [
        ("unix:///nowhere/docker.sock", 3, "docker-missing"),
        ("tcp://127.0.0.1:9", 3, "docker-missing"),
        ("tcp://192.0.2.7:2375", 3, "docker-remote"),
        ("ssh://someone@192.0.2.7", 3, "docker-remote"),
        ("nonsense://x", 3, "docker-remote"),
        ("tcp://localhost:port", 2, "docker-host"),
    ],
)
def test_an_address_where_no_engine_is(docked: DockerJune, address: str, exit_code: int, error: str) -> None:
    docked.environ["DOCKER_HOST"] = address
    for words in (("serve", "start", "tts"), ("serve", "status")):
        assert docked(*words, "--json", code=exit_code).json["error"]["code"] == error
