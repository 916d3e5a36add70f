"""A workload as a subprocess: its command, what it sees of the environment, what it needs installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase

from june_cli.engine import TOLD
from june_cli.errors import MachineLacks
from june_cli.spec import Workload

HOST = "127.0.0.1"
# What a service may see of the caller's environment. Everything else, tokens above all, stays outside.
PASSED = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "VIRTUAL_ENV",
    "XDG_CACHE_HOME",
)


class Child(subprocess.Popen[bytes]):
    """A service may outlive the june that started it; Popen would warn about every one that does."""

    def __del__(self) -> None:
        return


def command(workload: Workload) -> list[str]:
    """Its command line; `python` is this Python."""
    program, *rest = workload.command
    # -P: `python -m` must not import from the folder it happens to be started in
    return [sys.executable, "-P", *rest] if program == "python" else [program, *rest]


def variables(workload: Workload, ports: Mapping[str, int]) -> dict[str, str]:
    """What it is told by environment variables."""
    return {
        "JUNE_HOST": HOST,
        "JUNE_SERVICE": workload.name,
        **TOLD,
        **dict(workload.env),
        **{port.env: str(ports[port.name]) for port in workload.ports},
        **{mount.env: str(mount.source) for mount in workload.mounts},
        **{secret.env: str(secret.source) for secret in workload.secrets},
    }


def environ(workload: Workload, ports: Mapping[str, int]) -> dict[str, str]:
    """Its whole environment: a few variables of the caller, and its own."""
    wanted = (*PASSED, *workload.inherits)
    inherited = {k: v for k, v in os.environ.items() if any(fnmatchcase(k, name) for name in wanted)}
    return {**inherited, **variables(workload, ports)}


def require_packages(workload: Workload) -> None:
    """MachineLacks names the packages it needs that this Python environment does not have."""
    from importlib.util import find_spec

    missing = [name for name in workload.packages if find_spec(name) is None]
    if missing:
        raise MachineLacks(
            "package-missing",
            f"{workload.name} needs {', '.join(missing)}, which this Python environment does not have.",
            hint="pip install 'june-cli[local]'",
        )
