"""The `docker run` line: read back as a shell and Docker read it, it is the body that June would post."""

from __future__ import annotations

import csv
import io
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from june_cli.engine.container import Placement, body
from june_cli.engine.lines import run_line
from june_cli.spec import Gpu, Mount, Port, Relaxed, Secret, Service, Ulimit, Workload

ALONE = ("--init", "--read-only", "--detach")
NASTY = "a b  $HOME `id` \"q\" 'q' \\ , = ; & | > * é 世界 \n next line "


def read_back(line: str) -> tuple[str, dict[str, Any]]:
    """The name and the body that `docker run` makes of a line: each option does what Docker's page says."""
    words = iter(shlex.split(line)[2:])  # after `docker run`
    given_: list[tuple[str, str]] = []
    for word in words:
        if word == "\n":  # shlex keeps a line's continuation, which a shell drops
            continue
        if not word.startswith("--"):
            break
        given_.append((word, "" if word in ALONE else next(words)))
    else:
        raise AssertionError("no image")
    made: dict[str, Any] = {
        "Image": word,
        "Cmd": list(words),
        "Env": [],
        "Labels": {},
        "ExposedPorts": {},
        "HostConfig": {
            "PortBindings": {},
            "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
            "ReadonlyRootfs": False,
            "CapDrop": [],
            "SecurityOpt": [],
            "Tmpfs": {},
            "Mounts": [],
            "LogConfig": {"Type": "", "Config": {}},
        },
    }
    for option, value in given_:
        OPTIONS[option](made, made["HostConfig"], value)
    return made.pop("name"), made


def put(key: str, convert: Callable[[str], Any] = str) -> Callable[[Any, Any, str], None]:
    def act(body: Any, host: Any, value: str) -> None:
        del host
        body[key] = convert(value)

    return act


def limit(key: str, convert: Callable[[str], Any] = int) -> Callable[[Any, Any, str], None]:
    def act(body: Any, host: Any, value: str) -> None:
        del body
        host[key] = convert(value)

    return act


def more(where: Callable[[Any, Any], list[Any]]) -> Callable[[Any, Any, str], None]:
    return lambda body, host, value: where(body, host).append(value)


def pair(where: Callable[[Any, Any], dict[str, Any]], split: str = "=") -> Callable[[Any, Any, str], None]:
    def act(body: Any, host: Any, value: str) -> None:
        key, _, rest = value.partition(split)
        where(body, host)[key] = rest

    return act


def network(body: Any, host: Any, value: str) -> None:
    host["NetworkMode"] = value
    body["NetworkingConfig"] = {"EndpointsConfig": {value: {}}}


def publish(body: Any, host: Any, value: str) -> None:
    ip, outside, inside = value.split(":")
    host["PortBindings"].setdefault(f"{inside}/tcp", []).append({"HostIp": ip, "HostPort": outside})
    body["ExposedPorts"][f"{inside}/tcp"] = {}


def mount(body: Any, host: Any, value: str) -> None:
    del body
    (fields,) = csv.reader(io.StringIO(value, newline=""), strict=True)
    named = dict(field.split("=", 1) for field in fields if field != "readonly")
    found = {"Type": named["type"], "Source": named["source"], "Target": named["target"]}
    host["Mounts"].append({**found, **({"ReadOnly": True} if "readonly" in fields else {})})


def ulimit(body: Any, host: Any, value: str) -> None:
    del body
    name, _, numbers = value.partition("=")
    soft, hard = numbers.split(":")
    host.setdefault("Ulimits", []).append({"Name": name, "Soft": int(soft), "Hard": int(hard)})


def gpus(body: Any, host: Any, value: str) -> None:
    del body
    host["DeviceRequests"] = [{"Count": -1 if value == "all" else int(value), "Capabilities": [["gpu"]]}]


def device(body: Any, host: Any, value: str) -> None:
    del body
    request = host.setdefault("DeviceRequests", [{"Driver": "cdi", "DeviceIDs": []}])
    request[0]["DeviceIDs"].append(value)


def health(key: str, convert: Callable[[str], Any]) -> Callable[[Any, Any, str], None]:
    def act(body: Any, host: Any, value: str) -> None:
        del host
        body.setdefault("Healthcheck", {})[key] = convert(value)

    return act


def nanoseconds(text: str) -> int:
    return int(text.removesuffix("s")) * 10**9


OPTIONS: dict[str, Callable[[Any, Any, str], None]] = {
    "--detach": lambda body, host, value: None,  # noqa: ARG005
    "--name": put("name"),
    "--hostname": put("Hostname"),
    "--user": put("User"),
    "--stop-timeout": put("StopTimeout", int),
    "--env": more(lambda body, _: body["Env"]),
    "--label": pair(lambda body, _: body["Labels"]),
    "--health-cmd": health("Test", lambda text: ["CMD-SHELL", text]),
    "--health-interval": health("Interval", nanoseconds),
    "--health-timeout": health("Timeout", nanoseconds),
    "--health-retries": health("Retries", int),
    "--network": network,
    "--publish": publish,
    "--restart": lambda _, host, value: host["RestartPolicy"].update(Name=value),
    "--init": limit("Init", lambda _: True),
    "--read-only": limit("ReadonlyRootfs", lambda _: True),
    "--cap-drop": more(lambda _, host: host["CapDrop"]),
    "--security-opt": more(lambda _, host: host["SecurityOpt"]),
    "--pids-limit": limit("PidsLimit"),
    "--memory": limit("Memory"),
    "--memory-swap": limit("MemorySwap"),
    "--cpu-shares": limit("CpuShares"),
    "--shm-size": limit("ShmSize"),
    "--ipc": limit("IpcMode", str),
    "--ulimit": ulimit,
    "--gpus": gpus,
    "--device": device,
    "--tmpfs": pair(lambda _, host: host["Tmpfs"], ":"),
    "--mount": mount,
    "--log-driver": lambda _, host, value: host["LogConfig"].update(Type=value),
    "--log-opt": pair(lambda _, host: host["LogConfig"]["Config"]),
}

text = st.text(st.characters(exclude_characters="\0", codec="utf-8"))
paths = text.map(lambda value: f"/{value}")
flags = st.booleans()
ports = st.lists(st.integers(1, 65535), unique=True, max_size=3)
names = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True)
RELAXATIONS = st.lists(st.sampled_from(["writable-root", "exec-tmp", "host-ipc", "root-user"]), unique=True)


@st.composite
def containers(draw: Callable[..., Any]) -> tuple[Workload, Placement]:
    """Any service that a plugin could describe, on any host."""
    numbers = draw(ports)
    secrets = draw(st.lists(names, unique=True, max_size=2))
    workload = Service(
        name=draw(names),
        summary="",
        image="",
        command=tuple(draw(st.lists(text, max_size=4))),
        ports=tuple(Port(f"p{number}", number, f"PORT_{number}") for number in numbers),
        mounts=tuple(
            Mount(Path(draw(paths)), draw(paths), f"M{i}", read_only=draw(flags))
            for i in range(draw(st.integers(0, 2)))
        ),
        secrets=tuple(Secret(name, Path("/elsewhere"), f"S{i}") for i, name in enumerate(secrets)),
        env=tuple((f"E{i}", value) for i, value in enumerate(draw(st.lists(text, max_size=3)))),
        gpu=draw(st.none() | st.builds(Gpu, st.integers(-1, 4).filter(bool))),
        model=draw(text),
        memory_bytes=draw(st.integers(0, 2**40)),
        cpu_shares=draw(st.sampled_from([0, 2, 262_144])),
        shm_bytes=draw(st.integers(0, 2**40)),
        stop_s=draw(st.floats(0, 1000)),
        ulimits=draw(st.sampled_from([(), (Ulimit("memlock", -1, -1), Ulimit("nofile", 1, 2))])),
        relaxed=tuple(Relaxed(what, "") for what in draw(RELAXATIONS)),
    )
    place = Placement(
        home=draw(paths),
        image=draw(names),
        ports={f"p{number}": draw(st.integers(1, 65535)) for number in numbers},
        uid=draw(st.integers(0, 2000)),
        gid=1000,
        keep=draw(flags),
        gpus=draw(st.sampled_from(["request", "cdi"])),
        secrets={name: Path(draw(paths)) for name in secrets},
        proxies=draw(st.sampled_from([{}, {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "a,b"}])),
        authority=draw(st.none() | paths.map(Path)),
    )
    return workload, place


@given(containers())
def test_a_line_holds_every_setting_of_the_body_and_no_other(described: tuple[Workload, Placement]) -> None:
    """Also a setting that somebody adds to the body one day, and forgets in the line."""
    container = body(*described)
    assert read_back(run_line("june-it", container)) == ("june-it", container)


def nasty() -> dict[str, Any]:
    workload = Service(
        name="odd",
        summary="",
        image="",
        command=("sh", "-c", NASTY, "--detach", ""),
        mounts=(Mount(Path(f"/{NASTY}"), f"/m/{NASTY}", "M"),),
        env=(("NASTY", NASTY), ("EMPTY", "")),
        model=NASTY,
    )
    return body(workload, Placement(f"/home/{NASTY}", "june/odd:1", {}, 1000, 1000))


def test_a_real_shell_hands_docker_every_value_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "docker"
    program.write_text('#!/bin/sh\nprintf "%s\\0" docker "$@"\n')
    program.chmod(0o755)
    line = run_line("june-odd", nasty())
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": "/nowhere"}
    done = subprocess.run(["sh", "-c", line], env=environ, capture_output=True, check=True)
    heard = done.stdout.decode().split("\0")[:-1]
    assert read_back(shlex.join(heard)) == ("june-odd", nasty())


@pytest.mark.parametrize("path", ["/a,b", '/a"b', "/a\nb", "/a,readonly", "/a b", "/a=b", "/a:b", "/ä/世界"])
def test_a_path_with_odd_characters_is_mounted_where_it_was_meant(path: str) -> None:
    workload = Service("s", "", "", ("x",), mounts=(Mount(Path(path), path, "M", read_only=False),))
    container = body(workload, Placement("/h", "i", {}, 1, 1))
    _, again = read_back(run_line("s", container))
    assert again["HostConfig"]["Mounts"] == [{"Type": "bind", "Source": path, "Target": path}]


def test_a_line_is_one_option_a_line_and_ends_with_the_image_and_its_command() -> None:
    lines = run_line("june-s", body(Service("s", "", "", ("run", "it")), Placement("/h", "i:1", {}, 1, 1)))
    first, *options, last = lines.split(" \\\n")
    assert first == "docker run --detach"
    assert all(option.startswith("  --") for option in options)
    assert last == "  i:1 run it"


@given(text)
@example("-starts-like-an-option")
def test_a_word_of_the_command_is_never_taken_for_an_option(word: str) -> None:
    container = body(Service("s", "", "", (word,)), Placement("/h", "i", {}, 1, 1))
    assert read_back(run_line("s", container))[1]["Cmd"] == [word]
