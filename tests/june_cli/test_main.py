"""The output contract: one JSON value, stable codes, exit codes, no tracebacks where there is no bug."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from june_cli.testing import June


def python(code: str, *, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(env or {})},
    )


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (("nonsense",), 2, "usage"),
        (("talk",), 2, "usage"),
        (("talk", "--say"), 2, "usage"),
        (("talk", "--no-such-option"), 2, "usage"),
        (("stt",), 2, "usage"),
        ((), 2, "usage"),
        (("talk", "--engine"), 2, "usage"),
        (("stt", "transcribe", "/nowhere.wav"), 2, "audio-missing"),
        (("tts", "say", "", "-o", "x.wav"), 2, "text-empty"),
        (("tts", "say", "x" * 100_000, "-o", "x.wav"), 2, "text-too-long"),
        (("tts", "say", "x", "-o", "x.xyz"), 2, "audio-format"),
        (("tts", "say", "x", "-o", "/nowhere/x.wav"), 2, "output-not-writable"),
        (("talk", "--say", "x" * 100_000), 2, "text-too-long"),
        (("talk", "--say", " "), 2, "text-empty"),
        (("chat", "x" * 100_000), 2, "text-too-long"),
        (("chat", ""), 2, "text-empty"),
        (("config", "show", "tlak"), 2, "section-unknown"),
        (("serve", "start", "sst"), 2, "service-unknown"),
        (("plugin", "new", "Not-A-Name"), 2, "name-invalid"),
        (("plugin", "new", "talk"), 2, "name-taken"),
        (("plugin", "new", "cli"), 2, "name-taken"),  # its package would be june_cli
        (("plugin", "new", "x" * 300), 2, "name-taken"),
        (("chat", "\udcff hi"), 2, "text-not-unicode"),
        (("tts", "say", "\udcff", "-o", "x.wav"), 2, "text-not-unicode"),
        (("talk", "--say", "\udcff"), 2, "text-not-unicode"),
        (("config", "show", "--events=1"), 2, "usage"),
        (("talk", "--say", "x", "--profile", "tinny"), 2, "profile-unknown"),
    ],
)
def test_every_error_is_one_json_value_with_its_exit_code(
    june: June, words: tuple[str, ...], exit_code: int, code: str
) -> None:
    failed = june(*words, "--json")
    assert failed.exit_code == exit_code, failed
    assert failed.json["error"]["code"] == code
    assert set(failed.json["error"]) == {"code", "message", "hint"}
    assert "Traceback" not in failed.stderr


def test_an_error_for_people_is_a_sentence_and_a_hint(june: June) -> None:
    failed = june("serve", "start", "sst")
    assert failed.stdout == ""
    assert failed.stderr.splitlines() == ["june: profile 'tiny' has no 'sst'.", "  hint: did you mean 'stt'?"]


@pytest.mark.parametrize("words", [("--help",), ("stt", "--help"), ("--version",), ("talk", "-h")])
def test_help_and_version_are_json_too_when_asked(june: June, words: tuple[str, ...]) -> None:
    shown = june(*words, "--json")
    assert shown.exit_code == 0
    assert isinstance(shown.json, dict)


def test_global_options_are_shown_by_every_command(june: June) -> None:
    for words in (("--help",), ("stt", "--help"), ("stt", "transcribe", "--help"), ("talk", "--help")):
        shown = june(*words).stdout
        assert all(option in shown for option in ("--json", "--events", "--dry-run", "--engine", "--profile"))


def test_a_bug_keeps_its_traceback_and_exits_1() -> None:
    code = (
        "import sys; from june_cli import plugins, main\n"
        "def boom(*a): raise ZeroDivisionError('boom')\n"
        "main._root = boom\n"
        "sys.exit(main.run(['talk', '--json'], {}))"
    )
    done = python(code)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "bug"
    assert "ZeroDivisionError: boom" in done.stderr


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m june_cli config show | head -0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.stdout.strip() == "0"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_unwinds_and_gives_its_exit_code(signum: int, code: int) -> None:
    program = (
        "import sys, time\nfrom june_cli import main\n"
        "def wait(*a):\n"
        "    try:\n        print('waiting', flush=True); time.sleep(20)\n"
        "    finally:\n        print('cleaned', flush=True); time.sleep(0.3)\n"
        "main._run = wait\nsys.exit(main.run([], {}))"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout
    assert child.stdout.readline() == b"waiting\n"
    child.send_signal(signum)
    time.sleep(0.1)
    child.send_signal(signum)  # an impatient second one must not cut the cleaning short
    out, err = child.communicate(timeout=10)
    assert (child.returncode, out, err) == (code, b"cleaned\n", b"")


def test_a_signal_at_a_moment_at_which_nothing_can_be_raised_is_not_lost() -> None:
    program = (
        "import signal, sys, time\nfrom june_cli import main\n"
        "class Doomed:\n    def __del__(self): signal.raise_signal(signal.SIGINT)\n"
        "def wait(*a):\n    Doomed()\n    time.sleep(20)\n"
        "main._run = wait\nsys.exit(main.run([], {}))"
    )
    done = python(program)
    assert (done.returncode, done.stderr) == (130, "")


def test_ctrl_c_during_the_first_imports_is_130_without_a_traceback() -> None:
    for delay in (0.01, 0.03, 0.05, 0.08):
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "print('up', flush=True)\nfrom june_cli.__main__ import main\nmain()",
                "plugin",
                "list",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert child.stdout
        child.stdout.readline()
        time.sleep(delay + 0.02)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=10)
        assert child.returncode in (0, 130)
        assert b"Traceback" not in err


def test_dry_run_starts_nothing(june: June) -> None:
    for words in (
        ("talk", "--say", "x"),
        ("stt", "check"),
        ("tts", "voices"),
        ("chat", "x"),
        ("serve", "start"),
    ):
        done = june(*words, "--dry-run")
        assert done.exit_code == 0, done
        assert "python -m june_" in done.stdout
    assert not june.engine.launched


def test_a_docker_engine_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "june_cli", "serve", "status", "--engine", "docker", "--json"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        env={**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
    )
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["code"] in ("docker-missing", "docker-sdk-missing")
    assert error["hint"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("june s", {"serve", "stt"}),
        ("june stt ", {"transcribe", "check"}),
        ("june serve stop ", {"stt", "llm", "tts", "telegram", "discord"}),
        ("june config show t", {"talk", "tts"}),
        ("june talk --j", {"--json"}),
        ("june --json stt c", {"check"}),
    ],
)
def test_completion_knows_live_names(tmp_path: Path, words: str, wanted: set[str]) -> None:
    environ = {
        "_JUNE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "june_cli"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        env={**os.environ, **environ},
    )
    assert set(done.stdout.split()) == wanted, done.stderr


def on_a_terminal(words: list[str], cwd: Path, **environ: str) -> str:
    """What a person reads on a terminal of 90 columns, without its colours."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 90, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-m", "june_cli", *words],
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", **environ},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the terminal's other end was closed
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    assert child.wait(timeout=20) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", seen.decode())


def test_help_on_a_terminal_is_rich_and_lists_a_broken_plugin_too(tmp_path: Path) -> None:
    package = tmp_path / "site" / "june_wave"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Waves a hand."""\nraise RuntimeError("no luck")\n')
    info = tmp_path / "site" / "wave-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wave\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[june.plugins]\nwave = june_wave\n")
    shown = on_a_terminal(["--help"], tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert "╭─ Commands" in shown
    assert "Waves a hand." in shown
    assert "╭─ Everywhere" in on_a_terminal(["stt", "check", "--help"], tmp_path)


def test_a_table_on_a_terminal_is_boxed(tmp_path: Path) -> None:
    assert "┏━" in on_a_terminal(["config", "path"], tmp_path)


@pytest.mark.parametrize("words", ["config show", "config show --json"])
def test_a_full_stdout_is_one_clear_error_and_a_closed_one_is_none(tmp_path: Path, words: str) -> None:
    june = f"{sys.executable} -m june_cli {words}"
    full = subprocess.run(
        ["bash", "-c", f"{june} >/dev/full"], capture_output=True, text=True, timeout=30, cwd=tmp_path
    )
    assert (full.returncode, full.stderr) == (
        3,
        "june: standard output cannot be written: No space left on device.\n",
    )
    closed = subprocess.run(
        ["bash", "-c", f"{june} >&-"], capture_output=True, text=True, timeout=30, cwd=tmp_path
    )
    assert (closed.returncode, closed.stderr) == (0, "")


def test_an_interrupted_command_is_one_json_value_too() -> None:
    program = (
        "import sys\nfrom june_cli import main\n"
        "def stop(*a): raise main.Interrupted(15)\n"
        "main._run = stop\nsys.exit(main.run(['talk', '--json'], {}))"
    )
    done = python(program)
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (143, "interrupted")


def test_json_stays_json_on_a_stdout_that_is_not_unicode(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "june_cli", "stt", "transcribe", "\u00e9.wav", "--json"],
        capture_output=True,
        timeout=30,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 2
    assert "\u00e9.wav" in json.loads(done.stdout)["error"]["message"]
