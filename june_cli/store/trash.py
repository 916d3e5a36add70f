"""Removed models, kept for a while: taking one back costs a rename, fetching it again hours."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from june_cli import nearest
from june_cli.errors import UsageProblem
from june_cli.paths import made, writable

FOLDER = ".trash"
GRACE_S = 7 * 24 * 3600.0
NAMED = re.compile(r"(?P<name>.+)@(?P<revision>[^@]+)@(?P<at>\d+)")


@dataclass(frozen=True)
class Discarded:
    """One removed revision of a model."""

    name: str
    revision: str
    removed_at: float
    folder: Path

    @property
    def expired(self) -> bool:
        """Whether `june model gc` may remove it for good."""
        return time.time() - self.removed_at > GRACE_S


def discard(models: Path, name: str, revision: str) -> Discarded:
    """Move a revision of a model into the trash, in one step."""
    now = int(time.time())
    target = made(models / FOLDER) / f"{name}@{revision}@{now}"
    with writable(models):
        (models / name / revision).rename(target)
        if not any((models / name).iterdir()):
            (models / name).rmdir()
    return Discarded(name, revision, float(now), target)


def entries(models: Path) -> list[Discarded]:
    """What is in the trash, the latest first."""
    found = []
    with writable(models):
        kept = list((models / FOLDER).glob("*@*@*"))
    for path in kept:
        parts = NAMED.fullmatch(path.name)
        if parts and path.is_dir():
            found.append(Discarded(parts["name"], parts["revision"], float(parts["at"]), path))
    return sorted(found, key=lambda entry: -entry.removed_at)


def restore(models: Path, name: str) -> Path:
    """Take back what was removed last under a name. UsageProblem when there is nothing, or one is there."""
    known = entries(models)
    entry = next((one for one in known if one.name == name), None)
    if entry is None:
        names = sorted({one.name for one in known})
        raise UsageProblem("not-in-trash", f"no {name!r} is in the trash.", hint=nearest.hint(name, names))
    target = models / name / entry.revision
    if target.exists():
        raise UsageProblem("model-there", f"{name} {entry.revision} is in the store already.")
    made(target.parent)
    with writable(models):
        entry.folder.rename(target)
    return target


def purge(folder: Path) -> None:
    """Remove a folder of the store for good: out of sight first, so that half of it is never taken for it."""
    doomed = folder.with_name(f".doomed.{os.getpid()}.{folder.name}")
    with writable(folder.parent):
        folder.rename(doomed)
        shutil.rmtree(doomed)
