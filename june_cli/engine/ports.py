"""Who has a port of this host."""

from __future__ import annotations

import psutil


def listening() -> dict[int, int | None]:
    """Every port that is listened on, with its process where that may be known."""
    try:
        open_now = psutil.net_connections("tcp")
    except psutil.Error:
        return {}
    known = sorted(open_now, key=lambda one: one.pid or 0)  # of two entries, the one with a process
    return {one.laddr.port: one.pid for one in known if one.status == psutil.CONN_LISTEN and one.laddr}


def holder(port: int) -> str:
    """The program that listens on a port, with its number; empty when nobody does or it may not be known."""
    pid = listening().get(port)
    if not pid:
        return ""
    try:
        return f"{psutil.Process(pid).name()} (process {pid})"
    except psutil.Error:
        return f"process {pid}"
