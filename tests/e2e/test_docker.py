"""The docker engine on a real Docker Engine: the same commands, in hardened containers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune

pytestmark = pytest.mark.docker


def test_talk_answers_from_containers_and_leaves_none(docked: DockerJune) -> None:
    talked = docked("talk", "--say", "What is the capital of France?", "-o", "answer.wav", "--json").json
    assert "paris" in talked["answer"].lower()
    assert talked["engine"] == "docker"
    assert docked.containers() == []
    assert not (docked.home / "state" / "docker" / "stt.use").exists()


def test_containers_may_do_as_little_as_possible(docked_up: DockerJune) -> None:
    found = docked_up.containers()
    assert {c["Config"]["Labels"]["june.service"] for c in found} == {"stt", "llm", "tts"}
    for one in found:
        host = one["HostConfig"]
        assert one["Config"]["User"].split(":")[0] != "0"
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert not host["Privileged"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["ReadonlyRootfs"]
        assert 0 < host["PidsLimit"] <= 4096
        assert host["Memory"] > 0
        assert host["MemorySwap"] == host["Memory"]
        assert host["IpcMode"] == "private"
        assert all(m["RW"] is False for m in one["Mounts"] if m["Type"] == "bind")
        bound = [b for bindings in host["PortBindings"].values() for b in bindings]
        assert bound
        assert {b["HostIp"] for b in bound} == {"127.0.0.1"}
        assert list(one["NetworkSettings"]["Networks"]) == ["june"]


def test_a_process_in_a_container_is_nobody_and_can_write_nowhere_but_tmp(docked_up: DockerJune) -> None:
    code = "import os; print(os.getuid()); open('/tmp/x','w'); open('/opt/june/x','w')"
    client = docked_up.client
    run = client.exec_create(docked_up.container("stt")["Id"], ["python", "-c", code])
    said = client.exec_start(run["Id"]).decode()
    assert ("10001" if os.getuid() == 0 else str(os.getuid())) in said.splitlines()
    assert "Read-only file system" in said


def test_a_second_serve_joins_what_runs(docked_up: DockerJune) -> None:
    before = {c["Id"] for c in docked_up.containers()}
    docked_up("serve")
    assert {c["Id"] for c in docked_up.containers()} == before


def test_commands_use_what_runs_whichever_engine_the_profile_names(docked_up: DockerJune) -> None:
    before = {c["Id"] for c in docked_up.containers()}
    plain = {k: v for k, v in docked_up.environ.items() if k != "JUNE_ENGINE"}
    june = type(docked_up)(docked_up.home, docked_up.work, plain, client=docked_up.client)
    talked = june("talk", "--say", "What is the capital of France?", "-o", "joined.wav", "--json").json
    assert talked["engine"] == "docker"
    assert {c["Id"] for c in docked_up.containers()} == before
    assert not june.services()


def test_status_says_what_runs(docked_up: DockerJune) -> None:
    shown = docked_up("serve", "status", "--json").json
    assert shown["profile"] == "tiny"
    for row in shown["services"]:
        assert (row["engine"], row["state"], row["kept"]) == ("docker", "ready", True)
        assert row["memory_bytes"] > 10_000_000
        assert row["image"].startswith("june/")
        assert row["ports"]


def test_the_printed_lines_make_the_same_containers(docked: DockerJune) -> None:
    docked("serve", "start")
    by_june = {c["Config"]["Labels"]["june.service"]: comparable(c) for c in docked.containers()}
    docked("serve", "stop")
    plan = docked("serve", "start", "--dry-run", "--json").json
    networks = [line for line in plan["prerequisites"] if line.startswith("docker network")]
    subprocess.run(["bash", "-ec", networks[0]], check=True, capture_output=True)
    for line in plan["run"]:
        subprocess.run(["bash", "-ec", line], check=True, capture_output=True)
    by_hand = {c["Config"]["Labels"]["june.service"]: comparable(c) for c in docked.containers()}
    assert by_hand == by_june
    assert {row["state"] for row in docked("serve", "start", "--json").json["services"]} == {"ready"}
    assert {c["Config"]["Labels"]["june.service"]: comparable(c) for c in docked.containers()} == by_june
    docked("serve", "stop")


def test_the_printed_builds_make_the_same_images(docked: DockerJune) -> None:
    plan = docked("serve", "start", "--dry-run", "--json").json
    builds = [line for line in plan["prerequisites"] if "docker build" in line]
    assert builds
    environ = {
        **docked.env,
        "DOCKER_BUILDKIT": "0",
        "PATH": f"{Path(docked.command()[0]).parent}:{os.environ['PATH']}",
    }
    for line in builds[:3]:
        tag = line.split("--tag ")[1].split()[0]
        before = docked.client.inspect_image(tag) if _has(docked.client, tag) else None
        subprocess.run(["bash", "-o", "pipefail", "-ec", line], check=True, capture_output=True, env=environ)
        after = docked.client.inspect_image(tag)
        if before:
            assert {**after["Config"], "Image": ""} == {
                **before["Config"],
                "Image": "",
            }  # an id, of each build


def _has(client: Any, tag: str) -> bool:
    return bool(client.images(name=tag))


def comparable(found: dict[str, Any]) -> dict[str, Any]:
    """Config, HostConfig, networks and labels, without empty values, ids, names and times."""
    networks = {
        name: {k: v for k, v in network.items() if k in ("IPAMConfig", "Links", "DriverOpts") and v}
        for name, network in found["NetworkSettings"]["Networks"].items()
    }
    config = {**found["Config"], "Env": sorted(found["Config"]["Env"])}  # the docker command shuffles it
    picked = {"Config": config, "HostConfig": found["HostConfig"], "Networks": networks}
    return json.loads(json.dumps(_without_empty(picked)))


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: _without_empty(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in (None, "", [], {}, False, 0)}
    return [_without_empty(v) for v in value] if isinstance(value, list) else value
