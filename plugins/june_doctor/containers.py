"""Checks of the Docker Engine. When it does not answer, one of them says why and the others say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from june_cli.checks import Finding, Host, fails, fine, note, unknown
from june_cli.errors import JuneError
from june_cli.gpu import gib
from june_doctor import install
from june_doctor.needed import for_docker, said

OLDEST_DOCKER = (20, 10)
OLDEST_PODMAN = (4, 0)
GIB = 1024**3
# Free space below which the next image fails, and below which the first pull of all images may.
DISK_CPU = (2 * GIB, 10 * GIB)
DISK_CUDA = (10 * GIB, 80 * GIB)


@for_docker
def answers(host: Host) -> Finding:
    """Silent, refused, on another machine, or without the Python package: each has its own command."""
    try:
        info = host.docker()
    except JuneError as error:
        if error.code == "docker-permission":
            return unknown("not known while you may not use it", mending(host, error))
        return fails(said(error), mending(host, error))
    return fine(f"{_named(info)} on {info.get('OperatingSystem') or 'an unnamed system'}")


@for_docker
def permission(host: Host) -> Finding:
    """Only a refusal is this check's; whoever gets an answer may."""
    try:
        host.docker()
    except JuneError as error:
        if error.code != "docker-permission":
            return silent(host, error)
        return fails(f"{said(error)}; after the command, log in again", mending(host, error))
    return fine("you may use it")


@for_docker
def version(host: Host) -> Finding:
    """The oldest that knows everything June asks a container to be."""
    try:
        info = host.docker()
    except JuneError as error:
        return fails(said(error), mending(host, error)) if error.code == "docker-old" else silent(host, error)
    oldest = OLDEST_PODMAN if podman(info) else OLDEST_DOCKER
    if versions(info) < oldest:
        needed = ".".join(map(str, oldest))
        return fails(f"{_named(info)} is older than {needed}", install.command(host, "docker"))
    return fine(_named(info))


@for_docker
def storage(host: Host) -> Finding:
    """vfs copies every layer whole: an image for a GPU then takes hundreds of gigabytes and many minutes."""
    try:
        info = host.docker()
    except JuneError as error:
        return silent(host, error)
    driver = str(info.get("Driver", ""))
    if driver == "vfs":
        return fails("vfs, which copies every layer of every image", _overlay(host))
    shares = {str(pair[0]): str(pair[1]) for pair in info.get("DriverStatus") or () if len(pair) == 2}
    if driver.startswith("overlay") and shares.get("Supports d_type", "true") != "true":
        return fails(f"{driver} on a file system without d_type, which loses files", _overlay(host))
    if driver in ("aufs", "devicemapper"):
        return note(f"{driver}, which later Docker Engines have dropped", _overlay(host))
    return fine(driver or "not named")


@for_docker
def disk(host: Host) -> Finding:
    """Full disks are reported late and oddly: `No such image` is one of the ways."""
    try:
        info = host.docker()
    except JuneError as error:
        return silent(host, error)
    root = Path(info.get("DockerRootDir") or "/var/lib/docker")
    free = host.free_bytes(root)
    if free is None:
        return note(f"{root} is not to be seen from here: Docker runs in a machine of its own")
    least, good = DISK_CUDA if host.needs.cuda else DISK_CPU
    if free < least:
        return fails(f"{gib(free)} are free in {root}, {gib(least)} the least", "docker system prune")
    if free < good:
        return note(f"{gib(free)} are free in {root}; all images together take up to {gib(good)}")
    return fine(f"{gib(free)} are free in {root}")


def silent(host: Host, error: JuneError) -> Finding:
    """What a check says that needs an answer of Docker and has none."""
    return unknown("not known while Docker does not answer", mending(host, error))


def mending(host: Host, error: JuneError) -> str:
    """The one command for each way in which Docker cannot be reached."""
    if error.code == "docker-missing":
        return _begin(host, error.message)
    if error.code == "docker-context":
        return error.hint
    if error.code in ("docker-remote", "docker-host"):
        return "unset DOCKER_HOST" if host.environ.get("DOCKER_HOST") else "docker context use default"
    return {
        "docker-permission": "sudo usermod -aG docker $USER",
        "docker-old": install.command(host, "docker"),
        "docker-sdk-missing": "pip install 'june-cli[docker]'",
    }.get(error.code) or install.start(host, "docker", "restart")


def podman(info: Mapping[str, Any]) -> bool:
    """Podman answers the same questions and numbers its versions by itself."""
    return "BuildahVersion" in info


def versions(info: Mapping[str, Any]) -> tuple[int, int]:
    """`20.10.24+dfsg1` as numbers; a development build counts as new."""
    found = re.match(r"(\d+)\.(\d+)", str(info.get("ServerVersion", "")))
    return (int(found[1]), int(found[2])) if found else (999, 0)


def _named(info: Mapping[str, Any]) -> str:
    kind = "Podman" if podman(info) else "Docker Engine"
    return f"{kind} {info.get('ServerVersion') or 'of an unknown version'}"


def _begin(host: Host, where: str) -> str:
    """Start it, or install it first, or stop looking where it is not. `where` names its socket."""
    if host.environ.get("DOCKER_HOST"):
        return "unset DOCKER_HOST"
    if "podman" in where:
        return "systemctl --user start podman.socket"
    if "/run/user/" in where:
        return "systemctl --user start docker"
    try:
        host.tool(["dockerd", "--version"], 5.0)
    except JuneError:
        return install.command(host, "docker")
    return install.start(host, "docker")


def _overlay(host: Host) -> str:
    """A configuration that is there already is the person's to edit; it may hold more."""
    if host.read("/etc/docker/daemon.json").strip():
        return 'sudoedit /etc/docker/daemon.json  # "storage-driver": "overlay2"'
    again = install.start(host, "docker", "restart")
    return f'echo \'{{"storage-driver": "overlay2"}}\' | sudo tee /etc/docker/daemon.json && {again}'
