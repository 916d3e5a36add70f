"""Checks of the profile, of this Python, and of the clock."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.util import find_spec

from june_cli.checks import Finding, Host, fails, fine, note
from june_cli.errors import JuneError
from june_doctor.needed import said

OLDEST_PYTHON = (3, 11)
CLIENTS = ("av", "grpc", "httpx", "numpy")  # what commands need to talk to services, wherever those run
RELEASED = "2026-01-01"  # no clock that is right shows an earlier day


def profile(host: Host) -> Finding:
    """Roles without a service cannot be mended by anything else below, so this comes first."""
    needs = host.needs
    if needs.problems:
        role, error = next(iter(needs.problems.items()))
        hint = f" ({error.hint})" if error.hint else ""
        return fails(
            f"profile {needs.profile} cannot serve {role}: {said(error)}{hint}", f"{needs.june} config show"
        )
    where = "containers" if needs.docker else "processes"
    roles = ", ".join(needs.services) or "nothing"
    return fine(f"profile {needs.profile} serves {roles} in {where}")


def python(host: Host) -> Finding:
    """An installer that ignores `requires-python` lets June be installed where it cannot run."""
    del host
    version = f"Python {platform.python_version()} on {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return fails(f"{version}: June needs 3.11 or later", "pipx install --python python3.12 june-cli")
    return fine(version)


def packages(host: Host) -> Finding:
    """Looked for, not imported: some take seconds."""
    needs = host.needs
    wanted = [*CLIENTS] if needs.services else []
    if not needs.docker:
        wanted += [name for service in needs.services.values() for name in service.packages]
    missing = [name for name in dict.fromkeys(wanted) if find_spec(name) is None]
    extra = "docker" if needs.docker else "local"
    if missing:
        return fails(f"not installed here: {', '.join(missing)}", f"pip install 'june-cli[{extra}]'")
    return fine("all that its services need is installed")


def clock(host: Host) -> Finding:
    """A clock that is years off makes every certificate invalid, and downloads fail for no visible reason."""
    now = datetime.fromtimestamp(host.now(), UTC)
    shown = f"{now:%Y-%m-%d %H:%M} UTC"
    if f"{now:%Y-%m-%d}" < RELEASED:
        return fails(f"it shows {shown}, before June was made", "sudo timedatectl set-ntp true")
    try:
        told = host.tool(["timedatectl", "show", "-p", "NTPSynchronized"], 5.0)
    except JuneError:
        return fine(f"{shown}; nothing here tells whether it is kept right")
    if "NTPSynchronized=no" in told.stdout:
        return note(f"{shown}, and no time server keeps it right", "sudo timedatectl set-ntp true")
    return fine(f"{shown}, kept right" if "=yes" in told.stdout else shown)
