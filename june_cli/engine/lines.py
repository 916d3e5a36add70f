"""A container's body as the `docker run` line that makes the same container by hand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any


def run_line(name: str, body: Mapping[str, Any]) -> str:
    """`docker run --detach …`, one option a line, for a shell."""
    words = [("--name", name), *_config(body), *_host(body["HostConfig"])]
    lines = [
        "docker run" if body.get("OpenStdin") else "docker run --detach",
        *(f"{option} {shlex.quote(value)}".rstrip() if value else option for option, value in words),
    ]
    lines.append(shlex.join([body["Image"], *body["Cmd"]]))
    return " \\\n  ".join(lines)


def _config(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "--hostname", body["Hostname"]
    if body.get("OpenStdin"):
        yield "--interactive", ""
    yield "--user", body["User"]
    for pair in body["Env"]:
        yield "--env", pair
    for key, value in body["Labels"].items():
        yield "--label", f"{key}={value}"
    yield "--stop-timeout", str(body["StopTimeout"])
    health = body.get("Healthcheck")
    if health:
        yield "--health-cmd", health["Test"][1]
        yield "--health-interval", f"{health['Interval'] // 10**9}s"
        yield "--health-timeout", f"{health['Timeout'] // 10**9}s"
        yield "--health-retries", str(health["Retries"])


def _host(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "--network", host["NetworkMode"]
    for inside, bindings in host["PortBindings"].items():
        for binding in bindings:
            yield "--publish", f"{binding['HostIp']}:{binding['HostPort']}:{inside.removesuffix('/tcp')}"
    if host["RestartPolicy"]["Name"] != "no":
        yield "--restart", host["RestartPolicy"]["Name"]
    yield "--init", ""
    yield from (("--cap-drop", one) for one in host["CapDrop"])
    yield from (("--cap-add", one) for one in host.get("CapAdd", ()))
    yield from (("--security-opt", one) for one in host["SecurityOpt"])
    if host["ReadonlyRootfs"]:
        yield "--read-only", ""
    yield "--pids-limit", str(host["PidsLimit"])
    yield from _resources(host)
    for target, options in host["Tmpfs"].items():
        yield "--tmpfs", f"{target}:{options}"
    for mount in host["Mounts"]:
        read_only = ",readonly" if mount.get("ReadOnly") else ""
        source, target = _field(f"source={mount['Source']}"), _field(f"target={mount['Target']}")
        yield "--mount", f"type=bind,{source},{target}{read_only}"
    yield "--log-driver", host["LogConfig"]["Type"]
    for key, value in host["LogConfig"]["Config"].items():
        yield "--log-opt", f"{key}={value}"


def _resources(host: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "Memory" in host:
        yield "--memory", str(host["Memory"])
        yield "--memory-swap", str(host["MemorySwap"])
    if "NanoCpus" in host:
        yield "--cpus", f"{host['NanoCpus'] / 10**9:g}"
    if "CpuShares" in host:
        yield "--cpu-shares", str(host["CpuShares"])
    if "ShmSize" in host:
        yield "--shm-size", str(host["ShmSize"])
    if "IpcMode" in host:
        yield "--ipc", host["IpcMode"]
    for limit in host.get("Ulimits", ()):
        yield "--ulimit", f"{limit['Name']}={limit['Soft']}:{limit['Hard']}"
    for request in host.get("DeviceRequests", ()):
        yield from _gpus(request)


def _gpus(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if request.get("Driver") == "cdi":
        yield from (("--device", one) for one in request["DeviceIDs"])
    else:
        yield "--gpus", "all" if request["Count"] < 0 else str(request["Count"])


def _field(text: str) -> str:
    """`--mount` reads its value as a line of CSV: a comma, a quote, a new line in a path need quoting."""
    if not set(text) & set(',"\r\n'):
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
