"""`june doctor` as people and scripts meet it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from june_cli.testing import Done, June

NOWHERE = {"DOCKER_HOST": "tcp://127.0.0.1:1"}
GPU_PROFILE = """\
[profiles.mine]
engine = "process"
[profiles.mine.stt]
service = "stt"
model = "moonshine-tiny-en"
device = "cuda"
"""
Install = Callable[[str], None]


@pytest.fixture(autouse=True)
def _no_docker(june: June) -> None:
    june.environ |= NOWHERE


def found(done: Done, name: str) -> dict[str, object]:
    return next(one for one in done.json if one["id"] == name)


def test_a_laptop_without_docker_and_gpu_is_well(june: June, tmp_path: Path) -> None:
    june.environ["PATH"] = str(tmp_path)
    done = june("doctor", "--json")
    assert done.exit_code == 0, done
    assert all(set(one) == {"id", "ok", "message", "fix"} for one in done.json)
    assert all(one["ok"] is True and isinstance(one["fix"], str) for one in done.json)
    assert str(found(done, "docker.answers")["message"]).startswith("not needed by profile tiny (no Docker")
    assert str(found(done, "nvidia.driver")["message"]).startswith("not needed by profile tiny")


def test_it_fails_where_docker_is_asked_for(june: June) -> None:
    done = june("--engine", "docker", "doctor", "--json")
    assert done.exit_code == 5
    answers = found(done, "docker.answers")
    assert (answers["ok"], answers["fix"]) == (False, "unset DOCKER_HOST")
    assert found(done, "docker.disk")["ok"] is False


def test_people_get_a_table_the_commands_and_a_sum(june: June) -> None:
    done = june("--engine", "docker", "doctor")
    assert done.exit_code == 5
    assert "FAILS  docker.answers" in done.stdout
    assert "?      docker.permission" in done.stdout
    commands = [line for line in done.stdout.splitlines() if line.startswith("  unset DOCKER_HOST")]
    assert len(commands) == 1
    assert commands[0].endswith(
        "# docker.answers, docker.permission, docker.version, docker.storage, docker.disk"
    )
    assert done.stdout.splitlines()[-1].startswith("23 checks: ")


def test_a_profile_for_the_gpu_wants_one(june: June, tmp_path: Path) -> None:
    (june.home / "config").mkdir(parents=True)
    (june.home / "config/config.toml").write_text(GPU_PROFILE)
    june.environ["PATH"] = str(tmp_path)
    done = june("--profile", "mine", "doctor", "--json")
    assert done.exit_code == 5
    assert found(done, "nvidia.driver")["ok"] is False
    assert found(done, "nvidia.toolkit")["ok"] is True  # processes need no container toolkit
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 0, GPU-1, NVIDIA GB10, 12.1, '[N/A], [N/A]', 580.95.05, '[N/A]'\n")
    program.chmod(0o755)
    done = june("--profile", "mine", "doctor", "--json")
    assert found(done, "nvidia.driver") == {
        "id": "nvidia.driver",
        "ok": True,
        "message": "driver 580.95.05, NVIDIA GB10",
        "fix": "",
    }
    assert "shared with the system" in str(found(done, "nvidia.memory")["message"])


def test_words_that_make_no_sense(june: June) -> None:
    assert june("doctor", "--yes").exit_code == 2
    assert june("--engine", "dokcer", "doctor").exit_code == 2
    assert june("--profile", "nothing", "doctor").exit_code == 2


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A third party's plugin `wave` whose checks.py has the given text."""
    site = tmp_path / "site"
    (site / "june_wave").mkdir(parents=True)
    (site / "june_wave/__init__.py").write_text('"""Waves."""\n')
    info = site / "wave-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wave\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[june.plugins]\nwave = june_wave\n")
    monkeypatch.syspath_prepend(str(site))
    yield lambda text: (site / "june_wave/checks.py").write_text(text) and None
    for name in [name for name in sys.modules if name.startswith("june_wave")]:
        del sys.modules[name]


CHECK = "from june_cli.checks import Check, fine\nimport time\n{}\n"
UPGRADE = "pip install --upgrade wave"


@pytest.mark.parametrize(
    ("text", "name", "ok", "says", "fix"),
    [
        ("CHECKS = (Check('wave', 'Waves.', lambda host: fine('waved')),)", "wave", True, "waved", ""),
        (
            *("CHECKS = (Check('wave', 'Waves.', lambda host: 1 // 0),)", "wave", False),
            *("the check itself is broken: ZeroDivisionError", UPGRADE),
        ),
        (
            *("CHECKS = (Check('wave', 'Waves.', lambda host: True),)", "wave", False),
            *("it returned True, no Finding", UPGRADE),
        ),
        (
            *("CHECKS = (Check('wave', 'Waves.', lambda host: time.sleep(30), limit_s=0.2),)", "wave", False),
            *("no answer within 0.2 s", "june doctor"),
        ),
        ("import no_such_module", "plugin.wave", False, "No module named", UPGRADE),
        ("CHECKS = ()\nraise SystemExit(3)", "plugin.wave", False, "SystemExit", UPGRADE),
        ("CHECKS = (Check('clock', 'Mine.', print),)", "plugin.wave", False, "second check 'clock'", UPGRADE),
    ],
)
def test_a_third_partys_checks_run_too_and_harm_nobody(
    june: June, install: Install, text: str, name: str, ok: bool, says: str, fix: str
) -> None:
    install(CHECK.format(text))
    done = june("doctor", "--json")
    assert done.exit_code == (0 if ok else 5)
    one = found(done, name)
    assert (one["ok"], one["fix"], says in str(one["message"])) == (ok, fix, True), one
    assert len(done.json) == 24


def test_a_plugin_cannot_have_anything_run_as_root(june: June, install: Install, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    unsafe = f"note('x', 'sudo touch {proof}', safe=True)"
    install(f"from june_cli.checks import *\nCHECKS = (Check('wave', 'Waves.', lambda host: {unsafe}),)")
    assert "wave" not in june("doctor", "--fix", "--yes").stderr
    assert not proof.exists()


def test_fix_asks_and_without_a_terminal_changes_nothing(june: June) -> None:
    done = june("doctor", "--fix")
    assert done.exit_code == 0
    assert "call it on a terminal, or with --yes. Nothing was run." in done.stderr
    assert not (june.home / "models").exists()


def test_fix_with_yes_runs_what_is_safe_and_looks_again(june: June) -> None:
    (june.home / "state").mkdir(parents=True, mode=0o755)
    done = june("doctor", "--fix", "--yes", "--json")
    assert done.exit_code == 0, done
    assert (june.home / "models").is_dir()
    assert (june.home / "state").stat().st_mode & 0o777 == 0o700
    assert found(done, "models.store") == {
        "id": "models.store",
        "ok": True,
        "message": str(june.home / "models"),
        "fix": "",
    }
    again = june("doctor", "--fix", "--yes")
    assert "nothing here can be mended by --fix" in again.stderr


@pytest.mark.parametrize(("answer", "made"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_fix_on_a_terminal_does_what_it_is_told(
    june: June, monkeypatch: pytest.MonkeyPatch, answer: str, made: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    done = june("doctor", "--fix")
    assert "Run it? [y/N]" in done.stderr
    assert f"mkdir -p -m 700 {june.home / 'models'}" in done.stderr
    assert (june.home / "models").exists() == made


def test_dry_run_prints_what_fix_would_run(june: June) -> None:
    line = f"mkdir -p -m 700 {june.home / 'models'}"
    assert june("doctor", "--fix", "--dry-run").stdout == f"{line}\n"
    assert june("doctor", "--fix", "--dry-run", "--json").json == {"run": [line]}
    assert not (june.home / "models").exists()
    (june.home / "models").mkdir(parents=True)
    assert june("doctor", "--fix", "--dry-run").stdout.startswith("nothing")


def test_dry_run_alone_tells_what_would_be_asked(june: June, tmp_path: Path) -> None:
    june.environ["PATH"] = str(tmp_path)
    done = june("doctor", "--dry-run", "--json")
    assert (done.exit_code, len(done.json)) == (0, 23)
    assert done.json[3] == {"id": "docker.answers", "summary": "A Docker Engine answers in time."}
    assert "docker.answers     A Docker Engine answers in time." in june("doctor", "--dry-run").stdout


def test_a_command_that_does_not_work_is_told(june: June, install: Install) -> None:
    failing = "note('x', 'ls /nonexistent', safe=True)"
    install(f"from june_cli.checks import *\nCHECKS = (Check('wave', 'Waves.', lambda host: {failing}),)")
    done = june("doctor", "--fix", "--yes")
    assert "it did not work: ls: " in done.stderr
    assert done.exit_code == 0


def test_junes_own_words_are_run_by_this_june(june: June, install: Install) -> None:
    own = "note('x', 'june --profile tiny config path --json', safe=True)"
    install(f"from june_cli.checks import *\nCHECKS = (Check('wave', 'Waves.', lambda host: {own}),)")
    assert "did not work" not in june("doctor", "--fix", "--yes").stderr


def test_progress_is_an_event(june: June) -> None:
    events = [json.loads(line) for line in june("doctor", "--events").stderr.splitlines()]
    assert events[0]["event"] == "progress-start"
    assert events[-1] == {**events[-1], "event": "progress-end", "ok": True}


@pytest.fixture
def silent_docker(tmp_path: Path) -> Iterator[str]:
    """A socket that accepts and says nothing."""
    pytest.importorskip("docker", reason="needs the Python package docker")
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(16)
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def test_a_docker_engine_that_hangs_is_waited_for_once(june: June, silent_docker: str) -> None:
    june.environ["DOCKER_HOST"] = silent_docker
    began = time.monotonic()
    done = june("--engine", "docker", "doctor", "--json")
    assert time.monotonic() - began < 20
    assert done.exit_code == 5
    assert f"at {silent_docker} does not answer" in str(found(done, "docker.answers")["message"])
    assert str(found(done, "docker.answers")["fix"]).endswith(("restart docker", "docker restart"))
    assert "not known" in str(found(done, "docker.storage")["message"])


def test_ctrl_c_ends_it_with_everything_it_started(june: June, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 73.25\n")
    program.chmod(0o755)
    environ = {**os.environ, **NOWHERE, "JUNE_HOME": str(june.home), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    child = subprocess.Popen(
        [sys.executable, "-m", "june_cli", "doctor"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def sleeping() -> list[psutil.Process]:
        every = psutil.process_iter(["cmdline"])
        return [p for p in every if p.info["cmdline"] == ["sleep", "73.25"]]

    deadline = time.monotonic() + 20
    while not sleeping() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sleeping()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert sleeping() == []
