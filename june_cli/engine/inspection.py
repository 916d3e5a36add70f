"""What `docker inspect` says of a container, read for June. Pure functions of its JSON."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from june_cli.engine import Running
from june_cli.engine.container import KEPT

Inspected = Mapping[str, Any]
LATELY_S = 600.0  # after so long without another end, a restart is no longer what is wrong
# Settings that are as they were asked for, or edited.
COMPARED = (
    *("Memory", "MemorySwap", "CpuShares", "PidsLimit", "ShmSize", "IpcMode"),
    *("ReadonlyRootfs", "Init"),
)
# What a container has unless it is dropped. Docker writes down ALL where all are, Podman each by its name.
CAPABILITIES = {
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE"),
    *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}


def running(found: Inspected) -> Running:
    """A container of June's as a running service."""
    labels = found["Config"]["Labels"]
    return Running(
        service=labels["june.service"],
        engine="docker",
        id=str(found["Id"]),
        ports=ports(found),
        spec_hash=labels.get("june.spec", ""),
        model=labels.get("june.model", ""),
        kept=kept(found),
        started_at=_started(found),
        image=str(found["Config"]["Image"]),
    )


def ports(found: Inspected) -> dict[str, int]:
    """Host ports by the names that the spec gave them."""
    bound = found["HostConfig"].get("PortBindings") or {}
    named = {}
    for pair in found["Config"]["Labels"].get("june.ports", "").split(","):
        name, _, number = pair.partition("=")
        binding = bound.get(f"{number}/tcp")
        if binding and binding[0].get("HostPort"):
            named[name] = int(binding[0]["HostPort"])
    return named


def kept(found: Inspected) -> bool:
    """Whether it was asked to stay: Docker itself brings it back after a crash and after a reboot."""
    return bool((found["HostConfig"].get("RestartPolicy") or {}).get("Name") == KEPT)


def lives(found: Inspected) -> bool:
    """Whether its program runs, or will again in a moment."""
    state = found["State"]
    return bool(state["Running"] or state.get("Restarting"))


def ending(found: Inspected) -> str:
    """Why it does not run, in words; empty while it does."""
    state = found["State"]
    if state.get("Paused"):
        return f"its container is paused (docker unpause {name(found)})"
    if state["Running"] and not state.get("Restarting"):
        return ""
    if state.get("OOMKilled"):
        limit = (found["HostConfig"].get("Memory") or 0) / 2**30
        return "it ran out of memory and was killed" + (f" (its limit is {limit:.3g} GiB)" if limit else "")
    if state.get("Error"):
        return f"Docker could not run it: {state['Error']}"
    code = int(state.get("ExitCode") or 0)
    if code > 128:
        try:
            return f"it was ended by {signal.Signals(code - 128).name}"
        except ValueError:
            pass
    return f"it ended with exit code {code}"


def trouble(found: Inspected) -> str:
    """What is wrong with a container that runs; empty when nothing is known to be."""
    state = found["State"]
    health = state.get("Health") or {}
    if health.get("Status") == "unhealthy":
        said = str((health.get("Log") or [{}])[-1].get("Output", "")).strip().splitlines()
        return f"its container no longer sees a GPU{': ' + said[-1][:200] if said else ''}"
    count = int(found.get("RestartCount") or 0)
    if count and time.time() - _started(found) < LATELY_S:
        why = "run out of memory" if state.get("OOMKilled") else "ended"
        return f"it has {why} and been restarted {count} time{'s' * (count > 1)}"
    return "a part of it ran out of memory and was killed" if state.get("OOMKilled") and not count else ""


def name(found: Inspected) -> str:
    """The container's name."""
    return str(found["Name"]).removeprefix("/")


def drift(found: Inspected, body: Mapping[str, Any]) -> list[str]:
    """Which settings of a container are not those that June would give it now: somebody edited it by hand."""
    config, host = found["Config"], found["HostConfig"]
    wanted = body["HostConfig"]
    seen = {
        "Image": f"/{config['Image']}".endswith(f"/{body['Image']}"),  # Podman: localhost/june/…
        "Cmd": not body["Cmd"] or list(config.get("Cmd") or []) == body["Cmd"],
        "User": config.get("User") == body["User"],
        "Env": set(body["Env"]) <= set(config.get("Env") or []),
        "Mounts": _sources(host) == _sources(wanted),
        "PortBindings": {k: v for k, v in (host.get("PortBindings") or {}).items() if v}
        == wanted["PortBindings"],
        "SecurityOpt": set(wanted["SecurityOpt"]) <= set(host.get("SecurityOpt") or ()),
        "network": wanted["NetworkMode"] in (found["NetworkSettings"].get("Networks") or {}),
    }
    for key in COMPARED:
        if key in wanted:
            seen[key] = host.get(key) == wanted[key]
    dropped = set(host.get("CapDrop") or ())
    seen["CapDrop"] = ("ALL" in dropped or dropped >= CAPABILITIES) and not host.get("CapAdd")
    seen["Privileged"] = not host.get("Privileged")
    return sorted(key for key, same in seen.items() if not same)


def _sources(host: Mapping[str, Any]) -> set[tuple[str, str, bool]]:
    """What is mounted where, by `--mount` or by `--volume`; Podman tells of both as of the latter."""
    seen = {(m["Source"], m["Target"], bool(m.get("ReadOnly"))) for m in host.get("Mounts") or ()}
    for bind in host.get("Binds") or ():
        source, target, options = (*bind.split(":", 2), "")[:3]
        seen.add((source, target, "ro" in options.split(",")))
    return seen


def _started(found: Inspected) -> float:
    try:  # Docker writes UTC, Podman the local time with its offset; one that never ran began in the year 1
        return max(0.0, datetime.fromisoformat(str(found["State"].get("StartedAt"))).timestamp())
    except ValueError:
        return 0.0
