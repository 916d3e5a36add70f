"""The bot as a container: kept by Docker, killed, and answering on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("telegram", reason="needs pip install 'june-cli[bot]'")

from tests.botapi import TOKEN, BotApi

if TYPE_CHECKING:
    from tests.e2e.conftest import DockerJune

pytestmark = pytest.mark.docker


@pytest.fixture
def api(docker_client: Any) -> Iterator[BotApi]:
    """Where containers reach it, and nobody outside this machine: the gateway of Docker's own network."""
    (bridge,) = docker_client.networks(names=["bridge"])
    with BotApi(host=bridge["IPAM"]["Config"][0].get("Gateway", "172.17.0.1")) as running:
        yield running


def test_a_bot_in_docker_is_hardened_and_outlives_a_kill(
    docked_up: DockerJune, api: BotApi, tmp_path: Path
) -> None:
    june = docked_up
    (tmp_path / "token").write_text(TOKEN)
    june.environ |= {
        "JUNE_TELEGRAM_TOKEN_FILE": str(tmp_path / "token"),
        "JUNE_BOT_TELEGRAM_API_URL": api.url,
        "JUNE_BOT_TELEGRAM_ALLOW": "7",
    }
    try:
        planned = june("serve", "start", "telegram", "--dry-run", "--json").json
        assert TOKEN not in "".join([*planned["run"], *planned["prerequisites"]])
        june("serve", "start", "telegram")
        api.says(7, "Hello June.")
        api.wait(7, 1, 60)
        found = june.container("telegram")
        assert TOKEN not in str(found)
        host = found["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
        june.client.kill(found["Id"])
        api.says(7, "Are you there?")
        june.client.start(found["Id"])
        api.wait(7, 2, 60)
        assert june("serve", "stop", "telegram").code == 0
    finally:
        for name in ("JUNE_TELEGRAM_TOKEN_FILE", "JUNE_BOT_TELEGRAM_API_URL", "JUNE_BOT_TELEGRAM_ALLOW"):
            june.environ.pop(name)
    assert {c["Config"]["Labels"]["june.service"] for c in june.containers()} == {"stt", "llm", "tts"}
