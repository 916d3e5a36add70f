"""Containers that die, hang, are edited or left behind: said honestly, healed by the next june."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from june_cli.engine.container import KEPT

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune

pytestmark = pytest.mark.docker

START = ("serve", "start", "tts")
STUB = """
import os, pathlib, signal
for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
    if comm.read_text().startswith("triton_python"):
        os.kill(int(comm.parent.name), signal.SIGKILL)
"""


def row(june: DockerJune, service: str = "tts") -> dict[str, Any]:
    """What `serve status` says of a service."""
    services = june("serve", "status", "--json").json["services"]
    return next(dict(one) for one in services if one["service"] == service)


def inside(june: DockerJune, service: str, code: str) -> str:
    """Run Python in a service's container, as its user."""
    run = june.client.exec_create(june.container(service)["Id"], ["python", "-c", code])
    return str(june.client.exec_start(run["Id"]).decode())


def configured(june: DockerJune, text: str) -> Path:
    """The configuration file of a home."""
    path = june.home / "config" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def edit(june: DockerJune, how: str, container: str) -> None:
    """What a person does to a container by hand."""
    client = june.client
    if how == "update":
        client.update_container(container, mem_limit=300_000_000, memswap_limit=300_000_000)
    elif how == "rename":
        client.rename(container, f"june-e2e-{container[:8]}")
    elif how == "remove":
        client.remove_container(container, force=True)
    else:
        getattr(client, how)(container)


@pytest.mark.parametrize("how", ["update", "pause", "stop", "kill", "remove", "rename"])
def test_an_edited_container_is_told_and_healed(docked: DockerJune, how: str) -> None:
    docked(*START)
    before = docked.container("tts")["Id"]
    edit(docked, how, before)
    told = {
        "pause": ("failed", "paused"),
        "stop": ("failed", "exit code 0"),
        "kill": ("failed", "SIGKILL"),
        "remove": ("stopped", ""),
    }
    state, reason = told.get(how, ("ready", ""))
    seen = row(docked)
    assert (seen["state"], reason in seen["reason"]) == (state, True), seen
    ran = docked(*START, "--json")
    assert {r["state"] for r in ran.json["services"] if r["service"] == "tts"} == {"ready"}
    after = docked.container("tts")
    assert (after["Id"] == before) == (how == "rename")
    assert after["HostConfig"]["RestartPolicy"]["Name"] == KEPT
    assert ("restarted" in ran.err) == (how in ("update", "pause"))
    docked("serve", "stop")
    assert docked.containers() == []


def test_a_service_killed_from_outside_comes_back_and_says_so(docked: DockerJune) -> None:
    docked(*START)
    inside(docked, "tts", STUB.replace("triton_python", "python").replace("SIGKILL", "SIGTERM"))
    end = time.monotonic() + 20
    while row(docked)["state"] == "ready" and time.monotonic() < end:
        time.sleep(0.1)
    assert "restarted 1 time" in row(docked)["reason"]
    docked("tts", "say", "Hello there.", "-o", "hello.wav")
    docked("serve", "stop")
    assert docked.containers() == []


def test_memory_that_runs_out_is_named_and_nothing_stays(docked: DockerJune) -> None:
    config = configured(docked, "[profiles.tiny.tts]\nmemory_bytes = 80000000\n")
    error = docked(*START, "--json", code=4).json["error"]
    assert "ran out of memory" in error["message"]
    assert docked.containers() == []
    config.unlink()
    docked(*START)
    configured(docked, "[profiles.tiny.tts]\nmemory_bytes = 80000000\n")
    docked(*START, code=4)
    seen = row(docked)  # it was asked to stay: Docker goes on trying, and status says how that goes
    assert seen["state"] in ("failed", "degraded")
    assert "memory" in seen["reason"]
    docked("serve", "stop")
    assert docked.containers() == []


def test_a_model_that_cannot_be_loaded_is_told_with_the_servers_words(
    docked: DockerJune, models: Path, tmp_path: Path
) -> None:
    docked("tts", "check", code=None)  # fetches the model
    (voice,) = models.glob("hibari-heart/*/hibari.onnx")
    broken = tmp_path / "broken"
    shutil.copytree(voice.parent, broken)
    (broken / "june-model.json").unlink()
    (broken / voice.name).write_bytes(b"no model")
    broken.chmod(0o755)
    configured(docked, f'[profiles.tiny.tts]\nmodel = ""\nloader = "hibari"\npath = "{broken}"\n')
    error = docked(*START, "--json", code=4).json["error"]
    assert "tts did not start" in error["message"]
    assert "hibari.onnx" in error["message"]
    assert error["hint"] == "june serve logs tts"
    assert docked.containers() == []
    assert "hibari.onnx" in docked("serve", "logs", "tts").out  # also after it is gone


def test_two_at_once_start_one(docked: DockerJune) -> None:
    children = [docked.start(*START) for _ in range(3)]
    for child in children:
        assert docked.finish(child).code == 0
    assert row(docked)["state"] == "ready"
    assert len(docked.containers()) == 1
    docked("serve", "stop")


@pytest.mark.parametrize("delay_s", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_start_leaves_nothing(docked: DockerJune, signum: int, delay_s: float) -> None:
    child = docked.start(*START, "--events")
    docked.wait_for(child, "Starting")
    time.sleep(delay_s)
    child.send_signal(signum)
    ran = docked.finish(child)
    if ran.code == 0:  # it was faster, and was asked to leave it running
        docked("serve", "stop")
    elif signum == signal.SIGKILL:  # the next june sweeps
        assert ran.code == -signum
        assert row(docked)["state"] == "stopped"
    else:
        assert ran.code == 130, ran
    assert docked.containers() == []
    assert not list((docked.home / "state" / "docker").glob("*.use"))


def test_ctrl_c_in_the_foreground_ends_what_it_started_and_nothing_else(docked: DockerJune) -> None:
    child = docked.start(*START, "--foreground")
    docked.wait_for(child, "ready. Ctrl-C ends")
    child.send_signal(signal.SIGINT)
    assert docked.finish(child).code == 130
    assert docked.containers() == []
    docked(*START)
    child = docked.start(*START, "--foreground")
    docked.wait_for(child, "ready. Ctrl-C ends")
    child.send_signal(signal.SIGINT)
    assert docked.finish(child).code == 130
    assert row(docked)["state"] == "ready"  # it was there before
    child = docked.start("serve", "stop", "--events")
    docked.wait_for(child, "Stopping")
    child.send_signal(signal.SIGINT)
    assert docked.finish(child).code in (0, 130)
    docked("serve", "stop")
    assert docked.containers() == []


def test_a_foreground_service_that_dies_ends_it_with_the_reason(docked: DockerJune) -> None:
    child = docked.start(*START, "--foreground", "--json")
    docked.wait_for(child, "ready. Ctrl-C ends")
    docked.client.kill(docked.container("tts")["Id"])
    ran = docked.finish(child)
    assert ran.code == 4, ran
    assert "SIGKILL" in json.loads(ran.out.splitlines()[-1])["error"]["message"]
    assert docked.containers() == []


def test_after_a_reboot_what_was_kept_is_there_and_the_rest_is_swept(docked: DockerJune) -> None:
    child = docked.start(*START, "--foreground")
    docked.wait_for(child, "ready. Ctrl-C ends")
    child.kill()
    child.communicate()
    left = docked.container("tts")
    docked.client.stop(left["Id"])  # a reboot: Docker starts again only what was kept
    assert row(docked)["state"] == "stopped"
    assert docked.containers() == []
    docked(*START)
    kept = docked.container("tts")["Id"]
    docked.client.restart(kept)
    docked("tts", "say", "Hello there.", "-o", "hello.wav")
    assert docked.container("tts")["Id"] == kept
    docked("serve", "stop")


def test_status_is_watched_and_logs_are_followed(docked: DockerJune) -> None:
    docked(*START)
    watching = docked.start("serve", "status", "--watch", "--json")
    following = docked.start("serve", "logs", "tts", "-f", "--json")
    assert watching.stdout
    assert following.stdout
    for _ in range(2):
        rows = json.loads(watching.stdout.readline())["services"]
        assert "ready" in {one["state"] for one in rows}
    assert "serves" in json.loads(following.stdout.readline())["line"]
    watching.send_signal(signal.SIGINT)
    assert docked.finish(watching).code == 130
    time.sleep(0.5)
    docked("serve", "stop")
    assert "has stopped" in following.communicate(timeout=20)[0]
    assert following.returncode == 0


def test_a_killed_model_in_triton_is_no_hang_and_a_restart_heals_it(docked_up: DockerJune) -> None:
    inside(docked_up, "llm", STUB)
    seen = row(docked_up, "llm")
    assert (seen["state"], "token" in seen["reason"]) == ("degraded", True), seen
    began = time.monotonic()
    error = docked_up("chat", "Hello.", "--json", code=4).json["error"]
    assert time.monotonic() - began < 10
    assert error["hint"] == "june serve restart llm"
    docked_up("serve", "restart", "llm")
    child = docked_up.start("chat", "Tell me a very long story about the sea.", "--max-tokens", "900")
    assert child.stdout
    child.stdout.read(20)
    inside(docked_up, "llm", STUB)
    ran = docked_up.finish(child)
    assert ran.code == 4, ran
    assert "june serve restart llm" in ran.err
    docked_up("serve", "restart", "llm")
    assert docked_up("chat", "Hello.").out


def test_a_wedged_service_is_told_and_a_restart_heals_it(docked_up: DockerJune) -> None:
    target = docked_up.container("tts")["Id"]
    for process in docked_up.client.top(target, ps_args="-o pid,comm")["Processes"]:
        if process[1].startswith("python"):
            subprocess.run(["kill", "-STOP", process[0]], check=True)
    assert row(docked_up)["state"] in ("starting", "degraded")
    error = docked_up("tts", "say", "Hello.", "-o", "wedged.wav", "--json", code=4).json["error"]
    assert "does not work" in error["message"]
    assert error["hint"] == "june serve restart tts"
    assert not (docked_up.work / "wedged.wav").exists()
    docked_up("serve", "restart", "tts")
    docked_up("tts", "say", "Hello.", "-o", "healed.wav")
