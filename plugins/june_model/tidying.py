"""`june model remove`, `restore` and `gc`: nothing that is in use goes, and nothing goes at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from june_cli.errors import JuneError, UsageProblem
from june_cli.files import tree_bytes
from june_cli.output import Table
from june_cli.paths import writable
from june_cli.store import trash, where
from june_cli.store.writer import locked
from june_model import shelf
from june_model.library import size

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

STALE_S = 24 * 3600.0  # a download that broke off so long ago is not going on


@dataclass(frozen=True)
class Removed:
    """What went into the trash."""

    models: Sequence[str]
    bytes: int
    dry_run: bool = False
    until_days: float = trash.GRACE_S / 86_400

    def blocks(self) -> list[str]:
        """One line, with the way back."""
        names = ", ".join(self.models)
        if self.dry_run:
            return [f"would go into the trash: {names}, {size(self.bytes)}"]
        back = f"june model restore {self.models[0]}" if self.models else ""
        return [f"{names}: in the trash for {self.until_days:g} days ({back}), {size(self.bytes)}"]


@dataclass(frozen=True)
class Restored:
    """What was taken back."""

    model: str
    folder: str

    def blocks(self) -> list[str]:
        """One line."""
        return [f"{self.model}: {self.folder}"]


@dataclass(frozen=True)
class Rubbish:
    """Something that can go: kind is trash, partial, old or damaged."""

    kind: str
    name: str
    bytes: int
    why: str
    path: str


@dataclass(frozen=True)
class Collected:
    """What `gc` removed, or would."""

    removed: Sequence[Rubbish]
    bytes: int
    dry_run: bool

    def blocks(self) -> list[str | Table]:
        """A row for each."""
        if not self.removed:
            return ["nothing to remove"]
        rows = [(r.kind, r.name, size(r.bytes), r.why) for r in self.removed]
        return [
            Table(("what", "of", "size", "why"), rows),
            f"{'would free' if self.dry_run else 'freed'} {size(self.bytes) or '0 MB'}",
        ]


def remove(june: Invocation, names: Sequence[str], *, force: bool) -> Removed:
    """Move models into the trash. UsageProblem for one that is not here, JuneError for one in use."""
    models, catalog = june.paths.models, june.roles.catalog
    wanted = [catalog.get(name) for name in dict.fromkeys(names)]
    used = shelf.users(june)
    for model in wanted:
        if not model.folder(models).exists():
            raise UsageProblem("model-not-here", f"{model.name} is not in the store.", hint="june model list")
        if model.name in used and not force:
            services = " ".join(used[model.name])
            raise JuneError(
                "model-in-use", f"{model.name} is used by {services}.", hint=f"june serve stop {services}"
            )
    total = sum(shelf.recorded_bytes(model.folder(models)) for model in wanted)
    if not june.words.dry_run:
        for model in wanted:
            with writable(models), locked(models / f".{model.name}.lock", lambda: None):
                trash.discard(models, model.name, model.revision)
    return Removed([model.name for model in wanted], total, june.words.dry_run)


def restore(june: Invocation, name: str) -> Restored:
    """Take a model back out of the trash."""
    return Restored(name, str(trash.restore(june.paths.models, name)))


def collect(june: Invocation, *, everything: bool) -> Collected:
    """Remove for good what nobody needs; with `everything` also what is in its time of grace."""
    found = [*_trash(june, everything), *_partials(june, everything), *_old(june)]
    if not june.words.dry_run:
        for one in found:
            trash.purge(Path(one.path))
    return Collected(found, sum(one.bytes for one in found), june.words.dry_run)


def _trash(june: Invocation, everything: bool) -> list[Rubbish]:
    return [
        Rubbish("trash", e.name, tree_bytes(e.folder), f"removed {_days(e.removed_at)}", str(e.folder))
        for e in trash.entries(june.paths.models)
        if e.expired or everything
    ]


def _partials(june: Invocation, everything: bool) -> list[Rubbish]:
    """Downloads that broke off and do not go on."""
    found = []
    for path in sorted(june.paths.models.glob(".*.partial")):
        name = path.name.removeprefix(".").removesuffix(".partial")
        touched = max((p.lstat().st_mtime for p in [path, *path.rglob("*")]), default=0.0)
        if shelf.being_written(june.paths.models, name) or not (
            everything or time.time() - touched > STALE_S
        ):
            continue
        found.append(Rubbish("partial", name, tree_bytes(path), f"broke off {_days(touched)}", str(path)))
    return found


def _old(june: Invocation) -> list[Rubbish]:
    """Revisions that no entry of the catalog names any more, and what a repair or a crash set aside."""
    models, found = june.paths.models, []
    used = shelf.users(june)
    for folder in sorted(path for path in models.glob("*/*") if path.is_dir()):
        name, revision = folder.parent.name, folder.name
        if name.startswith("."):
            continue
        if revision.startswith("."):
            found.append(Rubbish("damaged", name, tree_bytes(folder), "set aside", str(folder)))
            continue
        known = june.roles.catalog.models.get(name)
        is_current = known is not None and known.revision == revision
        if not is_current and (folder / where.MANIFEST).exists() and name not in used:
            why = "the catalog names another revision" if known else "the catalog does not name it"
            found.append(Rubbish("old", name, tree_bytes(folder), why, str(folder)))
    return found


def _days(since: float) -> str:
    days = (time.time() - since) / 86_400
    return f"{days:.0f} days ago" if days >= 1 else "today"
