"""From a spec to a container's body: hardened unless a spec says why not, and the same whoever asks when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from june_cli.engine.container import GPU_ANSWERS, MEMORY, Placement, body
from june_cli.spec import Gpu, Job, Mount, Port, Relaxed, Secret, Service, Ulimit

SERVICE = Service(
    name="stt",
    summary="speech to text",
    image="stt",
    command=("python", "-m", "june_stt.server"),
    ports=(Port("grpc", 50051, "JUNE_PORT"),),
    mounts=(Mount(Path("/models/tiny"), "/models/stt", "JUNE_MODEL_DIR"),),
    env=(("JUNE_THREADS", "2"),),
    model="tiny",
    memory_bytes=2**30,
)
PLACE = Placement(
    home="/home/ann/june", image="june/stt:0123456789ab", ports={"grpc": 40001}, uid=1000, gid=100
)


def made(place: Placement = PLACE, **changes: Any) -> dict[str, Any]:
    return body(replace(SERVICE, **changes), place)


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{at}.{key}")
    else:
        yield at, value


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between two bodies, the spec's own hash aside."""
    before, after = dict(leaves(one)), dict(leaves(other))
    keys = [key for key in {*before, *after} if before.get(key) != after.get(key)]
    return {key: (before.get(key), after.get(key)) for key in keys if key != ".Labels.june.spec"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CapDrop", ["ALL"]),
        ("SecurityOpt", ["no-new-privileges"]),
        ("ReadonlyRootfs", True),
        ("PidsLimit", 2048),
        ("Memory", 2**30),
        ("MemorySwap", 2**30),
        ("Init", True),
        ("NetworkMode", "june"),
        ("LogConfig", {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}),
        ("PortBindings", {"50051/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40001"}]}),
        ("RestartPolicy", {"Name": "no", "MaximumRetryCount": 0}),
        ("Tmpfs", {"/tmp": "rw,nosuid,nodev,noexec,size=67108864,mode=1777"}),
    ],
)
def test_a_container_is_hardened_without_being_asked_to(key: str, value: object) -> None:
    assert made()["HostConfig"][key] == value


@pytest.mark.parametrize("key", ["CapAdd", "Privileged", "Devices", "DeviceRequests", "IpcMode", "PidMode"])
def test_a_container_is_given_nothing_that_was_not_asked_for(key: str) -> None:
    assert key not in made()["HostConfig"]


RELAXED: dict[str, dict[str, tuple[Any, Any]]] = {
    "writable-root": {".HostConfig.ReadonlyRootfs": (True, False)},
    "exec-tmp": {
        ".HostConfig.Tmpfs./tmp": (
            "rw,nosuid,nodev,noexec,size=67108864,mode=1777",
            "rw,nosuid,nodev,exec,size=67108864,mode=1777",
        )
    },
    "host-ipc": {".HostConfig.IpcMode": (None, "host")},
    "root-user": {".User": ("1000:100", "0:0")},
}


@pytest.mark.parametrize("what", get_args(get_type_hints(Relaxed)["what"]))
def test_a_relaxation_changes_one_thing_and_nothing_else(what: Any) -> None:
    assert differences(made(), made(relaxed=(Relaxed(what, "it has to"),))) == RELAXED[what]


def test_every_relaxation_at_once_is_the_sum_of_each() -> None:
    everything = tuple(Relaxed(what, "it has to") for what in get_args(get_type_hints(Relaxed)["what"]))
    expected = {key: value for changed in RELAXED.values() for key, value in changed.items()}
    assert differences(made(), made(relaxed=everything)) == expected


@pytest.mark.parametrize(
    ("uid", "gid", "user"),
    [(0, 0, "10001:10001"), (0, 1000, "10001:10001"), (1000, 100, "1000:100"), (10001, 7, "10001:7")],
)
def test_nobody_in_particular_stands_in_for_root_and_everybody_else_is_themselves(
    uid: int, gid: int, user: str
) -> None:
    assert made(replace(PLACE, uid=uid, gid=gid))["User"] == user


def test_a_secret_is_a_mounted_file_and_its_path_and_its_content_is_nowhere(tmp_path: Path) -> None:
    source = tmp_path / "token"
    source.write_text("s3cr3t-t0k3n")
    copy = tmp_path / "copy"
    copy.write_text("s3cr3t-t0k3n")
    secret = Secret("bot-token", source, "BOT_TOKEN_FILE")
    container = made(replace(PLACE, secrets={"bot-token": copy}), secrets=(secret,))
    mount = {"Type": "bind", "Source": str(copy), "Target": "/run/secrets/bot-token", "ReadOnly": True}
    assert mount in container["HostConfig"]["Mounts"]
    assert "BOT_TOKEN_FILE=/run/secrets/bot-token" in container["Env"]
    text = json.dumps(container)
    assert "s3cr3t" not in text
    assert str(source) not in text


def test_a_mount_is_read_only_unless_it_says_otherwise() -> None:
    mounts = (
        Mount(Path("/models"), "/models/stt", "JUNE_MODEL_DIR"),
        Mount(Path("/out"), "/out", "JUNE_OUT", read_only=False),
    )
    assert made(mounts=mounts)["HostConfig"]["Mounts"] == [
        {"Type": "bind", "Source": "/models", "Target": "/models/stt", "ReadOnly": True},
        {"Type": "bind", "Source": "/out", "Target": "/out"},
    ]


def test_a_workload_is_told_where_it_finds_what_it_was_given() -> None:
    told = dict(pair.split("=", 1) for pair in made()["Env"])
    assert (told["JUNE_PORT"], told["JUNE_MODEL_DIR"]) == ("50051", "/models/stt")
    assert (told["JUNE_HOST"], told["JUNE_THREADS"], told["HOME"]) == ("0.0.0.0", "2", "/tmp")
    assert (told["HF_HUB_OFFLINE"], told["DO_NOT_TRACK"]) == ("1", "1")


def test_a_private_authority_is_a_mounted_file_that_programs_are_pointed_at() -> None:
    container = made(replace(PLACE, authority=Path("/state/authorities.pem")))
    mount = {"Type": "bind", "Source": "/state/authorities.pem", "Target": "/run/june/ca.crt"}
    assert {**mount, "ReadOnly": True} in container["HostConfig"]["Mounts"]
    assert {"SSL_CERT_FILE=/run/june/ca.crt", "REQUESTS_CA_BUNDLE=/run/june/ca.crt"} <= set(container["Env"])


@pytest.mark.parametrize(
    ("count", "how", "request_"),
    [
        (1, "request", {"Count": 1, "Capabilities": [["gpu"]]}),
        (-1, "request", {"Count": -1, "Capabilities": [["gpu"]]}),
        (2, "cdi", {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]}),
        (-1, "cdi", {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}),
    ],
)
def test_a_gpu_is_requested_as_this_host_can_give_it(
    count: int, how: Literal["request", "cdi"], request_: dict[str, Any]
) -> None:
    container = made(replace(PLACE, gpus=how), gpu=Gpu(count))
    assert container["HostConfig"]["DeviceRequests"] == [request_]


def test_a_container_with_a_gpu_is_asked_every_half_minute_whether_it_still_has_it() -> None:
    health = made(gpu=Gpu())["Healthcheck"]
    assert health["Test"] == ["CMD-SHELL", GPU_ANSWERS]
    assert (health["Interval"], health["Timeout"], health["Retries"]) == (30 * 10**9, 10 * 10**9, 2)
    assert "Healthcheck" not in made()


def test_limits_are_those_of_the_service_and_memory_is_never_without_one() -> None:
    unlimited = made(memory_bytes=0)["HostConfig"]
    assert not {"ShmSize", "Ulimits", "CpuShares"} & unlimited.keys()
    assert unlimited["Memory"] == unlimited["MemorySwap"] == MEMORY
    host = made(shm_bytes=2**26, ulimits=(Ulimit("memlock", -1, -1),), tmpfs=(("/scratch", 10),))[
        "HostConfig"
    ]
    assert host["ShmSize"] == 2**26
    assert made(cpu_shares=4096)["HostConfig"]["CpuShares"] == 4096
    assert host["Ulimits"] == [{"Name": "memlock", "Soft": -1, "Hard": -1}]
    assert list(host["Tmpfs"]) == ["/scratch"]


def test_what_is_kept_comes_back_after_a_reboot() -> None:
    assert made(replace(PLACE, keep=True))["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"


def test_a_polite_stop_is_never_cut_short_by_rounding() -> None:
    assert made(stop_s=2.1)["StopTimeout"] == 3


def test_labels_say_whose_it_is_and_nothing_that_changes_between_two_starts() -> None:
    labels = made()["Labels"]
    elsewhere = replace(PLACE, ports={"grpc": 41234}, image="june/stt:ba9876543210", keep=True)
    assert made(elsewhere)["Labels"] == labels
    assert labels == {
        "june.service": "stt",
        "june.home": "/home/ann/june",
        "june.spec": SERVICE.hash,
        "june.owner": "1000",
        "june.model": "tiny",
        "june.ports": "grpc=50051",
        "june.kind": "service",
    }
    assert made(model="base")["Labels"]["june.spec"] != labels["june.spec"]


def test_a_job_is_not_mistaken_for_a_service() -> None:
    job = Job(name="fetch", summary="", image="stt", command=("python",))
    assert body(job, PLACE)["Labels"]["june.kind"] == "job"


def test_equal_arguments_give_equal_bodies_in_any_process_at_any_time_with_any_environment() -> None:
    """Nothing but its arguments is read: no clock, no random number, no variable, no working directory."""
    code = f"""
import json, pathlib, sys, time
time.sleep(float(sys.argv[1]))
PosixPath = pathlib.Path
from june_cli.engine.container import Placement, body
from june_cli.spec import Gpu, Mount, Port, Ready, Service
print(json.dumps(body({replace(SERVICE, gpu=Gpu())!r}, {PLACE!r})))
"""

    def said(wait_s: float, folder: str, **environ: str) -> str:
        environment = {**os.environ, **environ}
        words = [sys.executable, "-c", code, str(wait_s)]
        done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    one = said(0, "/", PYTHONHASHSEED="1", TZ="UTC")
    other = said(1.1, "/tmp", PYTHONHASHSEED="2", TZ="Asia/Tokyo", HTTPS_PROXY="http://proxy:3128")
    assert one == other
    assert json.loads(one) == made(gpu=Gpu())


@given(
    st.lists(st.integers(1, 65535), unique=True, max_size=6),
    st.lists(st.integers(1, 65535), min_size=6, max_size=6),
)
def test_every_port_is_published_on_loopback_only(inside: list[int], outside: list[int]) -> None:
    ports = tuple(Port(f"p{number}", number, f"PORT_{number}") for number in inside)
    taken = {port.name: number for port, number in zip(ports, outside, strict=False)}
    container = made(replace(PLACE, ports=taken), ports=ports)
    bindings = container["HostConfig"]["PortBindings"]
    assert [b["HostIp"] for one in bindings.values() for b in one] == ["127.0.0.1"] * len(ports)
    assert set(bindings) == set(container["ExposedPorts"]) == {f"{number}/tcp" for number in inside}
