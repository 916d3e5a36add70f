"""Where the Docker Engine is, and what to say when it does not answer.

Finds an engine as the `docker` command does: DOCKER_HOST, then the context in use, then the usual sockets,
rootless Docker's and Podman's among them.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from june_cli.errors import JuneError, MachineLacks, UsageProblem

if TYPE_CHECKING:
    from docker import APIClient

ANSWER_S = 5.0  # a daemon that says nothing for so long hangs
CALL_S = 30.0
# Docker 20.10 and later, Podman 4 and later: the same request means the same to all. Some engines serve only
# newer versions (Docker 29.0: 1.44 and later) and say from which: then it is that one.
API_VERSION = "1.41"
OLDEST_SERVED = re.compile(r"Minimum supported API version is (\d+\.\d+)")


def connect(environ: Mapping[str, str], answer_s: float = ANSWER_S) -> APIClient:
    """A client of an engine that has just answered.

    MachineLacks with the code `docker-sdk-missing`, `docker-missing`, `docker-permission`, `docker-silent`,
    `docker-old` or `docker-remote` says what is in the way, and its hint the one command that mends it.
    """
    try:
        from docker.errors import APIError, DockerException
    except ImportError as error:
        raise MachineLacks(
            "docker-sdk-missing",
            "services in Docker need the Python package docker.",
            hint="pip install 'june-cli[docker]'",
        ) from error
    address = where(environ)
    _require_known_context(environ)
    _require_local(address)
    _require_socket(address)
    with explained(address):
        try:
            return _answering(address, API_VERSION, answer_s)
        except APIError as error:
            served = OLDEST_SERVED.search(str(error.explanation))
            if not served:
                raise
            return _answering(address, served[1], answer_s)
        except (DockerException, ValueError) as error:
            raise _no_address(address, str(error)) from error


def _answering(address: str, version: str, answer_s: float) -> APIClient:
    import docker

    client = docker.APIClient(base_url=address, version=version, timeout=answer_s)
    client.trust_env = False  # a proxy of the environment is not on the way to this machine
    try:
        try:
            answered = client.ping()
        except (KeyError, TypeError):  # the SDK cannot read what it says of an error
            answered = False
        if not answered:
            raise _no_engine(address)
    except BaseException:
        client.close()
        raise
    client.timeout = CALL_S
    return client


def info(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the engine says of itself (`GET /info`), with its version as `ServerVersion`."""
    client = connect(environ)
    with explained(client.base_url):
        said: dict[str, Any] = client.info()
        client.close()
        return said


def where(environ: Mapping[str, str], root: Path = Path("/")) -> str:
    """The engine's address: `unix://…`, `tcp://…` or `ssh://…`; below `root` are the system's sockets."""
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    context = _context(environ)
    if context:
        return context
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    sockets = (
        root / "var/run/docker.sock",
        Path(runtime, "docker.sock"),
        Path(runtime, "podman/podman.sock"),
        root / "run/podman/podman.sock",
    )
    return f"unix://{next((path for path in sockets if _exists(path)), sockets[0])}"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder on the way that this user may not look into
        return True


def _context(environ: Mapping[str, str]) -> str:
    """The address of the context in use; empty for the default one, and for one that is not there."""
    name = _context_name(environ)
    for meta in Path(_config(environ), "contexts", "meta").glob("*/meta.json") if name else ():
        content = _json(meta)
        if content.get("Name") == name:
            try:
                return str(content["Endpoints"]["docker"]["Host"])
            except (KeyError, TypeError):
                return ""
    return ""


def _context_name(environ: Mapping[str, str]) -> str:
    """The context that DOCKER_CONTEXT or `docker context use` chose; empty for the default one."""
    used = _json(Path(_config(environ), "config.json")).get("currentContext")
    name = environ.get("DOCKER_CONTEXT") or str(used or "")
    return "" if name == "default" else name


def _config(environ: Mapping[str, str]) -> str:
    return environ.get("DOCKER_CONFIG") or f"{environ.get('HOME', '')}/.docker"


def _require_known_context(environ: Mapping[str, str]) -> None:
    name = _context_name(environ)
    if name and not environ.get("DOCKER_HOST") and not _context(environ):
        asked = environ.get("DOCKER_CONTEXT")
        raise UsageProblem(
            "docker-context",
            f"there is no Docker context {name!r}.",
            hint="unset DOCKER_CONTEXT" if asked else "docker context use default",
        )


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _require_local(address: str) -> None:
    if address.startswith(("unix:", "http+unix:", "npipe:")):
        return
    try:
        host = urlsplit(address if "://" in address else f"tcp://{address}").hostname
    except ValueError as error:
        raise _no_address(address, str(error)) from error
    if host is None or host == "localhost" or _loopback(host):
        return
    raise MachineLacks(
        "docker-remote",
        f"the Docker Engine at {address} is on another machine, and the models are on this one.",
        hint="run june on that machine, or unset DOCKER_HOST",
    )


def _require_socket(address: str) -> None:
    """The socket is there. Where it is not, the SDK would leave one of its own open."""
    scheme, _, path = address.partition("://")
    if scheme in ("unix", "http+unix") and not _exists(Path(path)):
        raise _unreached(address, FileNotFoundError(path))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _no_address(address: str, why: str) -> UsageProblem:
    return UsageProblem("docker-host", f"{address!r} is no address of a Docker Engine: {why}.")


@contextmanager
def explained(address: str) -> Iterator[None]:
    """Say in June's words why the engine did not do what it was asked."""
    import requests
    import urllib3
    from docker.errors import APIError, StreamParseError

    try:
        yield
    except APIError as error:
        raise _refused(error) from error
    except requests.exceptions.InvalidJSONError as error:
        raise _no_engine(address) from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, StreamParseError) as error:
        raise _unreached(address, error) from error


def _unreached(address: str, error: Exception) -> MachineLacks:
    import requests

    text = str(error)
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in text:
        return MachineLacks(
            "docker-silent",
            f"the Docker Engine{_at(address)} does not answer.",
            hint="sudo systemctl restart docker",
        )
    if "PermissionError" in text or "Permission denied" in text:
        return MachineLacks(
            "docker-permission",
            f"you may not use the Docker Engine{_at(address)}.",
            hint="sudo usermod -aG docker $USER, then log in again",
        )
    return MachineLacks(
        "docker-missing",
        f"no Docker Engine answers{_at(address)}.",
        hint="sudo systemctl start docker; or --engine process, which needs none",
    )


def _no_engine(address: str) -> MachineLacks:
    return MachineLacks(
        "docker-missing",
        f"what answers{_at(address)} is no Docker Engine.",
        hint="unset DOCKER_HOST; or --engine process, which needs none",
    )


def _at(address: str) -> str:
    """Where, in words; nothing for what the SDK calls every socket."""
    return f" at {address}" if address and not address.startswith("http+docker:") else ""


def _refused(error: Any) -> JuneError:
    said = str(error.explanation or error)[:500].strip()
    if "no space left" in said.lower():
        return MachineLacks(
            "disk-full", f"Docker's disk is full: {said}.", hint="june image prune; docker system df"
        )
    if "client version" in said and "too" in said:
        return MachineLacks(
            "docker-old",
            f"this Docker Engine and June are too far apart: {said}.",
            hint="Docker 20.10 or later",
        )
    return JuneError("docker-refused", f"the Docker Engine refused: {said}.")
