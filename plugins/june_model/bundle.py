"""`june model export` and `import`: one file for a machine without a network."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from june_cli import files
from june_cli.errors import BadInput, JuneError, MachineLacks, UsageProblem
from june_cli.paths import made, writable
from june_cli.store import parallel, repair, where, writer
from june_cli.store.catalog import Model
from june_cli.store.remote import Remote, safe
from june_cli.store.transfer import PIECE, Sums
from june_model import shelf
from june_model.library import size

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

CONTENTS = "june-bundle.json"
FORMAT = 1
MAX_CONTENTS = 64 * 1024 * 1024


@dataclass(frozen=True)
class Bundle:
    """What went into a file, or came out of one."""

    file: str
    models: Sequence[str]
    bytes: int
    already: Sequence[str] = ()

    def blocks(self) -> list[str]:
        """One line."""
        kept = f"; here already: {', '.join(self.already)}" if self.already else ""
        return [f"{', '.join(self.models) or 'nothing new'}, {size(self.bytes) or '0 MB'}, {self.file}{kept}"]


def export(june: Invocation, names: Sequence[str], target: Path) -> Bundle:
    """Write models into one tar: a list of all files with their sha256 first, then the files, as they lie."""
    models, wanted = june.paths.models, [june.roles.catalog.get(name) for name in dict.fromkeys(names)]
    contents: list[dict[str, Any]] = []
    for model in wanted:
        problem = where.damage(model.folder(models))
        if problem:
            raise UsageProblem(
                "model-not-whole",
                f"{model.name} cannot be exported: {problem}.",
                hint=f"june model download {model.name}",
            )
        contents.append(repair.manifest(model.folder(models)))
    total = sum(int(file["bytes"]) for content in contents for file in content["files"])
    files.require_writable(target)
    free = shutil.disk_usage(target.absolute().parent).free
    if free < total:
        raise MachineLacks(
            "disk-full",
            f"the file needs {size(total)}, and {size(free) or '0 MB'} are free "
            f"in {target.absolute().parent}.",
        )
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with writable(target.absolute().parent), tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, CONTENTS, json.dumps({"format": FORMAT, "models": contents}, indent=1).encode())
            with june.out.progress(f"Exporting {', '.join(m.name for m in wanted)}", total, "bytes") as bar:
                done = 0
                for model, content in zip(wanted, contents, strict=True):
                    for name in [*(f["name"] for f in content["files"]), where.BLOCKS]:
                        file = model.folder(models) / name
                        if file.exists():
                            tar.add(
                                file, f"{model.name}/{model.revision}/{name}", recursive=False, filter=_plain
                            )
                            done += file.stat().st_size
                            bar.update(done)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return Bundle(str(target), [model.name for model in wanted], total)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    tar.addfile(entry, io.BytesIO(data))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nothing of this machine's users."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


def take(june: Invocation, source: Path) -> Bundle:
    """Put the models of a bundle into the store: those the catalog names, verified byte by byte.

    BadInput for what is no bundle or was altered; nothing of a model that is not whole stays.
    """
    models = made(june.paths.models)
    taken: list[str] = []
    already: list[str] = []
    total = 0
    try:
        with tarfile.open(source, "r:") as tar:
            contents = _contents(tar)
            wanted = {f"{c['model']}/{c['revision']}": c for c in contents}
            for content in contents:
                _require_pinned(june.roles.catalog.get(str(content["model"])), content)
            whole = {
                key for key, c in wanted.items() if not where.damage(models / c["model"] / c["revision"])
            }
            with june.out.progress(f"Importing {source.name}", source.stat().st_size, "bytes") as bar:
                got = _unpacked(tar, {k: c for k, c in wanted.items() if k not in whole}, models, bar.update)
        for key, entries in got.items():
            model = june.roles.catalog.get(str(wanted[key]["model"]))
            staging = models / f".{model.name}.import"
            with writer.locked(models / f".{model.name}.lock", lambda: None):
                writer.finished(model, str(wanted[key]["revision"]), entries, staging, models)
            taken.append(model.name)
            total += shelf.recorded_bytes(models / key)
        already = sorted({str(wanted[key]["model"]) for key in whole})
    except FileNotFoundError as error:
        raise UsageProblem("bundle-missing", f"there is no file {source}.") from error
    except (tarfile.TarError, EOFError) as error:
        raise BadInput(
            "bundle-unreadable", f"{source} is no bundle that june model export wrote: {error}."
        ) from error
    finally:
        for left in models.glob(".*.import"):
            shutil.rmtree(left, ignore_errors=True)
    return Bundle(str(source), taken, total, already)


def _contents(tar: tarfile.TarFile) -> list[dict[str, Any]]:
    first = tar.next()
    if first is None or first.name != CONTENTS or first.size > MAX_CONTENTS:
        raise BadInput("bundle-unreadable", "the file begins with no list of what it holds.")
    stream = tar.extractfile(first)
    try:
        content = json.loads(stream.read() if stream else b"")
        found = [dict(entry) for entry in content["models"]]
        for entry in found:
            safe(str(entry["model"])), safe(str(entry["revision"]))
            for file in entry["files"]:
                safe(str(file["name"]))
                _ = (int(file["bytes"]), str(file["sha256"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput("bundle-unreadable", f"its list of contents cannot be read: {error}.") from error
    except JuneError as error:
        raise BadInput("bundle-unreadable", error.message) from error
    return found


def _require_pinned(model: Model, content: Mapping[str, Any]) -> None:
    """A bundle's own list proves nothing: what the catalog pins, it has to bring."""
    wanted = {file.name: file.sha256 for file in model.files}
    brought = {str(file["name"]): str(file["sha256"]) for file in content["files"]}
    revision = str(content["revision"])
    if (model.pinned and revision != model.revision) or (wanted and wanted != brought):
        raise BadInput(
            "bundle-untrusted",
            f"the bundle's {model.name} ({revision[:12]}) is not the one that the catalog pins "
            f"({model.revision[:12]}).",
            hint="export it anew on a machine with the same June",
        )


def _unpacked(
    tar: tarfile.TarFile, wanted: dict[str, dict[str, Any]], models: Path, told: Any
) -> dict[str, list[dict[str, Any]]]:
    """Every file of the wanted models, verified, in a folder beside the models."""
    promised = {
        f"{key}/{file['name']}": (content, file)
        for key, content in wanted.items()
        for file in content["files"]
    }
    got: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in wanted}
    for member in tar:
        told(member.offset)
        known = promised.get(member.name)
        if known is None or not member.isreg():
            continue  # the sums of blocks, which are taken anew; or something nobody promised
        content, file = known
        stream = tar.extractfile(member)
        assert stream  # noqa: S101 - a regular file
        key = f"{content['model']}/{content['revision']}"
        folder = models / f".{content['model']}.import"
        got[key][file["name"]] = _copied(stream, file, folder)
    for key, content in wanted.items():
        lacking = [file["name"] for file in content["files"] if file["name"] not in got[key]]
        if lacking:
            raise BadInput(
                "bundle-incomplete", f"the bundle lacks {', '.join(lacking)} of {content['model']}."
            )
    return {key: [found[f["name"]] for f in wanted[key]["files"]] for key, found in got.items()}


def _copied(stream: IO[bytes], file: dict[str, Any], folder: Path) -> dict[str, Any]:
    target = folder / file["name"]
    made(target.parent)
    sums = Sums(Remote(file["name"], int(file["bytes"]), str(file["sha256"])))
    with writable(folder), target.open("wb") as sink:
        while piece := stream.read(PIECE):
            sums.add(piece)
            sink.write(piece)
    wrong = sums.wrong()
    if wrong:
        raise BadInput("bundle-altered", f"{file['name']} of the bundle is not what it was: {wrong}.")
    return parallel.entry_of(file["name"], target, sums)
