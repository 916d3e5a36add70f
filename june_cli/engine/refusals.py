"""Why a Docker Engine would not start a container, in June's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from june_cli.errors import JuneError, MachineLacks
from june_cli.spec import Workload

TAKEN = ("port is already allocated", "address already in use", "ports are not available")
NO_GPU = (
    "could not select device driver",
    "nvidia-container-cli",
    "cdi device injection",
    "unresolvable cdi devices",
)


@contextmanager
def start_explained(name: str, workload: Workload) -> Iterator[None]:
    """Translate a refusal to create or start a container."""
    from docker.errors import APIError

    from june_cli.engine import daemon

    try:
        with daemon.explained(""):
            yield
    except JuneError as error:
        if isinstance(error.__cause__, APIError):
            raise _refusal(name, workload, error) from error.__cause__
        raise


def _refusal(name: str, workload: Workload, error: JuneError) -> JuneError:
    said = error.message.lower()
    if "conflict" in said and "name" in said:
        return MachineLacks(
            "name-taken",
            f"a container called {name} is there already, and it is not this June's; it is left alone.",
            hint=f"docker rename {name} another-name",
        )
    if any(text in said for text in TAKEN):
        return MachineLacks("port-taken", f"a port that {workload.name} needs is taken by something else.")
    if "network june" in said and ("ambiguous" in said or "not found" in said):
        return MachineLacks(
            "network-moved", f"June's network was made or removed in between: {error.message}"
        )
    if workload.gpu and any(text in said for text in NO_GPU):
        return MachineLacks(
            "gpu-unavailable",
            f"{workload.name} needs a GPU, and Docker cannot give it one: {error.message}",
            hint="sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
        )
    if "container-init binary not found" in said:  # what Podman says
        return MachineLacks(
            "init-missing",
            f"the engine has no program to look after processes in containers: {error.message}",
            hint="sudo apt-get install catatonit",
        )
    if "bind source path does not exist" in said:
        return MachineLacks("mount-missing", f"what {workload.name} is to see is not there: {error.message}")
    return error
