"""Checks of what gives a container the GPU: NVIDIA's container toolkit, or a CDI specification."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from june_cli.checks import Finding, Host, fails, fine, note, unknown
from june_cli.errors import JuneError, MachineLacks
from june_cli.gpu import Accelerator
from june_doctor import install
from june_doctor.containers import podman, versions
from june_doctor.needed import for_cuda_in_docker
from june_doctor.nvidia import accelerators

HOOKS = ("nvidia-container-runtime", "nvidia-container-runtime-hook")
SPECIFICATIONS = ("/etc/cdi/*nvidia*", "/var/run/cdi/*nvidia*")
SETTINGS = "/etc/nvidia-container-runtime/config.toml"
GENERATE = "sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
CDI_DOCKER = (25, 0)  # the first Docker Engine that reads CDI specifications
LIBRARY = re.compile(r"\.so\.(\d{3}\.\d+(?:\.\d+)?)")


@for_cuda_in_docker
def toolkit(host: Host) -> Finding:
    """`could not select device driver` is what Docker says otherwise, when the first service starts."""
    info = _info(host)
    known = "nvidia" in (info.get("Runtimes") or {})
    version, hook = _version(host), _has_hook(host)
    if not (known or version or hook):
        return fails("NVIDIA Container Toolkit is not installed", install.command(host, "toolkit"))
    rootless = any("rootless" in str(option) for option in info.get("SecurityOptions") or ())
    if rootless and hook and not re.search(r"^\s*no-cgroups\s*=\s*true", host.read(SETTINGS), re.MULTILINE):
        return fails(
            "rootless Docker cannot use it: it would manage cgroups, which needs root",
            "sudo nvidia-ctk config --set nvidia-container-cli.no-cgroups=true --in-place",
        )
    name = f"NVIDIA Container Toolkit {version}".rstrip()
    if known:
        return fine(f"{name}; Docker knows its runtime")
    if hook:
        again = install.start(host, "docker", "restart")
        told = f"sudo nvidia-ctk runtime configure --runtime=docker && {again}"
        return note(f"{name} is installed, and Docker has not been told of it", told)
    return fine(f"{name}, without its runtime: containers get the GPU by CDI")


@for_cuda_in_docker
def cdi(host: Host) -> Finding:
    """A specification names the driver's files one by one: after an update of the driver they are gone."""
    info = _info(host)
    only_way = not _has_hook(host) and "nvidia" not in (info.get("Runtimes") or {})
    if only_way and not _version(host):
        return unknown("not known while the toolkit is not installed", install.command(host, "toolkit"))
    specifications = [path for pattern in SPECIFICATIONS for path in host.glob(pattern)]
    if not specifications:
        if only_way:
            return fails("there is no CDI specification of the GPU", GENERATE)
        return note("there is no CDI specification; --gpus does without", GENERATE)
    if only_way and info and not podman(info) and versions(info) < CDI_DOCKER:
        return fails(
            f"this Docker Engine reads no CDI specification ({CDI_DOCKER[0]} is the first that does)",
            install.command(host, "toolkit"),
        )
    stale = [path for path in specifications if _stale(host.read(path), _first(host))]
    if stale:
        text = f"{stale[0]} is of another driver than the one that runs"
        return fails(text, GENERATE) if only_way else note(text, GENERATE)
    return fine(", ".join(specifications))


def _info(host: Host) -> Mapping[str, Any]:
    try:
        return host.docker()
    except JuneError:
        return {}  # docker.answers says so


def _version(host: Host) -> str:
    try:
        told = host.tool(["nvidia-ctk", "--version"], 5.0).stdout
    except JuneError:
        return ""
    found = re.search(r"version (\S+)", told)
    return found[1] if found else "of an unknown version"


def _has_hook(host: Host) -> bool:
    """How engine/host.py decides between `--gpus` and CDI."""
    for program in HOOKS:
        try:
            host.tool([program, "--version"], 5.0)
        except MachineLacks:
            continue
        except JuneError:  # it is there and says nothing
            return True
        return True
    return False


def _first(host: Host) -> Accelerator | None:
    try:
        return accelerators(host)[0]
    except MachineLacks:
        return None  # nvidia.driver says so


def _stale(text: str, one: Accelerator | None) -> bool:
    named = set(LIBRARY.findall(text))
    return bool(named and one and one.driver and one.driver not in named)
