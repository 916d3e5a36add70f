"""The real june, in a process of its own, with a home of its own and one shared store of models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from june_cli.engine.processes import MARK
from june_cli.errors import MachineLacks

TIMEOUT_S = 120.0
BUILD_S = 900.0  # images that are not there yet are built first


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True)
class Ran:
    """How one june ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value of stdout."""
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines of stderr."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


@dataclass
class RealJune:
    """Runs `python -m june_cli` with an environment of its own."""

    home: Path
    work: Path
    environ: dict[str, str] = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "june_cli", *words]

    @property
    def env(self) -> dict[str, str]:
        base = {k: v for k, v in os.environ.items() if not k.startswith("JUNE_")}
        return {**base, "JUNE_HOME": str(self.home), **self.environ}

    def __call__(self, *words: str, stdin: str = "", code: int | None = 0) -> Ran:
        done = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=self.timeout_s,
            cwd=self.work,
            env=self.env,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in ran.err, ran.err
        if code is not None:
            assert ran.code == code, ran
        return ran

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.work,
            env=self.env,
        )

    def services(self) -> list[psutil.Process]:
        """Every live service process of this home, recorded or not."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(MARK, "").startswith(self.env["JUNE_HOME"])
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def wait_for(self, child: subprocess.Popen[str], text: str, timeout_s: float = 60.0) -> None:
        """Read a child's stderr until a line has `text`."""
        assert child.stderr
        end = time.monotonic() + timeout_s
        for line in child.stderr:
            if text in line:
                return
            assert time.monotonic() < end, f"no {text!r} in time"
        raise AssertionError(f"the program ended without saying {text!r}")

    def finish(self, child: subprocess.Popen[str]) -> Ran:
        out, err = child.communicate(timeout=TIMEOUT_S)
        assert "Traceback" not in err, err
        return Ran(child.returncode, out, err)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fetched once for the whole run, by June itself; JUNE_TEST_MODELS reuses a store across runs."""
    given = os.environ.get("JUNE_TEST_MODELS")
    return Path(given) if given else tmp_path_factory.mktemp("models")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "june-home"


@pytest.fixture
def real(home: Path, tmp_path: Path, models: Path) -> Iterator[RealJune]:
    """A june of its own; services that outlive the test are ended, and fail it unless it kept them."""
    work = tmp_path / "work"
    work.mkdir()
    june = RealJune(home, work, {"MODEL_CACHE_DIR": str(models)})
    yield june
    for process in june.services():
        process.send_signal(signal.SIGKILL)


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[RealJune]:
    """A june whose three services run for the whole session."""
    base = tmp_path_factory.mktemp("up")
    (base / "work").mkdir()
    june = RealJune(base / "home", base / "work", {"MODEL_CACHE_DIR": str(models)})
    june("serve", "start")
    yield june
    june("serve", "stop")
    assert not june.services()


@pytest.fixture(scope="session")
def question(up: RealJune) -> Path:
    """A spoken question, made by June's own voice."""
    path = up.work / "question.wav"
    up("tts", "say", "What is the capital of France?", "-o", str(path))
    return path


def required(what: str, why: str) -> None:
    """Skip, saying what is lacking; where JUNE_REQUIRE names it, as in CI, that is a failure."""
    if what in os.environ.get("JUNE_REQUIRE", "").split(","):
        pytest.fail(f"JUNE_REQUIRE={os.environ['JUNE_REQUIRE']}, and {why}")
    pytest.skip(f"needs {what}: {why}")


@dataclass
class DockerJune(RealJune):
    """A june that runs everything in Docker, and a look at what is there."""

    client: Any = None
    timeout_s: float = BUILD_S

    def containers(self, *, running: bool = False) -> list[dict[str, Any]]:
        """What `docker inspect` says of each container of this home."""
        label = f"june.home={self.home}/state"
        listed = self.client.containers(all=not running, filters={"label": [label]})
        return [self.client.inspect_container(one["Id"]) for one in listed]

    def container(self, service: str) -> dict[str, Any]:
        """The one container of a service."""
        (found,) = [c for c in self.containers() if c["Config"]["Labels"]["june.service"] == service]
        return found


@pytest.fixture(scope="session")
def docker_client() -> Any:
    """An engine that answers."""
    try:
        from june_cli.engine import daemon

        return daemon.connect(os.environ)
    except MachineLacks as error:
        required("docker", error.message)


def _docker_june(base: Path, models: Path, client: Any) -> DockerJune:
    (base / "work").mkdir(parents=True)
    environ = {"MODEL_CACHE_DIR": str(models), "JUNE_ENGINE": "docker"}
    return DockerJune(base / "home", base / "work", environ, client=client)


def _cleared(june: DockerJune) -> None:
    for found in june.containers():
        june.client.remove_container(found["Id"], force=True, v=True)


@pytest.fixture
def docked(tmp_path: Path, models: Path, docker_client: Any) -> Iterator[DockerJune]:
    """A june of its own in Docker; whatever it leaves is removed."""
    june = _docker_june(tmp_path / "docked", models, docker_client)
    yield june
    _cleared(june)


@pytest.fixture(scope="session")
def docked_up(
    tmp_path_factory: pytest.TempPathFactory, models: Path, docker_client: Any
) -> Iterator[DockerJune]:
    """A june whose three services run in Docker for the whole session."""
    june = _docker_june(tmp_path_factory.mktemp("docked-up"), models, docker_client)
    try:
        june("serve", "start")
        yield june
        june("serve", "stop")
        assert june.containers() == []
    finally:
        _cleared(june)
