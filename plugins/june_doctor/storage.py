"""Checks of the model store and of the folder where June keeps its state."""

from __future__ import annotations

import fcntl
import os
import shlex
from pathlib import Path

from june_cli.checks import Finding, Host, fails, fine, note
from june_cli.store import where, writer
from june_cli.store.catalog import Model, PackageSource

ELSEWHERE = 'export MODEL_CACHE_DIR="$HOME/june-models"'
HOME_ELSEWHERE = 'export JUNE_HOME="$HOME/june"'


def store(host: Host) -> Finding:
    """Only fetching writes there: a read-only store that holds every model is a good one."""
    folder = host.paths.models
    amiss = _amiss(folder)
    if amiss and os.access(folder, os.R_OK | os.X_OK) and not _missing(host):
        return note(f"{folder} cannot be written, and holds all that the profile needs")
    if amiss:
        return fails(f"{folder} {amiss}", _may_write(folder, ELSEWHERE), safe=_own(folder))
    if not folder.exists():
        return note(f"{folder} is made with the first model", _make(folder), safe=True)
    return fine(str(folder))


def present(host: Host) -> Finding:
    """What is missing or damaged is fetched on first use, which needs the network."""
    lost = [folder for folder in host.needs.folders if not folder.is_dir()]
    if lost:
        return fails(
            f"the profile names {lost[0]}, and there is no such folder", f"{host.needs.june} config show"
        )
    damaged = []
    for model in host.needs.models:
        problem = where.damage(model.folder(host.paths.models))
        if problem and (model.folder(host.paths.models) / where.MANIFEST).exists():
            damaged.append(f"{model.name} is damaged ({problem})")
    missing = [
        f"{model.name} ({f'{_bytes(model) / 1e6:.0f} MB' if _bytes(model) else 'of unknown size'})"
        for model in _missing(host)
    ]
    if damaged or missing:
        return note("; ".join([*damaged, *missing]) + ": fetched on first use")
    return fine(", ".join(model.name for model in host.needs.models) or "none is asked for")


def disk(host: Host) -> Finding:
    """Half a model is of no use: ask before the download, not in the middle of it."""
    folder = host.paths.models
    free = host.free_bytes(_nearest(folder))
    if free is None:
        return note(f"how much is free in {folder} cannot be told")
    missing = [model for model in _missing(host) if _bytes(model)]
    needed = sum(_bytes(model) for model in missing) + (writer.SLACK_BYTES if missing else 0)
    shown = f"{free / 1e9:.1f} GB are free"
    if free < needed:
        return fails(
            f"{shown} in {folder}, and the models still to fetch need {needed / 1e9:.1f} GB", ELSEWHERE
        )
    return fine(f"{shown}, {needed / 1e9:.1f} GB are still needed" if needed else shown)


def partial(host: Host) -> Finding:
    """What a download that broke off has so far. The lock says whether it still goes on."""
    folder = host.paths.models
    for left in sorted(folder.glob(".*.partial")):
        name = left.name.removeprefix(".").removesuffix(".partial")
        if not _held(left.with_suffix(".lock")):
            fix = f"{host.needs.june} model download {shlex.quote(name)}"
            return note(f"a download of {name} broke off; it goes on, or june model gc removes it", fix)
    return fine("none")


def state(host: Host) -> Finding:
    """Logs hold what people said, so nobody else may read them."""
    folder = host.paths.state
    amiss = _amiss(folder)
    if amiss:
        return fails(f"{folder} {amiss}", _may_write(folder, HOME_ELSEWHERE), safe=_own(folder))
    if folder.exists() and folder.stat().st_mode & 0o077:
        words = ["chmod", "700", str(folder)]
        return note(f"{folder} can be read by others on this machine", shlex.join(words), safe=True)
    return fine(str(folder))


def _amiss(folder: Path) -> str:
    """Why nothing can be written to a folder, or the folder not be made; empty when it can."""
    if folder.is_dir():
        return "" if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else "cannot be written by you"
    if folder.exists():
        return "is no folder"
    near = _nearest(folder)
    return "" if near.is_dir() and os.access(near, os.W_OK | os.X_OK) else f"cannot be made in {near}"


def _nearest(folder: Path) -> Path:
    """The folder itself or the nearest one above it that is there."""
    return next((path for path in (folder, *folder.parents) if os.path.lexists(path)), Path("/"))


def _own(folder: Path) -> bool:
    return folder.is_dir() and folder.stat().st_uid == os.getuid()


def _may_write(folder: Path, elsewhere: str) -> str:
    if _own(folder):
        return shlex.join(["chmod", "u+rwx", str(folder)])
    return f'sudo chown -R "$USER" {shlex.quote(str(folder))}' if folder.is_dir() else elsewhere


def _make(folder: Path) -> str:
    return shlex.join(["mkdir", "-p", "-m", "700", str(folder)])


def _missing(host: Host) -> list[Model]:
    """Models that are not in the store. That they are whole is another check's: it may read gigabytes."""
    folder = host.paths.models
    return [m for m in host.needs.models if not (m.folder(folder) / where.MANIFEST).exists()]


def _bytes(model: Model) -> int:
    """What fetching it takes on the disk; zero where that is not known before the first download."""
    archive = model.source.bytes if isinstance(model.source, PackageSource) else 0
    return archive + model.size


def _held(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
