"""`june model df`: what takes room, what of it can go, and who needs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from june_cli.errors import JuneError
from june_cli.files import tree_bytes
from june_cli.output import Table
from june_cli.store import trash, where
from june_model import shelf
from june_model.library import size

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class Item:
    """Something that takes room. `reclaimable` bytes of it can go by `fix`; `used_by` says who needs it."""

    kind: str
    name: str
    bytes: int
    reclaimable: int
    used_by: Sequence[str]
    fix: str


@dataclass(frozen=True)
class Usage:
    """Everything June keeps, and what the disk has left. `docker` says why nothing of it is told."""

    items: Sequence[Item]
    free_bytes: int
    docker: str

    def blocks(self) -> list[str | Table]:
        """A row for each, and the sums."""
        rows = [
            (i.kind, i.name, size(i.bytes), size(i.reclaimable), ", ".join(i.used_by), i.fix)
            for i in self.items
        ]
        total, can_go = (sum(getattr(i, key) for i in self.items) for key in ("bytes", "reclaimable"))
        said = (size(count) or "0 MB" for count in (total, can_go, self.free_bytes))
        sums = "{} in all, {} can go, {} free".format(*said)
        table = Table(("what", "name", "size", "can go", "used by", "by"), rows)
        return [table, sums, *([f"Docker is not counted: {self.docker}"] if self.docker else [])]


def usage(june: Invocation) -> Usage:
    """Look at the store, the runs, and Docker where one answers."""
    items = [*_models(june), *_partials(june), *_trash(june), *_runs(june)]
    why = ""
    try:
        items += list(_docker(june))
    except JuneError as error:
        why = error.message
    folder = next(p for p in (june.paths.models, *june.paths.models.parents) if p.exists())
    return Usage(items, shutil.disk_usage(folder).free, why)


def _models(june: Invocation) -> Iterator[Item]:
    used, named = shelf.users(june), shelf.profiles_of(june)
    for manifest in sorted(june.paths.models.glob(f"*/*/{where.MANIFEST}")):
        folder = manifest.parent
        name = folder.parent.name
        if folder.name.startswith(".") or name.startswith("."):
            continue
        known = june.roles.catalog.models.get(name)
        current = known is not None and known.revision == folder.name
        taken = tree_bytes(folder)
        needed = [*used.get(name, ()), *(f"profile {p}" for p in named.get(name, ()))] if current else []
        fix = f"june model remove {name}" if current else "june model gc"
        yield Item("model", f"{name} {folder.name[:12]}", taken, 0 if used.get(name) else taken, needed, fix)


def _partials(june: Invocation) -> Iterator[Item]:
    for path in sorted(june.paths.models.glob(".*.partial")):
        name = path.name.removeprefix(".").removesuffix(".partial")
        busy, taken = shelf.being_written(june.paths.models, name), tree_bytes(path)
        yield Item(
            "partial",
            name,
            taken,
            0 if busy else taken,
            ["a download"] if busy else [],
            "june model gc --all",
        )


def _trash(june: Invocation) -> Iterator[Item]:
    for entry in trash.entries(june.paths.models):
        taken = tree_bytes(entry.folder)
        yield Item(
            "trash", entry.name, taken, taken, [], "june model gc" + ("" if entry.expired else " --all")
        )


def _runs(june: Invocation) -> Iterator[Item]:
    taken = tree_bytes(june.paths.runs)
    if taken:
        yield Item("runs", str(june.paths.runs), taken, taken, [], f"rm -r {june.paths.runs}")


def _docker(june: Invocation) -> Iterator[Item]:
    """June's images, the cache of builds and unused volumes, as Docker counts them."""
    from june_cli.engine import docker, image_store

    engine = docker.of(june)
    users = image_store.users(engine.client)
    current = {build.tag for name in engine.images.recipes for build in engine.images.builds(name)}
    for image in image_store.held(engine.client):
        name = next(iter(image.tags), image.id.removeprefix("sha256:")[:12])
        used = users.get(image.id, ())
        old = not set(image.tags) & current
        fix = "june image prune" + ("" if old else " --all")
        yield Item("image", name, image.bytes, 0 if used else image.bytes, used, fix)
    with engine.explained():
        said: dict[str, Any] = engine.client.df()
    cache = sum(int(one.get("Size", 0)) for one in said.get("BuildCache") or () if not one.get("Shared"))
    if cache:
        yield Item("build cache", "Docker", cache, cache, [], "docker builder prune")
    for volume in said.get("Volumes") or ():
        data = volume.get("UsageData") or {}
        if data.get("RefCount") == 0 and "june" in volume.get("Name", ""):
            taken = max(0, int(data.get("Size", 0)))
            yield Item("volume", volume["Name"], taken, taken, [], f"docker volume rm {volume['Name']}")
