"""Podman's socket instead of Docker's: the same containers, and a clear word where it cannot do the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from june_cli.engine import daemon

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune

pytestmark = pytest.mark.slow


@pytest.fixture
def podman(docked: DockerJune) -> Iterator[DockerJune]:
    """A june that speaks with Podman."""
    address = os.environ.get("JUNE_TEST_PODMAN")
    if not address:
        pytest.skip("needs podman: JUNE_TEST_PODMAN does not name the socket of a `podman system service`")
    docked.environ["DOCKER_HOST"] = address
    docked.client = daemon.connect({"DOCKER_HOST": address})
    yield docked
    docked.client.close()


def test_podman_runs_the_same_containers_and_leaves_none(podman: DockerJune) -> None:
    podman("tts", "say", "Hello there.", "-o", "hello.wav")
    assert (podman.work / "hello.wav").stat().st_size > 10_000
    assert podman.containers() == []


def test_podman_keeps_services_or_says_that_it_cannot(podman: DockerJune) -> None:
    ran = podman("serve", "start", "tts", "--json", code=None)
    if ran.code == 0:
        podman("serve", "stop")
    else:
        assert (ran.code, ran.json["error"]["code"]) == (3, "cannot-keep"), ran
    assert podman.containers() == []
