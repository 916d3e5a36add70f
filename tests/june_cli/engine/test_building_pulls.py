"""Images of others come to be pulled, and are known again: with a small client (conftest.py)."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import pytest
import requests
from docker.errors import APIError, InvalidRepository, NotFound

from june_cli.engine.building import recorded
from june_cli.errors import MachineLacks

PYTHON = "python:3.11-slim"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
Building: TypeAlias = Any  # of conftest.py
Client: TypeAlias = Any


@pytest.mark.parametrize("reference", [PYTHON, f"python@{ONE}", "registry:5000/a/b", "registry:5000/a/b:1"])
def test_an_image_of_others_is_pulled_by_exactly_the_name_it_has(
    building: Building, client: Client, reference: str
) -> None:
    """The SDK takes tags and digests off by itself: what was taken off before would be pulled as another."""
    client.images.clear()
    building.builder.pulled(reference)
    assert client.pulls == [reference]
    building.builder.pulled(reference)
    assert client.pulls == [reference], "it is there"


def test_a_pull_shows_how_much_has_come_of_all_layers_together(building: Building, client: Client) -> None:
    client.images.clear()
    client.events = [
        {"status": "Pulling from library/python", "id": "3.11"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 1_000_000, "total": 8_000_000}},
        {"status": "Downloading", "id": "b", "progressDetail": {"total": 2_000_000}},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 5_000_000, "total": 8_000_000}},
        {"status": "Pull complete", "id": "a", "progressDetail": {}},
    ]
    building.builder.pulled(PYTHON)
    assert building.said("progress") == ["1 of 8 MB", "1 of 10 MB", "5 of 10 MB"]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"error": "Get https://registry.example: dial tcp: i/o timeout"}, "image-unavailable"),
        (APIError("500", explanation="toomanyrequests: rate limit"), "image-unavailable"),
        (NotFound("404", explanation="pull access denied, repository does not exist"), "image-unavailable"),
        (InvalidRepository("Repository name cannot contain a scheme"), "image-unavailable"),
        ({"error": "write /layer: no space left on device"}, "disk-full"),
        (requests.exceptions.ConnectionError("Connection refused"), "docker-missing"),
        (requests.exceptions.ReadTimeout("timed out"), "docker-silent"),
    ],
)
def test_an_image_that_cannot_be_had_says_why_and_what_to_do(
    building: Building, client: Client, event: Any, code: str
) -> None:
    client.images.clear()
    client.events = [event]
    with pytest.raises(MachineLacks) as caught:
        building.builder.ensure(["high"])
    assert caught.value.code == code
    assert client.builds == [], "nothing is begun that could not be finished"
    if code == "image-unavailable":
        said = (
            event["error"] if isinstance(event, dict) else getattr(event, "explanation", None) or str(event)
        )
        assert said in caught.value.message
        assert caught.value.hint == f"docker pull {PYTHON}; without a network, docker load it from a file"


def test_the_digest_a_tag_had_first_is_written_down_and_a_change_is_noted(
    building: Building, client: Client
) -> None:
    client.images.clear()
    building.builder.pulled(PYTHON)
    assert recorded(building.digests) == {PYTHON: ONE}
    building.builder.pulled(PYTHON)
    assert building.said("note") == []
    client.images[PYTHON] = [f"python@{TWO}"]
    building.builder.pulled(PYTHON)
    (note,) = building.said("note")
    assert note.startswith(f"{PYTHON} is not the image June first saw: it was {ONE[:19]} and is {TWO[:19]}")
    assert recorded(building.digests) == {PYTHON: ONE}, "the first one counts"


def test_a_name_of_another_registry_for_the_same_image_is_no_change(
    building: Building, client: Client
) -> None:
    client.images[PYTHON] = [f"python@{ONE}"]
    building.builder.pulled(PYTHON)
    client.images[PYTHON] = [f"mirror.example/python@{TWO}", f"python@{ONE}"]
    building.builder.pulled(PYTHON)
    assert building.said("note") == []


def test_an_image_made_on_this_machine_has_no_digest_to_remember(building: Building) -> None:
    building.builder.pulled(PYTHON)
    assert not building.digests.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "\xff"])
def test_a_record_that_cannot_be_read_is_begun_anew(building: Building, client: Client, content: str) -> None:
    building.digests.parent.mkdir(parents=True)
    building.digests.write_text(content, "latin-1")
    client.images[PYTHON] = [f"python@{ONE}"]
    building.builder.pulled(PYTHON)
    assert recorded(building.digests) == {PYTHON: ONE}
    assert [path.name for path in building.digests.parent.iterdir()] == ["digests.json"]


def test_a_record_somebody_edited_makes_a_note_and_no_traceback(building: Building, client: Client) -> None:
    building.digests.parent.mkdir(parents=True)
    building.digests.write_text(json.dumps({PYTHON: 5}))
    client.images[PYTHON] = [f"python@{ONE}"]
    building.builder.pulled(PYTHON)
    assert "it was 5 and" in building.said("note")[0]
