"""Who has a port of this host."""

from __future__ import annotations

import psutil


def holder(port: int) -> str:
    """The program that listens on a port, with its number; empty when nobody does or it may not be known."""
    try:
        listening = psutil.net_connections("tcp")
    except psutil.Error:
        return ""
    for one in listening:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            try:
                return f"{psutil.Process(one.pid).name()} (process {one.pid})"
            except psutil.Error:
                return f"process {one.pid}"
    return ""
