"""Images come to be built: with a small client in place of the Docker SDK's (conftest.py)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import requests
from docker.errors import APIError

from june_cli.engine.building import LAST_LINES
from june_cli.engine.images import Images
from june_cli.errors import JuneError, MachineLacks
from june_cli.store import tls

PYTHON = "python:3.11-slim"
Building: TypeAlias = Any  # of conftest.py
Client: TypeAlias = Any


def test_only_what_is_missing_is_built_from_the_bottom_up_and_once(
    building: Building, client: Client, images: Images
) -> None:
    building.builder.ensure(["high", "other", "high"])
    low, high, other = (images.reference(name) for name in ("low", "high", "other"))
    assert [build["tag"] for build in client.builds] == [low, high, other]
    assert [build["buildargs"] for build in client.builds] == [
        {"BASE": PYTHON},
        {"BASE": low},
        {"BASE": PYTHON},
    ]
    assert [build["labels"] for build in client.builds] == [
        {"june.image": "low"},
        {"june.image": "high"},
        {"june.image": "other"},
    ]
    labels = building.said("progress-start", "label")
    assert labels == [f"Building {low} (1/3)", f"Building {high} (2/3)", f"Building {other} (3/3)"]
    building.builder.ensure(["high", "other"])
    assert len(client.builds) == 3
    assert client.pulls == []


def test_an_image_that_is_there_needs_nothing_of_what_it_was_made_from(
    building: Building, client: Client, images: Images
) -> None:
    client.images = {images.reference("high"): []}
    building.builder.ensure(["high"])
    assert (client.builds, client.pulls, client.pruned) == ([], [], [])


def test_a_base_that_is_there_already_is_not_built_again(
    building: Building, client: Client, images: Images
) -> None:
    client.images[images.reference("low")] = []
    building.builder.ensure(["high"])
    assert [build["tag"] for build in client.builds] == [images.reference("high")]


def test_what_stages_leave_is_removed_after_a_build_also_where_the_engine_refuses(
    building: Building, client: Client
) -> None:
    building.builder.ensure(["low"])
    assert client.pruned == [{"dangling": True, "label": ["june.image=wheels"]}]

    def refuse(filters: Any) -> None:
        raise APIError(f"a prune operation is already running: {filters}")

    client.prune_images = refuse
    building.builder.ensure(["other"])


def test_each_step_of_a_build_is_shown_on_one_short_line(building: Building, client: Client) -> None:
    long = f"Step 2/2 : RUN pip install   {'x' * 200}"
    client.events = [{"stream": "Step 1/2 : FROM python\n"}, {"stream": " ---> 0123\n"}, {"stream": long}, {}]
    building.builder.ensure(["low"])
    first, second = building.said("progress")
    assert first == "Step 1/2 : FROM python"
    assert second.startswith("Step 2/2 : RUN pip install xxx")
    assert len(second) == 80
    assert building.said("progress-end", "ok") == [True]


def test_a_failed_build_names_its_step_and_shows_the_last_lines(
    building: Building, client: Client, images: Images
) -> None:
    client.events = [
        {"stream": "Step 1/3 : FROM python\n"},
        {"stream": "Step 2/3 : RUN pip install numpy\n"},
        *({"stream": f"line {number}\n\n"} for number in range(40)),
        {"stream": "ERROR: No matching distribution\nfound for numpy\n"},
        {"errorDetail": {"code": 1}, "error": "The command returned a non-zero code: 1"},
        {"stream": "never read"},
    ]
    with pytest.raises(JuneError) as caught:
        building.builder.ensure(["low"])
    error, lines = caught.value, caught.value.message.splitlines()
    assert (error.code, error.exit_code) == ("image-build-failed", 1)
    assert lines[0] == (
        f"{images.reference('low')} could not be built. It failed at: Step 2/3 : RUN pip install numpy"
    )
    assert lines[-3:] == [
        "    ERROR: No matching distribution",
        "    found for numpy",
        "    The command returned a non-zero code: 1",
    ]
    assert len(lines) == 1 + LAST_LINES + 1
    assert client.closed == 1, "the engine is told that nobody listens any more"
    assert building.said("progress-end", "ok") == [False]


def test_a_failed_build_stops_what_would_rest_on_it(building: Building, client: Client) -> None:
    client.events = [{"error": "no"}]
    with pytest.raises(JuneError, match="It failed at: reading the context"):
        building.builder.ensure(["high"])
    assert len(client.builds) == 1


def test_a_build_that_fails_on_a_full_disk_says_so_whatever_its_program_says(
    building: Building, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage("/")._replace(free=4096)
    monkeypatch.setattr("june_cli.engine.building.shutil.disk_usage", {client.root: full}.__getitem__)
    client.events = [{"stream": "Step 1/1 : RUN python -m venv /x\n"}, {"error": "exit status 1"}]
    with pytest.raises(MachineLacks) as caught:
        building.builder.ensure(["low"])
    assert (caught.value.code, caught.value.hint) == ("disk-full", "june image prune; docker system df")


@pytest.mark.parametrize("said", ["write /x: no space left on device", "OSError: No space left on device"])
@pytest.mark.parametrize("where", ["error", "stream"])
def test_a_build_without_room_is_named_as_that(
    building: Building, client: Client, said: str, where: str
) -> None:
    client.events = [{where: said}, {"error": "The command returned a non-zero code: 1"}]
    with pytest.raises(MachineLacks) as caught:
        building.builder.ensure(["low"])
    assert (caught.value.code, caught.value.hint) == ("disk-full", "june image prune; docker system df")


def test_an_engine_that_breaks_off_a_build_is_named(building: Building, client: Client) -> None:
    client.events = [{"stream": "Step 1/2 : FROM x"}, requests.exceptions.ConnectionError("reset")]
    with pytest.raises(MachineLacks) as caught:
        building.builder.ensure(["low"])
    assert caught.value.code == "docker-missing"


def test_a_build_is_given_the_proxies_the_indexes_and_the_authority_of_the_caller(
    client: Client, building_with: Callable[..., Building], tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    given = {
        "HTTPS_PROXY": "http://ann:pw@proxy:1",
        "no_proxy": "lan",
        "PIP_INDEX_URL": "https://index.example",
    }
    building = building_with(JUNE_CA_BUNDLE=str(bundle), FTP_PROXY="", OTHER="x", **given)
    building.builder.ensure(["low"])
    assert client.builds[0]["buildargs"] == {**given, "BASE": PYTHON}
    assert client.builds[0]["context"]["ca.crt"] == b"-----BEGIN CERTIFICATE-----\n"


def test_a_build_leaves_no_container_behind_however_it_ends(building: Building, client: Client) -> None:
    building.builder.ensure(["low"])
    assert client.builds[0]["rm"]
    assert client.builds[0]["forcerm"]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot be read"), ("nothing", "holds no PEM certificate")]
)
def test_an_authority_that_is_none_stops_a_build_before_it_begins(
    client: Client, building_with: Callable[..., Building], tmp_path: Path, content: str | None, said: str
) -> None:
    bundle = tmp_path / "ca.pem"
    if content:
        bundle.write_text(content)
    with pytest.raises(MachineLacks, match=said):
        building_with(JUNE_CA_BUNDLE=str(bundle)).builder.ensure(["low"])
    assert client.builds == []
    assert tls.authority({}) == tls.authority({"JUNE_CA_BUNDLE": ""}) == b""
