"""From a model of the catalog to one that answers in a real Triton in Docker, and back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from june_cli.assistant.repository import Repository
from tests.e2e.test_docker_services import STUB, inside

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune

pytestmark = pytest.mark.docker
MODEL = "smollm2-135m-instruct"


def served(june: DockerJune) -> dict[str, str]:
    return {one["model"]: one["state"] for one in june("model", "status", "--json").json["models"]}


def seen(june: DockerJune) -> dict[str, str]:
    """What Triton itself says."""
    return {one.name: one.state for one in Repository(address(june)).index()}


def address(june: DockerJune) -> str:
    ports: dict[str, Any] = june("serve", "status", "--json").json["services"][1]["ports"]
    return f"127.0.0.1:{ports['http']}"


def test_build_load_swap_break_repair_and_unload(docked: DockerJune) -> None:
    june = docked
    built = june("model", "build", MODEL, "--context", "2048", "--json").json
    assert list(built["stages"]) == ["plan", "fetch", "quantize", "lay out", "validate"]
    again = june("model", "build", MODEL, "--context", "2048", "--json").json["stages"]
    assert again["lay out"] == again["quantize"] == "done before"
    assert june("model", "repo", "validate", "--json").json["problems"] == []
    assert june("model", "status", "--json", code=4).json["error"]["code"] == "triton-not-running"
    june("serve", "start", "llm")
    assert served(june) == {MODEL: "ready"}

    unloaded = june("model", "unload", MODEL, "--json").json
    assert unloaded["models"] == [MODEL]
    assert unloaded["freed_bytes"] > 50_000_000
    assert (served(june), seen(june)) == ({MODEL: "unloaded"}, {MODEL: "UNAVAILABLE"})
    assert june("model", "ready", MODEL, "--json", code=4).json["ready"] is False
    began = time.monotonic()
    assert june("chat", "Hello", "--json", code=4).json["error"]["code"] == "model-not-loaded"
    assert time.monotonic() - began < 20, "nobody loads it: that is known at once"
    loaded = june("model", "load", MODEL, "--json").json
    assert loaded["loaded"]
    assert seen(june) == {MODEL: "READY"}
    assert "Paris" in june("chat", "What is the capital of France?").out
    assert not june("model", "load", MODEL, "--json").json["loaded"]

    entry = june.home / "repository" / MODEL / "config.pbtxt"
    good = entry.read_text()
    entry.write_text(good.replace("backend:", "backend"))
    june("model", "unload", "--all")
    broken = june("model", "load", MODEL, "--json", code=1).json["error"]
    assert broken["code"] == "entry-invalid"
    assert "config.pbtxt:2" in broken["message"]
    entry.write_text(good)
    june("model", "load", MODEL)

    inside(june, "llm", STUB)
    time.sleep(1)
    assert seen(june) == {MODEL: "READY"}, "Triton does not notice"
    assert served(june) == {MODEL: "degraded"}
    assert june("model", "load", MODEL, "--json", code=4).json["error"]["code"] == "model-degraded"
    assert june("model", "load", MODEL, "--repair", "--json").json["loaded"]
    assert served(june) == {MODEL: "ready"}
    unknown = june("model", "load", "nothing", "--json", code=2).json["error"]
    assert (unknown["code"], MODEL in unknown["hint"]) == ("model-unknown", True)
    june("serve", "stop")
