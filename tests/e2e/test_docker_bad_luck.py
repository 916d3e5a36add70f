"""An engine on its bad days: one clear error, the right exit code, nothing left that nobody asked to keep."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import june_cli
from june_cli.engine import daemon
from tests.e2e.docker_proxy import DockerProxy

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune, Ran

pytestmark = pytest.mark.docker

START = ("serve", "start", "tts")


@pytest.fixture
def proxy(docked: DockerJune) -> Iterator[DockerProxy]:
    """An engine between June and the real one, to go wrong at will."""
    folder = Path(tempfile.mkdtemp())  # a socket's path may not be longer than 107 characters
    made = DockerProxy(folder / "docker.sock", daemon.where(os.environ))
    docked.environ["DOCKER_HOST"] = made.address
    yield made
    made.die()
    shutil.rmtree(folder)


def state(june: DockerJune) -> dict[str, Any]:
    """What `serve status` says of the voice, asked of the real engine."""
    june.environ.pop("DOCKER_HOST", None)
    services = june("serve", "status", "--json").json["services"]
    return next(dict(row) for row in services if row["service"] == "tts")


def nothing_left(june: DockerJune) -> None:
    """No container, no copy of a secret, no mark of use; a home's own lock files and logs may stay."""
    assert june.containers() == []
    folder = june.home / "state" / "docker"
    assert [p.name for p in folder.glob("*.use")] == []
    assert [p for p in (folder / "secrets").rglob("*") if p.is_file()] == []


def failed(ran: Ran, code: str) -> str:
    """The message of the one error that a command printed."""
    error = ran.json["error"]
    assert error["code"] == code, error
    return str(error["message"])


@pytest.mark.parametrize("at", ["_ping", "images/.*json", "containers/create", "/start"])
def test_an_engine_that_stops_half_way_is_one_error_and_swept_later(
    docked: DockerJune, proxy: DockerProxy, at: str
) -> None:
    child = docked.start(*START, "--json")
    proxy.wait_for(at)
    proxy.die()
    ran = docked.finish(child)
    assert ran.code == 3, ran
    assert "no Docker Engine answers" in failed(ran, "docker-missing")
    assert state(docked)["state"] == "stopped"
    nothing_left(docked)


def test_an_engine_that_stops_while_services_run_ends_foreground_and_logs(
    docked: DockerJune, proxy: DockerProxy
) -> None:
    child = docked.start(*START, "--foreground", "--json")
    following = None
    try:
        docked.wait_for(child, "ready. Ctrl-C ends")
        following = docked.start("serve", "logs", "tts", "-f", "--json")
        for _ in range(1000):
            if sum("follow=1" in line for line in proxy.seen) == 2:
                break
            time.sleep(0.02)
        proxy.die()
        for one in (child, following):
            ran = docked.finish(one)
            assert ran.code == 3, ran
            assert "docker-missing" in ran.out
    finally:
        for one in (child, following):
            if one and one.poll() is None:
                one.kill()
    assert state(docked)["state"] == "stopped"
    nothing_left(docked)


def test_an_engine_that_says_nothing_is_given_up_soon(docked: DockerJune, proxy: DockerProxy) -> None:
    proxy.hang()
    began = time.monotonic()
    for words in (START, ("serve", "status"), ("serve", "stop")):
        ran = docked(*words, "--json", code=3)
        assert str(proxy.path) in failed(ran, "docker-silent")
    assert time.monotonic() - began < 3 * (daemon.ANSWER_S + 5)


@pytest.mark.parametrize("at", ["images/.*json", "/start"])
def test_ctrl_c_ends_the_wait_for_an_engine_that_hangs(
    docked: DockerJune, proxy: DockerProxy, at: str
) -> None:
    proxy.hang(at)
    child = docked.start(*START)
    proxy.wait_for(at)
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert docked.finish(child).code == 130
    assert time.monotonic() - began < daemon.ANSWER_S + 5
    assert state(docked)["state"] == "stopped"
    nothing_left(docked)


def test_a_socket_that_one_may_not_use_is_one_clear_error(docked: DockerJune) -> None:
    folder = Path(tempfile.mkdtemp())
    words: list[str] = []
    try:
        with socket.socket(socket.AF_UNIX) as closed:
            closed.bind(str(folder / "docker.sock"))
            closed.listen()
            folder.chmod(0o755)
            (folder / "docker.sock").chmod(0o000)
            home = folder / "home"
            home.mkdir()
            home.chmod(0o777)
            if os.geteuid() == 0:  # root may do all: somebody else asks
                words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            done = subprocess.run(
                [*words, *docked.command("serve", "status", "--json")],
                env={
                    **docked.env,
                    "DOCKER_HOST": f"unix://{folder}/docker.sock",
                    "JUNE_HOME": str(home),
                    "MODEL_CACHE_DIR": str(home),
                    "HOME": "/",
                },
                capture_output=True,
                text=True,
                cwd="/",
            )
        if "setpriv" in done.stderr or "No module named" in done.stderr:
            pytest.skip(f"needs a June that another user may run: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 3, done
        assert '"docker-permission"' in done.stdout
        assert "usermod -aG docker" in done.stdout
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("at", ["containers/create", "/start"])
def test_no_space_is_named_and_leaves_nothing(docked: DockerJune, proxy: DockerProxy, at: str) -> None:
    proxy.refuse(at, "mkdir /var/lib/docker/overlay2/0a: no space left on device")
    ran = docked(*START, "--json", code=3)
    assert "no space left" in failed(ran, "disk-full")
    assert "june image prune" in ran.json["error"]["hint"]
    nothing_left(docked)


def test_whoever_has_the_port_is_named(docked: DockerJune) -> None:
    with socket.socket() as blocker:
        try:
            blocker.bind(("127.0.0.1", 50_052))
            blocker.listen()
            who = f"(process {os.getpid()})"
        except OSError:  # another test's service has it
            who = "taken by "
        ran = docked(*START)
    assert "port 50052 is taken by" in ran.err
    assert who in ran.err
    assert "something else" not in ran.err
    docked("serve", "stop")
    nothing_left(docked)


def test_a_container_of_somebody_else_with_our_name_is_left_alone(docked: DockerJune) -> None:
    docked(*START)
    name = docked.container("tts")["Name"].lstrip("/")
    docked("serve", "stop")
    image = docked.client.images(filters={"label": "june.image=tts"})[0]["Id"]
    other = docked.client.create_container(image, ["sleep", "1"], name=name)["Id"]
    try:
        ran = docked(*START, "--json", code=3)
        assert name in failed(ran, "name-taken")
        docked("serve", "stop")
        assert docked.client.inspect_container(other)["State"]["Status"] == "created"
        nothing_left(docked)
    finally:
        docked.client.remove_container(other, force=True)


@pytest.fixture
def checkout(docked: DockerJune, tmp_path: Path) -> Path:
    """A copy of June's tree to change; `docked` runs it from now on."""
    root, copy = Path(june_cli.__file__).resolve().parent.parent, tmp_path / "checkout"
    for name in ("june_cli", "plugins", "containers"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    docked.environ["PYTHONPATH"] = f"{copy}:{copy / 'plugins'}"
    return copy


def _changed(checkout: Path, run: str) -> None:
    """Give the voice's image another recipe."""
    (checkout / "containers/tts/Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\nUSER 0:0\nRUN {run}\n")


def test_a_build_that_fails_shows_its_step_and_last_lines(docked: DockerJune, checkout: Path) -> None:
    _changed(checkout, "echo the last words >&2; exit 7")
    before = {tag for one in docked.client.images() for tag in one["RepoTags"] or () if "none" not in tag}
    ran = docked(*START, "--json", code=1)
    message = failed(ran, "image-build-failed")
    assert "RUN echo the last words" in message
    assert "    the last words\n" in message
    assert "non-zero code: 7" in message
    assert "\x1b" not in message
    assert {
        tag for one in docked.client.images() for tag in one["RepoTags"] or () if "none" not in tag
    } <= before
    nothing_left(docked)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_container_and_no_tag(
    docked: DockerJune, checkout: Path, signum: int
) -> None:
    _changed(checkout, f"sleep 1{os.getpid()}")
    mine = f"sleep 1{os.getpid()}"
    child = docked.start(*START, "--events")
    docked.wait_for(child, mine)
    while not any(mine in one["Command"] for one in docked.client.containers()):
        time.sleep(0.05)
    child.send_signal(signum)
    assert docked.finish(child).code == 128 + signum
    end = time.monotonic() + 10
    while any(mine in one["Command"] for one in docked.client.containers(all=True)):
        assert time.monotonic() < end
        time.sleep(0.1)
    nothing_left(docked)


def test_another_checkout_makes_its_own_image_and_takes_over_only_its_home(
    docked: DockerJune, checkout: Path, tmp_path: Path
) -> None:
    changed = docked.environ.pop("PYTHONPATH")
    docked(*START)
    first = docked.container("tts")
    server = checkout / "plugins/june_tts/server.py"
    server.write_text(server.read_text("utf-8") + "\n# another June\n", "utf-8")
    other = type(docked)(tmp_path / "other", docked.work, {**docked.environ, "PYTHONPATH": changed})
    other.client = docked.client
    try:
        other(*START)
        theirs = other.container("tts")
        assert theirs["Config"]["Image"] != first["Config"]["Image"]
        assert docked.container("tts")["Id"] == first["Id"]  # two homes never meet
        docked.environ["PYTHONPATH"] = changed
        ran = docked(*START)  # the same home: what runs is an older June's
        assert "restarted" in ran.err
        assert docked.container("tts")["Config"]["Image"] == theirs["Config"]["Image"]
    finally:
        for june in (docked, other):
            june("serve", "stop")
        docked.client.remove_image(theirs["Config"]["Image"])
    nothing_left(other)
    nothing_left(docked)
