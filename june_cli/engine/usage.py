"""What a container uses, read off its processes where they can be seen: Docker's figures take a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from june_cli.engine import processes

if TYPE_CHECKING:
    import psutil
    from docker import APIClient


def busy_s(client: APIClient, container: str) -> float:
    """Processor seconds of everything in it."""
    seen = _processes(client, container)
    if seen:
        return processes.busy_s(seen)
    used = _stats(client, container).get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)
    return float(used) / 1e9


def memory_bytes(client: APIClient, container: str) -> int:
    """Memory of everything in it, page cache aside."""
    seen = _processes(client, container)
    if seen:
        return processes.resident_bytes(seen)
    memory = _stats(client, container).get("memory_stats", {})
    detail = memory.get("stats", {})
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return max(0, int(memory.get("usage", 0)) - int(cache))


def _processes(client: APIClient, container: str) -> list[psutil.Process]:
    """Its processes, if the engine's numbers are this host's: not with an engine in a virtual machine."""
    from docker.errors import APIError

    try:
        pid = int(client.inspect_container(container)["State"]["Pid"])
    except APIError:
        return []
    try:
        ours = container in Path(f"/proc/{pid}/cgroup").read_text("ascii")
    except OSError:
        ours = False
    return processes.tree(pid) if pid and ours else []


def _stats(client: APIClient, container: str) -> dict[str, Any]:
    from docker.errors import APIError

    try:
        stats: dict[str, Any] = client.stats(container, stream=False, one_shot=True)
    except APIError:
        return {}
    return stats
