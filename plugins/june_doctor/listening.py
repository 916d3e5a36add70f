"""Who has the ports that services prefer: June itself, another June, or somebody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from june_cli.checks import Listener
from june_cli.engine import daemon
from june_cli.engine import ports as on_this_host
from june_cli.engine.processes import MARK
from june_cli.engine.record import Records
from june_cli.errors import JuneError

FORWARDERS = ("docker-proxy", "rootlessport", "rootlesskit", "pasta", "slirp4netns")
HIDDEN = "a program of another user"


def listeners(
    ports: Iterable[int],
    state: Path,
    environ: Mapping[str, str],
    docker: Callable[[], object],
    listening: Callable[[], Mapping[int, int | None]] = on_this_host.listening,
) -> dict[int, Listener]:
    """Who listens on each of the ports; those that are free are left out."""
    wanted = set(ports)
    found = {number: _listener(pid, state) for number, pid in listening().items() if number in wanted}
    forwarded = [n for n, one in found.items() if one.who == HIDDEN or one.who.startswith(FORWARDERS)]
    if forwarded:
        found |= {n: one for n, one in _containers(state, environ, docker).items() if n in forwarded}
    return found


def _listener(pid: int | None, state: Path) -> Listener:
    if not pid:
        return Listener(HIDDEN)
    try:
        process = psutil.Process(pid)
        who = f"{process.name()} (process {pid})"
        told = process.environ()
    except (psutil.Error, OSError):
        return Listener(f"process {pid}")
    home = told.get(MARK)
    if not home:
        return Listener(who)
    service = told.get("JUNE_SERVICE", "")
    if home != str(state / "services"):
        return Listener(f"{service} of the June in {Path(home).parent.parent} (process {pid})")
    record = Records(state / "services").read(service)
    used = record is not None and (record.kept or any(user.alive for user in record.users))
    return Listener(who, service, stale=not used)


def _containers(state: Path, environ: Mapping[str, str], docker: Callable[[], object]) -> dict[int, Listener]:
    """The ports of all containers; what forwards them to this host tells nothing about them."""
    try:
        docker()  # a Docker Engine that hangs has been waited for once, and is not asked again
        with closing(daemon.connect(environ)) as client, daemon.explained(client.base_url):
            listed: list[dict[str, Any]] = client.containers()
    except JuneError:
        return {}
    found = {}
    for one in listed:
        labels = one.get("Labels") or {}
        name = str((one.get("Names") or ["?"])[0]).lstrip("/")
        mine = labels.get("june.home") == str(state)
        for port in one.get("Ports") or ():
            if port.get("PublicPort"):
                service = str(labels.get("june.service", "")) if mine else ""
                found[int(port["PublicPort"])] = Listener(f"container {name}", service)
    return found
