"""Where the Docker Engine is, and what to say when it does not answer.

Finds an engine as the `docker` command does: DOCKER_HOST, then the context in use, then the usual sockets,
rootless Docker's and Podman's among them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.errors import JuneError, MachineLacks, UsageProblem

if TYPE_CHECKING:
    from docker import APIClient

ANSWER_S = 5.0  # a daemon that says nothing for so long hangs
CALL_S = 60.0
API_VERSION = "1.41"  # Docker 20.10 and later, Podman 4 and later: the same request means the same to all


def connect(environ: Mapping[str, str]) -> APIClient:
    """A client of an engine that has just answered.

    MachineLacks with the code `docker-sdk-missing`, `docker-missing`, `docker-permission`, `docker-silent`,
    `docker-old` or `docker-remote` says what is in the way, and its hint the one command that mends it.
    """
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as error:
        raise MachineLacks(
            "docker-sdk-missing",
            "services in Docker need the Python package docker.",
            hint="pip install 'june-cli[docker]'",
        ) from error
    address = where(environ)
    _require_local(address)
    with explained(address):
        try:
            client = docker.APIClient(base_url=address, version=API_VERSION, timeout=ANSWER_S)
        except DockerException as error:
            raise UsageProblem("docker-host", f"DOCKER_HOST {address!r} is no address: {error}.") from error
        client.ping()
        client.timeout = CALL_S
        return client


def info(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the engine says of itself (`GET /info`), with its version as `ServerVersion`."""
    client = connect(environ)
    with explained(client.base_url):
        said: dict[str, Any] = client.info()
        return said


def where(environ: Mapping[str, str]) -> str:
    """The engine's address: `unix://…`, `tcp://…` or `ssh://…`."""
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    context = _context(environ)
    if context:
        return context
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    sockets = (
        "/var/run/docker.sock",
        f"{runtime}/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    )
    found = next((path for path in sockets if _exists(Path(path))), sockets[0])
    return f"unix://{found}"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder on the way that this user may not look into
        return True


def _context(environ: Mapping[str, str]) -> str:
    """The address of the context that `docker context use` or DOCKER_CONTEXT chose; empty for the default."""
    home = environ.get("DOCKER_CONFIG") or f"{environ.get('HOME', '')}/.docker"
    name = environ.get("DOCKER_CONTEXT") or str(_json(Path(home, "config.json")).get("currentContext", ""))
    if name in ("", "default"):
        return ""
    for meta in Path(home, "contexts", "meta").glob("*/meta.json"):
        content = _json(meta)
        if content.get("Name") == name:
            return str(content.get("Endpoints", {}).get("docker", {}).get("Host", ""))
    return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _require_local(address: str) -> None:
    scheme, _, rest = address.partition("://")
    host = rest.rpartition("@")[2].rpartition(":")[0] or rest
    if scheme in ("unix", "npipe", "http+unix") or host in ("localhost", "127.0.0.1", "[::1]"):
        return
    raise MachineLacks(
        "docker-remote",
        f"the Docker Engine at {address} is on another machine, and the models are on this one.",
        hint="run june on that machine, or unset DOCKER_HOST",
    )


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Say in June's words why the engine did not do what it was asked."""
    import requests
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        raise _refused(error) from error
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise _unreached(address, error) from error


def _unreached(address: str, error: Exception) -> MachineLacks:
    import requests

    text = str(error)
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in text:
        return MachineLacks(
            "docker-silent",
            f"the Docker Engine at {address} does not answer.",
            hint="sudo systemctl restart docker",
        )
    if "PermissionError" in text or "Permission denied" in text:
        return MachineLacks(
            "docker-permission",
            f"you may not use the Docker Engine at {address}.",
            hint="sudo usermod -aG docker $USER, then log in again",
        )
    return MachineLacks(
        "docker-missing",
        f"no Docker Engine answers at {address}.",
        hint="sudo systemctl start docker; or --engine process, which needs none",
    )


def _refused(error: Any) -> JuneError:
    said = str(error.explanation or error)[:500].strip()
    if "no space left" in said.lower():
        return MachineLacks(
            "disk-full", f"Docker's disk is full: {said}.", hint="june image prune; docker system df"
        )
    if "client version" in said and "too" in said:
        return MachineLacks(
            "docker-old", f"this Docker Engine is too old: {said}.", hint="Docker 20.10 or later"
        )
    return JuneError("docker-refused", f"the Docker Engine refused: {said}.")
