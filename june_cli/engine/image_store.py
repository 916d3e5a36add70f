"""The images that a Docker Engine holds: whose they are, what uses them, how to remove one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.engine.daemon import explained
from june_cli.engine.images import LABEL

if TYPE_CHECKING:
    from docker import APIClient


@dataclass(frozen=True)
class Held:
    """An image of June's that an engine holds; `tags` is empty for what a build left."""

    id: str
    name: str
    tags: Sequence[str]
    bytes: int
    created: int


def held(client: APIClient) -> list[Held]:
    """June's own images, of every version, the newest first: what rests on another comes before it."""
    with explained(client.base_url):
        listed = client.images(filters={"label": [LABEL]})
    found = [
        Held(
            id=one["Id"],
            name=one["Labels"][LABEL],
            tags=tuple(tag for tag in one.get("RepoTags") or () if tag != "<none>:<none>"),
            bytes=int(one["Size"]),
            created=int(one["Created"]),
        )
        for one in listed
    ]
    return sorted(found, key=lambda image: -image.created)


def users(client: APIClient) -> dict[str, list[str]]:
    """Names of containers, running or not, by the id of their image."""
    with explained(client.base_url):
        containers = client.containers(all=True)
    found: dict[str, list[str]] = {}
    for one in containers:
        found.setdefault(one["ImageID"], []).append(str(one["Names"][0]).removeprefix("/"))
    return found


def remove(client: APIClient, image: Held) -> bool:
    """Remove an image with its tags; False where a container took it or another image rests on it."""
    from docker.errors import APIError

    try:
        for which in image.tags or (image.id,):
            client.remove_image(which)
    except APIError:
        return False
    return True
