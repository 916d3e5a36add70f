"""`june serve` says honestly what runs, with the engine replaced."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from june_cli.assistant.ports import free_port
from june_cli.testing import FakeEngine, June

CONFIG = """
[profiles.own.tts]
service = "tts"
loader = "hibari"
path = "{0}"
{1}
"""


@pytest.fixture
def own(june: June, tmp_path: Path) -> June:
    """A profile of one role, filled by a folder of one's own, so that nothing is fetched."""
    return written(june, tmp_path)


def written(june: June, tmp_path: Path, more: str = "") -> June:
    (tmp_path / "model").mkdir(exist_ok=True)
    (june.home / "config").mkdir(parents=True, exist_ok=True)
    (june.home / "config" / "config.toml").write_text(CONFIG.format(tmp_path / "model", more))
    june.environ["JUNE_PROFILE"] = "own"
    return june


def row(june: June) -> dict[str, Any]:
    (found,) = june("serve", "status", "--json").json["services"]
    return dict(found)


def test_a_service_that_nobody_started_is_stopped(own: June) -> None:
    assert (row(own)["state"], row(own)["reason"], row(own)["ports"]) == ("stopped", "", {})


def test_a_kept_service_that_ended_by_itself_is_failed_and_says_why(own: June, engine: FakeEngine) -> None:
    engine.endings["tts"] = "it ran out of memory and was killed (its limit is 1 GiB)"
    assert (row(own)["state"], row(own)["reason"]) == ("failed", engine.endings["tts"])


def launched(own: June, engine: FakeEngine, *, age_s: float) -> None:
    from june_cli.invocation import Invocation
    from june_cli.output import Output
    from june_cli.words import GlobalWords

    environ = {"JUNE_HOME": str(own.home), **own.environ}
    june = Invocation(GlobalWords(), environ, Output(), given_engine=engine)
    engine.age_s = age_s
    engine.addresses["tts"] = free_port(0)  # where nobody answers
    engine.launch(june.roles.service("tts", "fake"), keep=True)


def test_a_young_service_that_does_not_answer_yet_is_starting(own: June, engine: FakeEngine) -> None:
    launched(own, engine, age_s=1.0)
    assert (row(own)["state"], row(own)["reason"]) == ("starting", "waits for the model to load")


def test_an_old_service_that_does_not_answer_is_degraded(own: June, engine: FakeEngine) -> None:
    launched(own, engine, age_s=600.0)
    assert row(own)["state"] == "degraded"
    assert "does not answer" in row(own)["reason"]


def test_a_service_that_lost_its_gpu_is_degraded_with_the_reason(own: June, engine: FakeEngine) -> None:
    launched(own, engine, age_s=5.0)
    engine.troubles["tts"] = "its container no longer sees a GPU"
    assert (row(own)["state"], row(own)["reason"]) == ("degraded", "its container no longer sees a GPU")


def test_unknown_services_are_named_with_the_nearest(own: June) -> None:
    done = own("serve", "stop", "ttss", "--json")
    assert done.exit_code == 2
    assert "tts" in done.json["error"]["hint"]


@pytest.mark.parametrize(
    "words", [("serve", "--dry-run"), ("serve", "start", "--engine", "docker", "--dry-run")]
)
def test_a_model_of_thirty_billion_is_refused_on_a_cpu_in_both_engines(
    june: June, tmp_path: Path, words: tuple[str, ...]
) -> None:
    large = tmp_path / "large"
    large.mkdir()
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": [300_000, 100_000], "data_offsets": [0, 0]}}
    ).encode()
    (large / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    more = f'[profiles.own.llm]\nservice = "llm"\npath = "{large}"\n'
    done = written(june, tmp_path, more)(*words, "--json")
    assert done.exit_code == 3
    assert done.json["error"]["code"] == "model-too-large-for-cpu"
