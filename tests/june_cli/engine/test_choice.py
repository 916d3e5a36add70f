"""Which engine runs a role: what was asked for, else the one that runs it, else the profile's own."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from june_cli.engine.locks import Uses
from june_cli.errors import UsageProblem
from june_cli.invocation import Invocation
from june_cli.output import Output
from june_cli.testing import FakeEngine
from june_cli.words import GlobalWords


def chosen(home: Path, words: GlobalWords, config: str = "", **environ: str) -> str:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "config.toml").write_text(config)
    out = Output(stdout=io.StringIO(), stderr=io.StringIO())
    given = {"JUNE_HOME": str(home), "DOCKER_HOST": "unix:///nonexistent/docker.sock", **environ}
    return Invocation(words, given, out).engine_of("llm").name


def test_a_flag_wins_over_everything(tmp_path: Path) -> None:
    words = GlobalWords(engine="docker")
    assert chosen(tmp_path, words, '[june]\nengine = "process"\n', JUNE_ENGINE="process") == "docker"


def test_the_variable_wins_over_the_configuration(tmp_path: Path) -> None:
    assert chosen(tmp_path, GlobalWords(), '[june]\nengine = "process"\n', JUNE_ENGINE="docker") == "docker"


def test_the_configuration_wins_over_the_profile(tmp_path: Path) -> None:
    assert chosen(tmp_path, GlobalWords(), '[june]\nengine = "docker"\n') == "docker"


def test_tiny_runs_in_processes_and_profiles_for_gpus_in_docker(tmp_path: Path) -> None:
    assert chosen(tmp_path, GlobalWords()) == "process"
    assert chosen(tmp_path, GlobalWords(profile="cuda")) == "docker"
    assert chosen(tmp_path, GlobalWords(profile="spark")) == "docker"


def test_a_docker_engine_that_does_not_answer_runs_nothing_and_that_is_said_once(tmp_path: Path) -> None:
    for role in ("llm", "tts"):  # as if containers had been started once
        Uses(tmp_path / "state" / "docker").begin(role)
    assert chosen(tmp_path, GlobalWords()) == "process"
    said = io.StringIO()
    given = {"JUNE_HOME": str(tmp_path), "DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    june = Invocation(GlobalWords(), given, Output(stdout=io.StringIO(), stderr=said))
    assert {june.engine_of(role).name for role in ("llm", "tts")} == {"process"}
    assert said.getvalue().count("left running in Docker is out of reach") == 1


def test_what_was_kept_in_docker_and_has_ended_is_still_dockers(tmp_path: Path) -> None:
    Uses(tmp_path / "state" / "docker").begin("llm")
    docker = FakeEngine(endings={"llm": "it ended with exit code 0"}, name="docker")
    june = Invocation(GlobalWords(), {"JUNE_HOME": str(tmp_path)}, Output(), _engines={"docker": docker})
    assert june.engine_of("llm") is docker
    assert june.engine_of("tts").name == "process"


def test_an_unknown_engine_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no engine 'dokcer'"):
        chosen(tmp_path, GlobalWords(engine="dokcer"))


def test_another_server_may_take_a_role_in_docker(tmp_path: Path) -> None:
    out = Output(stdout=io.StringIO(), stderr=io.StringIO())
    june = Invocation(GlobalWords(), {"JUNE_HOME": str(tmp_path)}, out)
    assert june.roles.service("llm", "process").api == "openai"
    assert june.roles.service("llm", "docker").api == "triton"
    assert june.roles.service("llm", "docker").name == june.roles.service("llm", "process").name == "llm"
