"""Loopback ports: the preferred one, or a free one where that is taken."""

from __future__ import annotations

import socket

PORT_TAKEN_EXIT = 98  # EADDRINUSE: what June's servers exit with when somebody took their port first


def free_port(preferred: int, host: str = "127.0.0.1") -> int:
    """`preferred` if nobody listens there, else a free port that the system picks."""
    for number in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {host}")
