"""What `docker inspect` says, read for June: recorded from a Docker Engine 20.10, and as Podman tells it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from june_cli.engine import inspection

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("inspections.json").read_text("utf-8"))
BODY: dict[str, Any] = RECORDED["body"]
GONE = object()


def recorded(state: str = "running", **changes: Any) -> Any:
    """A recorded container in one of the recorded states; `changes` are made to its HostConfig."""
    found = copy.deepcopy(RECORDED["running"])
    found.update(copy.deepcopy(RECORDED["states"].get(state, {})))
    found["HostConfig"].update(changes)
    return found


def at(found: Any, path: str, value: object) -> Any:
    """The same with one value, deep inside, replaced or taken away."""
    *way, last = path.split(".")
    inner = found
    for step in way:
        inner = inner[step]
    if value is GONE:
        inner.pop(last, None)
    else:
        inner[last] = value
    return found


def test_a_container_is_read_as_the_service_it_runs() -> None:
    running = inspection.running(recorded())
    assert (running.service, running.engine, running.model, running.kept) == (
        "stt",
        "docker",
        "moonshine-tiny-en",
        True,
    )
    assert running.ports == {"grpc": 50061}
    assert running.id == RECORDED["running"]["Id"]
    assert running.spec_hash == BODY["Labels"]["june.spec"]
    assert running.image == BODY["Image"]
    begun = datetime.fromtimestamp(running.started_at, UTC)
    assert begun.isoformat() == RECORDED["running"]["State"]["StartedAt"][:26] + "+00:00"


def test_the_name_is_without_dockers_slash() -> None:
    assert inspection.name(recorded()) == "june-stt-0ddba11a"


@pytest.mark.parametrize(
    ("said", "iso"),
    [
        ("2026-11-24T03:12:03.5Z", "2026-11-24T03:12:03.500000+00:00"),
        ("2026-11-24T05:12:03.123456789+02:00", "2026-11-24T03:12:03.123456+00:00"),
        ("2026-11-23T22:12:03-05:00", "2026-11-24T03:12:03+00:00"),
    ],
)
def test_the_time_it_started_is_right_in_every_zone(said: str, iso: str) -> None:
    started = inspection.running(at(recorded(), "State.StartedAt", said)).started_at
    assert datetime.fromtimestamp(started, UTC).isoformat() == iso


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00Z", "", "yesterday", None, GONE])
def test_a_container_that_never_started_started_at_no_time(said: object) -> None:
    assert inspection.running(at(recorded(), "State.StartedAt", said)).started_at == 0.0


ENDINGS = {
    "running": "",
    "unhealthy": "",
    "part-oom": "",
    "paused": "its container is paused (docker unpause june-stt-0ddba11a)",
    "exited-0": "it ended with exit code 0",
    "exited-3": "it ended with exit code 3",
    "exited-255": "it ended with exit code 255",
    "no-program": "it ended with exit code 127",
    "terminated": "it was ended by SIGTERM",
    "killed": "it was ended by SIGKILL",
    "oom": "it ran out of memory and was killed (its limit is 0.0625 GiB)",
    "restarting": "it ended with exit code 7",
}


@pytest.mark.parametrize("state", ENDINGS)
def test_why_it_does_not_run_is_said_in_words(state: str) -> None:
    assert inspection.ending(recorded(state)) == ENDINGS[state]


@pytest.mark.parametrize("state", ["running", "unhealthy", "part-oom", "paused", "restarting"])
def test_what_runs_or_will_again_in_a_moment_lives(state: str) -> None:
    assert inspection.lives(recorded(state))


@pytest.mark.parametrize("state", ["exited-0", "exited-3", "killed", "terminated", "oom", "created"])
def test_what_has_ended_or_never_began_does_not(state: str) -> None:
    assert not inspection.lives(recorded(state))


def test_memory_that_ran_out_without_a_limit_names_none() -> None:
    assert inspection.ending(recorded("oom", Memory=0)) == "it ran out of memory and was killed"


def test_what_docker_could_not_run_is_told_as_docker_tells_it() -> None:
    found = at(recorded("exited-3"), "State.Error", "driver failed programming external connectivity")
    assert inspection.ending(found).endswith(
        "could not run it: driver failed programming external connectivity"
    )


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_container_in_order_has_no_trouble(state: str) -> None:
    assert inspection.trouble(recorded(state)) == ""


def test_a_lost_gpu_is_trouble_with_the_last_thing_the_check_said() -> None:
    expected = "its container no longer sees a GPU: Failed to initialize NVML: Unknown Error"
    assert inspection.trouble(recorded("unhealthy")) == expected


@pytest.mark.parametrize("log", [None, [], [{}], [{"Output": ""}]])
def test_a_check_that_said_nothing_is_trouble_all_the_same(log: object) -> None:
    found = at(recorded("unhealthy"), "State.Health.Log", log)
    assert inspection.trouble(found) == "its container no longer sees a GPU"


@pytest.mark.parametrize("status", ["starting", "healthy", "none", ""])
def test_a_gpu_that_was_not_missed_yet_is_no_trouble(status: str) -> None:
    assert inspection.trouble(at(recorded("unhealthy"), "State.Health.Status", status)) == ""


def test_a_part_that_ran_out_of_memory_is_trouble_although_the_rest_runs() -> None:
    found = at(recorded(), "State.OOMKilled", True)
    assert inspection.trouble(found) == "a part of it ran out of memory and was killed"
    assert inspection.ending(found) == ""


@pytest.mark.parametrize(("count", "words"), [(1, "restarted 1 time"), (6, "restarted 6 times")])
def test_restarts_are_trouble_and_counted(count: int, words: str) -> None:
    found = at(at(recorded(), "RestartCount", count), "State.StartedAt", datetime.now(UTC).isoformat())
    assert inspection.trouble(found) == f"it has ended and been {words}"
    assert (
        inspection.trouble(at(found, "State.OOMKilled", True)) == f"it has run out of memory and been {words}"
    )


def test_a_restart_long_ago_is_no_trouble_any_more() -> None:
    assert inspection.trouble(at(recorded(), "RestartCount", 3)) == ""


def test_what_june_made_and_nobody_touched_is_unchanged() -> None:
    assert inspection.drift(recorded(), BODY) == []


EDITS: list[tuple[str, object, str]] = [
    ("Config.Image", "june/stt:ffffffffffff", "Image"),
    ("Config.Image", "somejune/python:3.11-slim-bookworm2", "Image"),
    ("Config.Cmd", ["sleep", "9"], "Cmd"),
    ("Config.Cmd", None, "Cmd"),
    ("Config.User", "0:0", "User"),
    ("Config.User", "", "User"),
    ("Config.Env", ["PATH=/bin"], "Env"),
    ("Config.Env", None, "Env"),
    ("HostConfig.Mounts", [], "Mounts"),
    ("HostConfig.Binds", ["/:/host:ro"], "Mounts"),
    ("HostConfig.Binds", ["/:/host"], "Mounts"),
    ("HostConfig.Memory", 2**40, "Memory"),
    ("HostConfig.MemorySwap", -1, "MemorySwap"),
    ("HostConfig.ReadonlyRootfs", False, "ReadonlyRootfs"),
    ("HostConfig.Init", False, "Init"),
    ("HostConfig.Init", GONE, "Init"),
    ("HostConfig.PidsLimit", 0, "PidsLimit"),
    ("HostConfig.ShmSize", 1, "ShmSize"),
    ("HostConfig.CapDrop", None, "CapDrop"),
    ("HostConfig.CapDrop", ["CHOWN"], "CapDrop"),
    ("HostConfig.CapAdd", ["SYS_ADMIN"], "CapDrop"),
    ("HostConfig.Privileged", True, "Privileged"),
    ("HostConfig.SecurityOpt", None, "SecurityOpt"),
    ("HostConfig.SecurityOpt", ["seccomp=unconfined"], "SecurityOpt"),
    ("HostConfig.PortBindings", None, "PortBindings"),
    ("HostConfig.PortBindings", {"50061/tcp": [{"HostIp": "", "HostPort": "50061"}]}, "PortBindings"),
    ("NetworkSettings.Networks", {"bridge": {}}, "network"),
    ("NetworkSettings.Networks", None, "network"),
]


@pytest.mark.parametrize(("path", "value", "key"), EDITS)
def test_a_setting_that_somebody_edited_is_named(path: str, value: object, key: str) -> None:
    assert inspection.drift(at(recorded(), path, value), BODY) == [key]


def test_a_share_of_the_processors_that_somebody_edited_is_named() -> None:
    body = at(copy.deepcopy(BODY), "HostConfig.CpuShares", 4096)
    assert inspection.drift(recorded(CpuShares=4096), body) == []
    assert inspection.drift(recorded(CpuShares=2), body) == ["CpuShares"]


def test_several_edits_are_all_named_in_order() -> None:
    found = at(at(recorded(), "HostConfig.Privileged", True), "Config.User", "0")
    assert inspection.drift(found, BODY) == ["Privileged", "User"]


def test_host_ipc_is_only_missed_where_it_was_asked_for() -> None:
    wanted = copy.deepcopy(BODY)
    wanted["HostConfig"]["IpcMode"] = "host"
    assert inspection.drift(recorded(), wanted) == ["IpcMode"]
    assert inspection.drift(recorded(IpcMode="host"), wanted) == []


def test_what_an_image_adds_of_its_own_is_no_edit() -> None:
    found = recorded()
    found["Config"]["Env"] += ["GPG_KEY=0D96", "PYTHON_VERSION=3.11.7"]
    found["Config"]["Labels"]["org.opencontainers.image.title"] = "python"
    assert inspection.drift(found, BODY) == []


def test_a_service_that_leaves_the_command_to_its_image_is_not_seen_as_edited() -> None:
    assert inspection.drift(recorded(), {**BODY, "Cmd": []}) == []


def test_the_same_container_made_by_hand_with_volume_instead_of_mount_is_the_same() -> None:
    found = recorded(Mounts=None, Binds=["/srv/models/stt:/models/stt:ro"])
    assert inspection.drift(found, BODY) == []
    found = recorded(Mounts=None, Binds=["/srv/models/stt:/models/stt"])
    assert inspection.drift(found, BODY) == ["Mounts"]


def podman() -> Any:
    """The recorded container as Podman's Docker API tells it: fewer keys, names written out, local time."""
    found = recorded(
        Mounts=GONE,
        Binds=["/srv/models/stt:/models/stt:ro,rprivate,rbind"],
        CapDrop=sorted(inspection.CAPABILITIES),
        CapAdd=[],
        SecurityOpt=["no-new-privileges"],
    )
    found["HostConfig"].pop("Mounts")
    found["Config"]["Image"] = f"docker.io/library/{BODY['Image']}"
    found["State"]["StartedAt"] = "2026-11-24T04:12:03.028201354+01:00"
    for key in ("OOMKilled", "Restarting", "Error", "Dead"):
        found["State"].pop(key)
    found.pop("RestartCount")
    return found


def test_podman_tells_of_the_same_container_in_other_words() -> None:
    assert inspection.drift(podman(), BODY) == []
    running = inspection.running(podman())
    assert (running.ports, running.kept) == ({"grpc": 50061}, True)
    assert abs(running.started_at - inspection.running(recorded()).started_at) < 1e-3
    assert (inspection.ending(podman()), inspection.trouble(podman())) == ("", "")
    assert inspection.lives(podman())


def test_an_edit_is_seen_through_podmans_words_too() -> None:
    kept = sorted(inspection.CAPABILITIES - {"NET_BIND_SERVICE"})
    assert inspection.drift(at(podman(), "HostConfig.CapDrop", kept), BODY) == ["CapDrop"]


MISSING = ["Binds", "CapAdd", "Privileged", "Tmpfs", "LogConfig", "Runtime", "IpcMode"]


@pytest.mark.parametrize("key", MISSING)
def test_a_key_that_an_engine_leaves_out_is_no_edit(key: str) -> None:
    assert inspection.drift(at(recorded(), f"HostConfig.{key}", GONE), BODY) == []


@pytest.mark.parametrize(
    ("key", "reading"),
    [
        ("RestartPolicy", inspection.kept),
        ("PortBindings", inspection.ports),
        ("Memory", inspection.ending),
        ("Memory", inspection.trouble),
    ],
)
@pytest.mark.parametrize("value", [None, GONE])
def test_a_key_without_a_value_is_read_as_nothing(
    key: str, reading: Callable[[Any], object], value: object
) -> None:
    assert not reading(at(recorded(), f"HostConfig.{key}", value))


def test_a_port_that_docker_picks_itself_is_not_believed() -> None:
    bound = {"50061/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}
    assert inspection.ports(recorded(PortBindings=bound)) == {}


def test_a_service_without_ports_has_none() -> None:
    assert inspection.ports(at(recorded(), "Config.Labels", {"june.service": "x", "june.ports": ""})) == {}
