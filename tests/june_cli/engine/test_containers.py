"""Single containers, with a small client as the Docker SDK: made whole or not at all, ended politely."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from june_cli.engine.containers import Containers
from june_cli.errors import JuneError

RUNNING = {"Running": True}
KEPT, NOT_KEPT = {"Name": "unless-stopped"}, {"Name": "no"}


def found(state: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    config = {"StopTimeout": 7, "Labels": {}}
    return {"Id": "c0ffee", "State": state, "Config": config, "HostConfig": {"RestartPolicy": policy}}


class Client:
    """Remembers every call; `answers` says what it returns, or raises."""

    base_url = "http+docker://localhost"

    def __init__(self, **answers: Any) -> None:
        self.answers, self.calls = answers, list[tuple[str, tuple[Any, ...], dict[str, Any]]]()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            self.calls.append((name, words, options))
            answer = self.answers.get(name)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return call

    @property
    def called(self) -> list[str]:
        return [name for name, _, _ in self.calls]


def containers(client: Client) -> Containers:
    class Offline(Containers):
        pass

    Offline.client = client  # type: ignore[assignment, method-assign]
    return Offline({"DOCKER_HOST": "unix:///nowhere.sock"})


def test_a_container_runs_after_it_was_made() -> None:
    client = Client(create_container_from_config={"Id": "c0ffee"}, inspect_container=found(RUNNING, KEPT))
    assert containers(client).run({"Image": "x"}, "june-x")["Id"] == "c0ffee"
    assert client.calls[0] == ("create_container_from_config", ({"Image": "x"}, "june-x"), {})
    assert client.called == ["create_container_from_config", "start", "inspect_container"]


@pytest.mark.parametrize("error", [APIError("port is already allocated"), KeyboardInterrupt()])
def test_a_container_that_does_not_start_is_gone_again(error: BaseException) -> None:
    client = Client(create_container_from_config={"Id": "c0ffee"}, start=error)
    with pytest.raises(type(error)):
        containers(client).run({}, "june-x")
    assert client.calls[-1] == ("remove_container", ("c0ffee",), {"force": True, "v": True})


def test_what_is_not_there_is_nothing_and_another_refusal_is_explained() -> None:
    assert containers(Client(inspect_container=NotFound("no such container"))).inspected("x") is None
    with pytest.raises(JuneError, match="the Docker Engine refused: broken"):
        containers(Client(inspect_container=APIError("500", explanation="broken"))).inspected("x")


def test_keeping_is_asked_of_docker_once() -> None:
    client = Client(inspect_container=found(RUNNING, KEPT))
    kept = containers(client).keep(found(RUNNING, NOT_KEPT))
    assert kept["HostConfig"]["RestartPolicy"] == KEPT
    assert client.calls[0] == ("update_container", ("c0ffee",), {"restart_policy": KEPT})
    again = Client()
    assert containers(again).keep(found(RUNNING, KEPT)) == found(RUNNING, KEPT)
    assert again.calls == []


@pytest.mark.parametrize(
    ("state", "calls"),
    [
        (RUNNING, ["stop", "logs", "remove_container"]),
        ({"Running": True, "Paused": True}, ["unpause", "stop", "logs", "remove_container"]),
        ({"Running": False}, ["logs", "remove_container"]),
    ],
)
def test_a_container_is_ended_politely_and_its_log_is_kept(
    tmp_path: Path, state: dict[str, Any], calls: list[str]
) -> None:
    client = Client(logs=b"last words\n")
    containers(client).end(found(state, KEPT), tmp_path / "logs/x.log")
    assert client.called == calls
    assert (tmp_path / "logs/x.log").read_bytes() == b"last words\n"
    if "stop" in calls:
        assert ("stop", ("c0ffee",), {"timeout": 7}) in client.calls


def test_a_container_that_somebody_else_removed_has_ended(tmp_path: Path) -> None:
    containers(Client(stop=NotFound("no such container"))).end(found(RUNNING, KEPT), tmp_path / "x.log")


@pytest.mark.parametrize(
    ("said", "discarded"),
    [
        ({"MemoryLimit": True, "SwapLimit": True, "PidsLimit": True}, set()),
        ({}, set()),
        ({"MemoryLimit": True, "SwapLimit": False, "PidsLimit": True}, {"MemorySwap"}),
        (
            {"MemoryLimit": False, "SwapLimit": False, "PidsLimit": False, "CPUShares": False},
            {"Memory", "MemorySwap", "PidsLimit", "CpuShares"},
        ),
    ],
)
def test_limits_that_a_kernel_cannot_keep_are_known(said: dict[str, Any], discarded: set[str]) -> None:
    """Docker leaves them out with a warning: without this, each use would restart such a container."""
    assert containers(Client(info=said)).discarded() == discarded
