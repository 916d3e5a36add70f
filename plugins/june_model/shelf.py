"""What the store holds of each model of the catalog, and who uses it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from june_cli.engine.locks import docker_might_run
from june_cli.errors import JuneError
from june_cli.files import tree_bytes
from june_cli.roles import ROLES
from june_cli.store import where
from june_cli.store.catalog import Model

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

State = Literal["here", "partial", "fetching", "corrupt", "missing"]


@dataclass(frozen=True)
class Held:
    """A model as the store holds it: bytes on the disk, and why it is corrupt."""

    state: State
    bytes: int = 0
    why: str = ""


def held(model: Model, models: Path) -> Held:
    """Looked at from outside: sizes and times, no checksum."""
    folder, partial = model.folder(models), models / f".{model.name}.partial"
    if (folder / where.MANIFEST).exists():
        why = where.damage(folder, rehash=False)
        return Held("corrupt" if why else "here", recorded_bytes(folder), why)
    if partial.exists():
        busy = being_written(models, model.name)
        return Held("fetching" if busy else "partial", tree_bytes(partial))
    return Held("missing")


def recorded_bytes(folder: Path) -> int:
    """What the manifest says that the files of a model take."""
    try:
        content = json.loads((folder / where.MANIFEST).read_text("utf-8"))
        return sum(int(file["bytes"]) for file in content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return tree_bytes(folder)


def being_written(models: Path, name: str) -> bool:
    """Whether a june that lives holds the model's lock."""
    try:
        with (models / f".{name}.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def users(june: Invocation) -> Mapping[str, Sequence[str]]:
    """Which running services use which model. A Docker Engine is asked only where it may run something."""
    found: dict[str, list[str]] = {}
    engines = ["process"]
    if any(docker_might_run(june.paths.state, role) for role in ROLES):
        engines.append("docker")
    for name in engines:
        engine = june.engine_named(name)
        try:
            running = [engine.find(service) for service in engine.names()]
        except JuneError as error:
            june.out.remark(f"What runs in Docker is not known: {error.message}")
            continue
        for one in running:
            if one:
                found.setdefault(one.model, []).append(one.service)
    return found


def profiles_of(june: Invocation) -> Mapping[str, Sequence[str]]:
    """Which profiles name which model."""
    found: dict[str, list[str]] = {}
    for profile, names in june.roles.everyone.items():
        for name in names:
            found.setdefault(name, []).append(profile)
    return found
