"""From a spec to a container: one pure function makes the body that the engine posts and a dry run shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from june_cli.engine import TOLD
from june_cli.spec import Service, Worker, Workload

NETWORK = "june"
NETWORK_LINE = (
    f"docker network inspect {NETWORK} >/dev/null 2>&1 || "
    f"docker network create --label june.network={NETWORK} {NETWORK}"
)
SECRETS = "/run/secrets"
AUTHORITY = "/run/june/ca.crt"
MEMORY = 8 * 1024**3  # of a workload that does not say what it needs
PIDS = 2048  # processes and threads: a large machine's Triton has hundreds of them
LOG = {"max-size": "10m", "max-file": "3"}
# What tells a container that still has its GPU from one that lost it: NVML fails inside the latter.
GPU_ANSWERS = 'out=$(nvidia-smi -L 2>&1); echo "$out"; echo "$out" | grep -q ^GPU'
HEALTH_S = 30
KEPT = "unless-stopped"
ROOT, NOBODY = 0, 10001


@dataclass(frozen=True)
class Placement:
    """What a container needs to know beside its spec: where, as whom, for how long."""

    home: str
    image: str
    ports: Mapping[str, int]
    uid: int
    gid: int
    keep: bool = False
    gpus: Literal["request", "cdi"] = "request"
    secrets: Mapping[str, Path] = field(default_factory=dict)  # June's own copies, by the secret's name
    proxies: Mapping[str, str] = field(default_factory=dict)
    authority: Path | None = None

    @property
    def user(self) -> tuple[int, int]:
        """Who it runs as."""
        return runs_as(self.uid, self.gid)


def runs_as(uid: int, gid: int) -> tuple[int, int]:
    """User and group of a caller's containers: the caller, or nobody in particular when that is root."""
    return (NOBODY, NOBODY) if uid == ROOT else (uid, gid)


def body(workload: Workload, place: Placement) -> dict[str, Any]:
    """The body of `POST /containers/create`. Equal arguments give equal bodies; nothing else is read."""
    relaxed: set[str] = {entry.what for entry in workload.relaxed}
    user = (0, 0) if "root-user" in relaxed else place.user
    made: dict[str, Any] = {
        "Hostname": workload.name,
        "Image": place.image,
        "Cmd": list(workload.command),
        "User": f"{user[0]}:{user[1]}",
        "Env": [f"{key}={value}" for key, value in _environ(workload, place).items()],
        "Labels": _labels(workload, place),
        "StopTimeout": math.ceil(workload.stop_s),
        "ExposedPorts": {f"{port.number}/tcp": {} for port in workload.ports},
        "HostConfig": _host(workload, place, relaxed),
    }
    if isinstance(workload, Worker):  # what is not asked any more ends, also when June was killed
        made |= {"OpenStdin": True, "StdinOnce": True}
        made |= {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
    else:
        made["NetworkingConfig"] = {"EndpointsConfig": {NETWORK: {}}}
    if workload.gpu:
        made["Healthcheck"] = {
            "Test": ["CMD-SHELL", GPU_ANSWERS],
            "Interval": HEALTH_S * 10**9,
            "Timeout": 10 * 10**9,
            "Retries": 2,
        }
    return made


def _environ(workload: Workload, place: Placement) -> dict[str, str]:
    authority = str(AUTHORITY) if place.authority else ""
    return {
        "JUNE_HOST": "0.0.0.0",  # noqa: S104 - of its own network; the host publishes it on loopback only
        "JUNE_SERVICE": workload.name,
        "HOME": "/tmp",  # noqa: S108 - the one folder that is writable for whoever it runs as
        **TOLD,
        **({"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"} if workload.gpu else {}),
        **place.proxies,
        **({"SSL_CERT_FILE": authority, "REQUESTS_CA_BUNDLE": authority} if authority else {}),
        **dict(workload.env),
        **{port.env: str(port.number) for port in workload.ports},
        **{mount.env: mount.target for mount in workload.mounts},
        **{secret.env: f"{SECRETS}/{secret.name}" for secret in workload.secrets},
    }


def _labels(workload: Workload, place: Placement) -> dict[str, str]:
    """How June finds its own again, with nothing in them that another run would write differently."""
    return {
        "june.service": workload.name,
        "june.home": place.home,
        "june.spec": workload.hash,
        "june.owner": str(place.uid),
        "june.model": workload.model,
        "june.ports": ",".join(f"{port.name}={port.number}" for port in workload.ports),
        "june.kind": "service" if isinstance(workload, Service) else "job",
    }


def _host(workload: Workload, place: Placement, relaxed: set[str]) -> dict[str, Any]:
    host: dict[str, Any] = {
        "NetworkMode": NETWORK,
        "PortBindings": {
            f"{port.number}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(place.ports[port.name])}]
            for port in workload.ports
        },
        "RestartPolicy": {"Name": KEPT if place.keep else "no", "MaximumRetryCount": 0},
        "Init": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "ReadonlyRootfs": "writable-root" not in relaxed,
        "PidsLimit": PIDS,
        "Tmpfs": {target: _tmpfs(size, "exec-tmp" in relaxed) for target, size in workload.tmpfs},
        "Mounts": _mounts(workload, place),
        "LogConfig": {"Type": "json-file", "Config": LOG},
    }
    memory = workload.memory_bytes or MEMORY
    host |= {"Memory": memory, "MemorySwap": memory}  # equal: no swap
    if isinstance(workload, Worker):
        host |= {"NetworkMode": "none", "IpcMode": "none", "PidsLimit": workload.processes}
        host["LogConfig"] = {"Type": "none", "Config": {}}  # what it answers is for who asked alone
        host |= {"NanoCpus": int(workload.cpus * 10**9), "CapAdd": list(workload.rights)}
    if workload.cpu_shares:
        host["CpuShares"] = workload.cpu_shares
    if workload.shm_bytes:
        host["ShmSize"] = workload.shm_bytes
    if "host-ipc" in relaxed:
        host["IpcMode"] = "host"
    if workload.ulimits:
        host["Ulimits"] = [{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in workload.ulimits]
    if workload.gpu:
        host["DeviceRequests"] = [_gpus(workload.gpu.count, place.gpus)]
    return host


def _tmpfs(size: int, executable: bool) -> str:
    return f"rw,nosuid,nodev,{'exec' if executable else 'noexec'},size={size},mode=1777"


def _mounts(workload: Workload, place: Placement) -> list[dict[str, Any]]:
    wanted = [(str(m.source), m.target, m.read_only) for m in workload.mounts]
    wanted += [(str(place.secrets[s.name]), f"{SECRETS}/{s.name}", True) for s in workload.secrets]
    if place.authority:
        wanted.append((str(place.authority), AUTHORITY, True))
    return [
        {"Type": "bind", "Source": source, "Target": target, **({"ReadOnly": True} if read_only else {})}
        for source, target, read_only in wanted
    ]


def _gpus(count: int, how: str) -> dict[str, Any]:
    """`--gpus` where the NVIDIA runtime is set up; else by the Container Device Interface."""
    if how == "cdi":
        wanted = ["all"] if count < 0 else [str(number) for number in range(count)]
        return {"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={one}" for one in wanted]}
    return {"Count": count, "Capabilities": [["gpu"]]}
