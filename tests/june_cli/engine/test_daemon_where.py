"""Where a Docker Engine is: as the `docker` command finds it, without asking any."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from june_cli.engine import daemon
from june_cli.errors import MachineLacks, UsageProblem


def contexts(home: Path, used: str | None = None, **hosts: Any) -> None:
    for number, (name, host) in enumerate(hosts.items()):
        meta = home / "contexts/meta" / str(number) / "meta.json"
        meta.parent.mkdir(parents=True)
        meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    home.mkdir(parents=True, exist_ok=True)
    if used is not None:
        (home / "config.json").write_text(json.dumps({"currentContext": used}))


def test_the_context_in_use_says_where_the_engine_is(tmp_path: Path) -> None:
    contexts(tmp_path, "rootless", rootless="unix:///run/user/7/docker.sock", other="unix:///other.sock")
    chosen = {"DOCKER_CONFIG": str(tmp_path)}
    assert daemon.where(chosen) == "unix:///run/user/7/docker.sock"
    assert daemon.where({**chosen, "DOCKER_CONTEXT": "other"}) == "unix:///other.sock"
    assert daemon.where({**chosen, "DOCKER_HOST": "unix:///asked.sock"}) == "unix:///asked.sock"


def test_contexts_are_looked_for_in_the_home_where_no_other_place_is_named(tmp_path: Path) -> None:
    contexts(tmp_path / ".docker", "it", it="unix:///it.sock")
    assert daemon.where({"HOME": str(tmp_path)}) == "unix:///it.sock"


@pytest.mark.parametrize("used", ["default", "", None])
def test_the_default_context_is_the_usual_socket(tmp_path: Path, used: str | None) -> None:
    contexts(tmp_path, used, other="unix:///other.sock")
    environ = {"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": "/nowhere"}
    assert daemon.where(environ, tmp_path) == f"unix://{tmp_path}/var/run/docker.sock"


@pytest.mark.parametrize(
    "meta",
    ["", "[]", "{", '{"Name": "x"}', '{"Name": "x", "Endpoints": null}', '{"Name": "x", "Endpoints": []}'],
)
def test_files_of_contexts_that_are_broken_make_no_traceback(tmp_path: Path, meta: str) -> None:
    contexts(tmp_path, "x", other="unix:///other.sock")
    (tmp_path / "contexts/meta/0/meta.json").write_text(meta)
    with pytest.raises(UsageProblem, match="no Docker context 'x'"):
        daemon.connect({"DOCKER_CONFIG": str(tmp_path)})


@pytest.mark.parametrize("content", ["", "[]", "{", "3", '{"currentContext": null}', '{"auths": {}}'])
def test_a_configuration_that_is_broken_chooses_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    environ = {"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": "/nowhere"}
    assert daemon.where(environ, tmp_path).endswith("/var/run/docker.sock")


def test_the_usual_sockets_are_looked_for_in_the_order_people_mean_them(tmp_path: Path) -> None:
    """Docker's own, rootless Docker's, rootless Podman's, Podman's; the first one where there is none."""
    root, runtime = tmp_path / "root", tmp_path / "run-user"
    sockets = [
        root / "var/run/docker.sock",
        runtime / "docker.sock",
        runtime / "podman/podman.sock",
        root / "run/podman/podman.sock",
    ]
    environ = {"XDG_RUNTIME_DIR": str(runtime), "HOME": str(tmp_path)}
    assert daemon.where(environ, root) == f"unix://{sockets[0]}"
    for path in reversed(sockets):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        assert daemon.where(environ, root) == f"unix://{path}"


@pytest.mark.parametrize(
    "address",
    [
        "tcp://192.168.1.7:2375",
        "tcp://gpu.example:2375",
        "ssh://ann@gpu.example",
        "https://10.0.0.1",
        "gpu.example:2375",
        "tcp://localhost.gpu.example:1",
        "tcp://localhost@gpu.example:1",
        "tcp://[2001:db8::1]:2375",
    ],
)
def test_an_engine_on_another_machine_is_not_asked(address: str) -> None:
    with pytest.raises(MachineLacks, match=r"at .* is on another machine") as caught:
        daemon.connect({"DOCKER_HOST": address})
    assert address in caught.value.message
    assert caught.value.code == "docker-remote"


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1", "tcp://[bad", "tcp://127.0.0.1:port", "fd://", "/var/run/docker.sock"]
)
def test_an_address_that_is_none_is_a_mistake_of_who_wrote_it(address: str) -> None:
    with pytest.raises(UsageProblem, match="is no address of a Docker Engine") as caught:
        daemon.connect({"DOCKER_HOST": address})
    assert caught.value.code == "docker-host"


@pytest.mark.parametrize(
    "address",
    ["tcp://localhost:{}", "tcp://127.0.0.1:{}", "tcp://127.8.8.8:{}", "http://localhost:{}", ":{}"],
)
def test_an_engine_on_a_port_of_this_machine_is_asked(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(MachineLacks, match="no Docker Engine answers"):
        daemon.connect({"DOCKER_HOST": address.format(port)})
