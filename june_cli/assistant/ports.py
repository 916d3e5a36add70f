"""Loopback ports: the preferred one, or a free one where that is taken."""

from __future__ import annotations

import socket

STEP, STEPS = 100, 20
PORT_TAKEN_EXIT = 98  # EADDRINUSE: what June's servers exit with when somebody took their port first


def free_port(preferred: int, host: str = "127.0.0.1") -> int:
    """`preferred` if nobody listens there, else the first free one in steps of 100 above it, else any.

    Not at random, so that a dry run names the port that the run will take. 0: any.
    """
    above = range(preferred + STEP, min(preferred + STEPS * STEP, 65_535) + 1, STEP) if preferred else ()
    for number in (preferred, *above, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, number))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port on {host}")
