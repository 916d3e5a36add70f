"""A container that loses its GPU is degraded. Docker's own health check, on a stand-in for nvidia-smi."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from june_cli.engine import inspection
from june_cli.engine.container import Placement, body
from june_cli.spec import Gpu, Mount, Port, Service

pytestmark = pytest.mark.docker


def test_a_container_that_loses_its_gpu_is_degraded_with_the_drivers_words(
    docker_client: Any, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    program = tools / "nvidia-smi"
    program.write_text("#!/bin/sh\ncat /tools/answer\n")
    program.chmod(0o755)
    answer = tools / "answer"
    answer.write_text("GPU 0: NVIDIA GB10 (UUID: GPU-0)\n")
    service = Service(
        name="gpu-test",
        summary="",
        image="python",
        command=("sleep", "60"),
        ports=(Port("http", 8000, "JUNE_PORT"),),
        mounts=(Mount(tools, "/tools", "JUNE_TOOLS"),),
        env=(("PATH", "/tools:/usr/local/bin:/usr/bin:/bin"),),
        gpu=Gpu(),
    )
    for path in (tmp_path, tools):
        path.chmod(0o755)
    made = body(service, Placement("test", "python:3.11-slim-bookworm", {"http": 0}, 0, 0))
    # What this machine cannot give is left out, and so is half a minute between two looks.
    made["HostConfig"] |= {"DeviceRequests": [], "PortBindings": {}, "NetworkMode": "none"}
    made["NetworkingConfig"] = {}
    made["Healthcheck"] |= {"Interval": 500_000_000}
    created = docker_client.create_container_from_config(made, f"june-gpu-test-{time.time_ns()}")["Id"]
    try:
        docker_client.start(created)
        assert health(docker_client, created, "healthy") == ""
        answer.write_text("Failed to initialize NVML: Unknown Error\n")
        said = health(docker_client, created, "unhealthy")
        assert "no longer sees a GPU" in said
        assert "Failed to initialize NVML" in said
        answer.write_text("GPU 0: NVIDIA GB10 (UUID: GPU-0)\n")
        assert health(docker_client, created, "healthy") == ""
    finally:
        docker_client.remove_container(created, force=True)


def health(client: Any, container: str, wanted: str) -> str:
    """June's word for the trouble, once Docker has come to the wanted verdict."""
    for _ in range(100):
        found = client.inspect_container(container)
        if found["State"]["Health"]["Status"] == wanted:
            return inspection.trouble(found)
        time.sleep(0.2)
    raise AssertionError(f"the container did not become {wanted}: {found['State']['Health']}")
