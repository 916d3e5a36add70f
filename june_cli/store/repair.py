"""Verifies the files of a model, and mends one by fetching what is damaged of it and nothing else."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from june_cli.errors import JuneError
from june_cli.store import where, writer
from june_cli.store.catalog import Model, PackageSource
from june_cli.store.remote import Interrupted, Reader, Remote
from june_cli.store.transfer import TRIES, pause, unreachable

Report = Callable[[int], None]
Span = tuple[int, int]  # from, up to


@dataclass(frozen=True)
class Bad:
    """A damaged file: what is wrong, and which bytes of it; all of them where no block sums are known."""

    name: str
    why: str
    spans: tuple[Span, ...]

    @property
    def bytes(self) -> int:
        """How much of it has to come anew."""
        return sum(end - start for start, end in self.spans)


def manifest(folder: Path) -> dict[str, Any]:
    """What was recorded of a model. JuneError when that cannot be read."""
    try:
        content: dict[str, Any] = json.loads((folder / where.MANIFEST).read_text("utf-8"))
        for entry in content["files"]:
            _ = (entry["name"], entry["bytes"], entry["sha256"], entry["mtime_ns"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JuneError("model-damaged", f"the manifest of {folder} cannot be read: {error}.") from error
    return content


def damaged(folder: Path, report: Report) -> list[Bad]:
    """Every file hashed; those that are not what they were when they were fetched."""
    found = []
    for entry in manifest(folder)["files"]:
        file = folder / entry["name"]
        why = _wrong(file, entry)
        report(int(entry["bytes"]))
        if why:
            found.append(Bad(entry["name"], why, _bad_spans(folder, file, entry)))
    return found


def _wrong(file: Path, entry: Mapping[str, Any]) -> str:
    try:
        size = file.stat().st_size
    except OSError:
        return "missing"
    if size != entry["bytes"]:
        return f"{size} bytes instead of {entry['bytes']}"
    return "" if where.sha256(file) == entry["sha256"] else "sha256 differs"


def _bad_spans(folder: Path, file: Path, entry: Mapping[str, Any]) -> tuple[Span, ...]:
    """Which blocks differ from their sums; neighbours are one span."""
    size = int(entry["bytes"])
    try:
        known = json.loads((folder / where.BLOCKS).read_text("utf-8"))
        step, sums = int(known["block_bytes"]), list(known["crc32"][entry["name"]])
        stream = file.open("rb")
    except (OSError, ValueError, KeyError, TypeError):
        return ((0, size),)
    spans: list[Span] = []
    with stream:
        for number, wanted in enumerate(sums):
            start, end = number * step, min(size, (number + 1) * step)
            stream.seek(start)
            block = stream.read(end - start)
            if len(block) == end - start and zlib.crc32(block) == wanted:
                continue
            if spans and spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
    return tuple(spans) or ((0, size),)  # every block is right and the whole is not: trust no sum of blocks


def mend(reader: Reader, folder: Path, bad: Bad, report: Report) -> None:
    """Fetch the damaged bytes of a file and put them in place; verified before it counts as whole."""
    entry = next(e for e in manifest(folder)["files"] if e["name"] == bad.name)
    file, remote = folder / bad.name, Remote(bad.name, entry["bytes"], entry["sha256"])
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as sink:
        sink.truncate(entry["bytes"])
        for start, end in bad.spans:
            _mend_span(reader, remote, sink, start, end, report)
        sink.flush()
        os.fsync(sink.fileno())
    if where.sha256(file) != entry["sha256"]:
        raise JuneError(
            "model-untrusted",
            f"{bad.name} from {reader.label} is not what it was when it was fetched first.",
            hint="june model remove it, and download it anew",
        )


def _mend_span(reader: Reader, remote: Remote, sink: Any, start: int, end: int, report: Report) -> None:
    failures, at = 0, start
    while at < end:
        before = at
        try:
            with reader.open(remote, at, end) as stream:
                skip = at - stream.start  # of a server that ignores offsets and sends all
                sink.seek(at)
                for piece in stream.pieces:
                    useful = piece[skip:][: end - at]
                    skip = max(0, skip - len(piece))
                    sink.write(useful)
                    at += len(useful)
                    report(len(useful))
                    if at >= end:
                        break
            if at < end:
                raise Interrupted("the connection was cut")
        except Interrupted as error:
            failures = 0 if at > before else failures + 1
            if failures >= TRIES:
                raise unreachable(f"{remote.name} cannot be mended: {error}") from error
            pause(failures, error)


def remembered(folder: Path) -> None:
    """Write down that every file of a model was verified as it is now, where that is not known yet."""
    content = manifest(folder)
    times = {entry["name"]: (folder / entry["name"]).stat().st_mtime_ns for entry in content["files"]}
    if all(entry["mtime_ns"] == times[entry["name"]] for entry in content["files"]):
        return
    for entry in content["files"]:
        entry["mtime_ns"] = times[entry["name"]]
    temporary = folder / f".{where.MANIFEST}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(content, indent=1), "utf-8")
        temporary.replace(folder / where.MANIFEST)
    finally:
        temporary.unlink(missing_ok=True)


def repair(model: Model, models: Path, environ: Mapping[str, str], report: writer.Report) -> Path:
    """Mend a model of the store. What cannot be mended by pieces, a package, is downloaded anew."""
    folder = model.folder(models)
    with (
        writer.explained(models),
        writer.locked(models / f".{model.name}.lock", lambda: report(0, 0, writer.WAITING)),
    ):
        bad = damaged(folder, lambda _: None)
        total, done = sum(one.bytes for one in bad), 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            report(done, total, "mending")

        source = model.source
        if isinstance(source, PackageSource) or writer.archived(model):
            bad_folder = folder.with_name(f".{folder.name}.damaged")
            folder.rename(bad_folder)
        else:
            with closing(writer.reader(source, environ)) as reader:
                writer.listed(reader, model, report)
                for one in bad:
                    mend(reader, folder, one, count)
            remembered(folder)
            return folder
    try:
        return writer.download(model, models, environ, report)
    except BaseException:
        if not folder.exists():  # a damaged model may be worth more than none
            bad_folder.rename(folder)
        raise
