"""What is amiss with something that the profile does without is a remark, not a failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from june_cli.checks import Finding, Host
from june_cli.errors import JuneError

Look = Callable[[Host], Finding]


def for_docker(look: Look) -> Look:
    """Needed where services run in containers."""
    return _where(look, lambda host: host.needs.docker)


def for_cuda(look: Look) -> Look:
    """Needed where a role is for a GPU."""
    return _where(look, lambda host: bool(host.needs.cuda))


def for_cuda_in_docker(look: Look) -> Look:
    """Needed where a container has to see a GPU."""
    return _where(look, lambda host: bool(host.needs.cuda) and host.needs.docker)


def _where(look: Look, needed: Callable[[Host], bool]) -> Look:
    @wraps(look)
    def run(host: Host) -> Finding:
        return look(host).where(needed(host), f"not needed by profile {host.needs.profile}")

    return run


def said(error: JuneError) -> str:
    """An error's sentence as part of another."""
    return error.message.rstrip(".")
