"""Layers, origins, and errors that name file, line and the nearest key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from june_cli.config import Config
from june_cli.errors import UsageProblem
from june_cli.paths import Paths
from june_cli.testing import June


@dataclass(frozen=True)
class Settings:
    """Every kind of setting there is."""

    name: str = "june"
    count: int = 1
    ratio: float = 0.5
    on: bool = False
    where: Path = Path("/a")
    many: tuple[str, ...] = ()
    mode: Literal["quick", "slow"] = "quick"
    maybe: float | None = None


def load(tmp_path: Path, text: str = "", **environ: str) -> Config:
    paths = Paths.of({"JUNE_HOME": str(tmp_path)})
    paths.config.mkdir(parents=True, exist_ok=True)
    (paths.config / "config.toml").write_text(text)
    return Config.load(paths, environ, ["talk", "stt"], {})


def test_defaults_hold_where_nothing_is_said(tmp_path: Path) -> None:
    assert load(tmp_path).section("talk", Settings) == Settings()


def test_each_layer_wins_over_the_one_below_and_is_named(tmp_path: Path) -> None:
    config = load(
        tmp_path, '[talk]\nname = "file"\ncount = 2\nratio = 2\n', JUNE_TALK_COUNT="3", JUNE_TALK_ON="yes"
    )
    found = {v.key: v for v in config.explain("talk", Settings, {"on": False, "mode": None})}
    file = tmp_path / "config" / "config.toml"
    assert (found["name"].value, found["name"].origin) == ("file", f"{file}:2")
    assert (found["count"].value, found["count"].origin) == (3, "JUNE_TALK_COUNT")
    assert (found["ratio"].value, found["ratio"].origin) == (2.0, f"{file}:4")
    assert (found["on"].value, found["on"].origin) == (False, "--on")
    assert (found["mode"].value, found["mode"].origin) == ("quick", "default")


def test_every_kind_is_read_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    text = 'where = "~/x"\nmany = ["a", "b"]\nmode = "slow"\nmaybe = 1.5\non = true\n'
    from_file = load(tmp_path, f"[talk]\n{text}").section("talk", Settings)
    from_env = load(
        tmp_path,
        JUNE_TALK_WHERE="~/x",
        JUNE_TALK_MANY="a, b",
        JUNE_TALK_MODE="slow",
        JUNE_TALK_MAYBE="1.5",
        JUNE_TALK_ON="1",
    ).section("talk", Settings)
    wanted = Settings(where=Path("~/x").expanduser(), many=("a", "b"), mode="slow", maybe=1.5, on=True)
    assert from_file == from_env == wanted


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("[talk]\n\nnmae = 1\n", 3, "'name'"),
        ('[june]\nprofle = "tiny"\n', 2, "'profile'"),
        ("# first\n[tlak]\nname = 1\n", 2, "'talk'"),
        ('profile = "tiny"\n', 1, "[june]"),
    ],
)
def test_a_typo_is_named_with_file_line_and_nearest_key(
    tmp_path: Path, text: str, line: int, hint: str
) -> None:
    with pytest.raises(UsageProblem) as raised:
        load(tmp_path, text).section(
            "talk" if "talk" in text else "june", Settings if "talk" in text else _core()
        )
    assert f"config.toml:{line}: " in raised.value.message
    assert hint in raised.value.hint


def _core() -> type:
    from june_cli.config import CoreSettings

    return CoreSettings


@pytest.mark.parametrize(
    "text",
    [
        '[talk]\ncount = "x"\n',
        "[talk]\non = 1\n",
        '[talk]\nmode = "fast"\n',
        "[talk]\nmany = 3\n",
        "[talk]\nratio = nan\n",
        "[talk]\ncount = true\n",
    ],
)
def test_a_value_of_the_wrong_type_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageProblem, match=r"config\.toml:2: \w+ must be"):
        load(tmp_path, text).section("talk", Settings)


@pytest.mark.parametrize("variable", ["JUNE_TALK_COUNT", "JUNE_TALK_RATIO", "JUNE_TALK_ON", "JUNE_TALK_MODE"])
def test_a_variable_of_the_wrong_type_is_named(tmp_path: Path, variable: str) -> None:
    with pytest.raises(UsageProblem, match=variable):
        load(tmp_path, **{variable: "nonsense"}).section("talk", Settings)


def test_toml_that_does_not_parse_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="line 2"):
        load(tmp_path, "[talk]\nname = \n")


def test_a_typo_fails_the_command_but_not_its_help(june: June) -> None:
    (june.home / "config").mkdir(parents=True)
    (june.home / "config" / "config.toml").write_text('[june]\nprofile = "tinny"\n')
    assert (
        june("--help").exit_code == june("talk", "--help").exit_code == june("plugin", "list").exit_code == 0
    )
    failed = june("talk", "--say", "x", "--dry-run")
    assert failed.exit_code == 2
    assert "did you mean 'tiny'?" in failed.stderr


def test_a_role_can_be_given_a_model_of_ones_own(june: June) -> None:
    (june.home / "config").mkdir(parents=True)
    (june.home / "config" / "config.toml").write_text(
        '[profiles.mine]\nengine = "process"\n'
        '[profiles.mine.stt]\nloader = "faster-whisper"\npath = "/models/w"\n'
    )
    assert june("stt", "transcribe", "x.wav", "--profile", "mine", "--dry-run").exit_code == 0
    (june.home / "config" / "config.toml").write_text('[profiles.mine.stt]\nlaoder = "x"\n')
    failed = june("stt", "transcribe", "x.wav", "--profile", "mine", "--dry-run")
    assert failed.exit_code == 2
    assert "config.toml:2: unknown 'laoder'" in failed.stderr
    assert "'loader'" in failed.stderr


@pytest.mark.parametrize("line", ['threads = "x"', 'device = "gpu"', "path = 3", "threads = -1"])
def test_a_roles_value_of_the_wrong_type_is_named(june: June, line: str) -> None:
    (june.home / "config").mkdir(parents=True)
    (june.home / "config" / "config.toml").write_text(f"[profiles.tiny.stt]\n{line}\n")
    failed = june("stt", "transcribe", "x.wav", "--dry-run")
    assert failed.exit_code == 2
    assert "config.toml:2: " in failed.stderr


@pytest.mark.parametrize("role", ["stt", "tts", "llm"])
def test_a_gpu_that_was_asked_for_is_never_replaced_by_the_cpu_in_silence(june: June, role: str) -> None:
    (june.home / "config").mkdir(parents=True)
    (june.home / "config" / "config.toml").write_text(f'[profiles.tiny.{role}]\ndevice = "cuda"\n')
    failed = june("serve", "start", role, "--dry-run")
    assert failed.exit_code == 2
    assert "runs on the CPU only" in failed.stderr
