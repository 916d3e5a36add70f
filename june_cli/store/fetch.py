"""The only writer of the model store and its only network user: lock, partial, sha256, rename."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from june_cli.errors import JuneError, MachineLacks
from june_cli.paths import made
from june_cli.store import where
from june_cli.store.catalog import File, HubSource, Model, PackageSource
from june_cli.store.package import PackageArchive

if TYPE_CHECKING:
    from june_cli.output import Output

SLACK_BYTES = 64 * 1024 * 1024
Report = Callable[[int, str], None]


def ensure(model: Model, models: Path, out: Output) -> Path:
    """The folder of a whole, verified model, fetched now if need be.

    Two callers at once fetch once: the second waits for the first. Raises MachineLacks without network or
    space, JuneError when what arrives is not what the catalog pins.
    """
    folder = model.folder(models)
    if not where.damage(folder):
        return folder
    source = model.source
    if isinstance(source, HubSource):
        raise MachineLacks(
            "model-unpinned",
            f"{model.name} is not pinned to a revision yet, so June does not fetch it.",
            hint=f'have {source.repository} in a folder, named by path = "…" in [profiles.….{model.role}]',
        )
    made(models)
    label = f"Fetching {model.name} ({source.bytes / 1e6:.0f} MB)"
    with out.progress(label, source.bytes, "bytes") as bar:
        with _locked(models / f".{model.name}.lock", lambda: bar.update(text="another june is fetching it")):
            if where.damage(folder):
                with _no_space_explained(models):
                    _fetch(model, source, models, folder, lambda done, text: bar.update(done, text=text))
    return folder


def _fetch(model: Model, source: PackageSource, models: Path, folder: Path, report: Report) -> None:
    partial = models / f".{model.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)  # we hold the lock: whoever left it is dead
    _require_space(model, source, models)
    partial.mkdir()
    try:
        with PackageArchive.open(source, partial, report) as archive:
            report(source.bytes, "verifying")
            whole = partial / "model"
            whole.mkdir()
            for file in model.files:
                _extract(archive, file, whole / file.name)
        _write_manifest(model, whole)
        damaged = folder.with_name(f".{folder.name}.damaged")
        shutil.rmtree(damaged, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        if folder.exists():
            folder.rename(damaged)
        whole.rename(folder)
        shutil.rmtree(damaged, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _extract(archive: PackageArchive, file: File, target: Path) -> None:
    with archive.member(file.member) as source, target.open("wb") as sink:
        copied = 0
        while piece := source.read(1 << 20):
            copied += len(piece)
            if copied > file.bytes:  # an archive that unpacks to more than was promised is not unpacked
                break
            sink.write(piece)
        sink.flush()
        os.fsync(sink.fileno())
    if copied != file.bytes or where.sha256(target) != file.sha256:
        raise JuneError(
            "model-untrusted",
            f"{file.member} of {archive.label} is not what the catalog pins (size or sha256 differ).",
            hint="nothing was kept; a mirror or proxy that alters files is the usual cause",
        )


def _write_manifest(model: Model, folder: Path) -> None:
    files = [
        {
            "name": f.name,
            "bytes": f.bytes,
            "sha256": f.sha256,
            "mtime_ns": (folder / f.name).stat().st_mtime_ns,
        }
        for f in model.files
    ]
    manifest = {"model": model.name, "revision": model.revision, "licence": model.licence, "files": files}
    (folder / where.MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")


def _require_space(model: Model, source: PackageSource, models: Path) -> None:
    needed = source.bytes + sum(f.bytes for f in model.files) + SLACK_BYTES
    free = shutil.disk_usage(models).free
    if free < needed:
        raise MachineLacks(
            "disk-full",
            f"{model.name} needs {needed / 1e6:.0f} MB in {models}, and {free / 1e6:.0f} MB are free.",
            hint="free some space, or set MODEL_CACHE_DIR to a folder on a larger disk",
        )


@contextmanager
def _no_space_explained(models: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MachineLacks(
                "disk-full",
                f"the disk under {models} is full; nothing half-written was kept.",
                hint="free some space, or set MODEL_CACHE_DIR to a folder on a larger disk",
            ) from error
        raise MachineLacks(
            "store-not-writable", f"the model store cannot be written: {error}.", hint="set MODEL_CACHE_DIR"
        ) from error


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    import time

    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MachineLacks(
            "store-not-writable", f"the model store cannot be written: {error}.", hint="set MODEL_CACHE_DIR"
        ) from error
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(0.2)
        yield
    finally:
        os.close(descriptor)
