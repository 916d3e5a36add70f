"""Which images there are, which June would run now, and what they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from june_cli.engine import image_store
from june_cli.engine.building import recorded
from june_cli.output import Table

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class Image:
    """One image. state: `current` is what June runs now, `missing` too but not here yet, `old` any other."""

    name: str
    reference: str
    state: str
    bytes: int
    digest: str
    used_by: Sequence[str]


@dataclass(frozen=True)
class Images:
    """June's images and the pinned ones of others."""

    images: Sequence[Image]

    def blocks(self) -> list[Table]:
        """A row an image."""
        rows = [
            (
                i.name,
                i.reference,
                i.state,
                f"{i.bytes / 1e6:.0f} MB" if i.bytes else "",
                i.digest[:19],
                ", ".join(i.used_by),
            )
            for i in self.images
        ]
        return [Table(("image", "reference", "state", "size", "digest", "used by"), rows)]


def listing(june: Invocation) -> Images:
    """Everything this June runs or may run, and what earlier ones left."""
    from june_cli.engine import docker

    engine = docker.of(june)
    builder = engine.builder(june.out)
    digests, users = recorded(engine.digests), image_store.users(engine.client)
    wanted: dict[str, str] = {}
    for name in engine.images.recipes:
        wanted |= {build.tag: build.name for build in engine.images.builds(name)}
    wanted |= {upstream.reference: name for name, upstream in engine.images.upstreams.items()}
    found = []
    for reference, name in wanted.items():
        seen = builder.inspected(reference) or {}
        state, size = "current" if seen else "missing", int(seen.get("Size", 0))
        using = users.get(seen.get("Id", ""), ())
        found.append(Image(name, reference, state, size, digests.get(reference, ""), using))
    for old in image_store.held(engine.client):
        if not set(old.tags) & set(wanted):
            reference = next(iter(old.tags), old.id.removeprefix("sha256:")[:12])
            found.append(Image(old.name, reference, "old", old.bytes, "", users.get(old.id, ())))
    return Images(found)
