"""`june model add` and `forget`: entries of one's own in the catalog, after checks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from june_cli import files
from june_cli.assistant import weights
from june_cli.errors import UsageProblem
from june_cli.paths import expanded, made
from june_cli.store import catalog
from june_cli.store.catalog import Catalog, Kind, Model
from june_cli.store.hub import COMMIT
from june_model import soundness

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

REPOSITORY = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>\S+)")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


@dataclass(frozen=True)
class Added:
    """The new entry, and the file that holds it."""

    model: str
    file: str
    parameters: int

    def blocks(self) -> list[str]:
        """What was done, and what comes next."""
        return [f"{self.model}: {self.file}", f"next: june model download {self.model}"]


@dataclass(frozen=True)
class Asked:
    """What the person says about the model."""

    source: str
    name: str
    role: str
    loader: str
    licence: str
    quant: str
    parameters: int


def add(june: Invocation, asked: Asked) -> Added:
    """Put a model into the user's catalog. Nothing is fetched or copied yet."""
    if asked.role not in get_args(Kind):
        raise UsageProblem(
            "role-unknown", f"{asked.role!r} is no role.", hint=f"one of {', '.join(get_args(Kind))}"
        )
    remote = REPOSITORY.fullmatch(asked.source)
    path = expanded(asked.source).absolute()
    if path.exists():
        return _write(june, asked, _local(asked, path))
    if remote is None:
        raise UsageProblem(
            "source-unknown",
            f"{asked.source!r} is neither a folder or file that is there nor REPOSITORY@COMMIT.",
            hint="june model add Qwen/Qwen3-8B@<40 hex digits>",
        )
    if not COMMIT.fullmatch(remote["commit"]):
        raise UsageProblem(
            "commit-missing",
            f"{remote['commit']!r} is no commit: branches and tags move, what June trusts must not.",
            hint="the 40 hex digits that the repository's page names under Files, History",
        )
    name = asked.name or remote["repository"].rpartition("/")[2].lower()
    source = {"kind": "hub", "repository": remote["repository"], "revision": remote["commit"]}
    return _write(june, asked, (name, asked.loader or "hf", asked.parameters, source))


def _local(asked: Asked, path: Path) -> tuple[str, str, int, dict[str, object]]:
    soundness.require_safe(path)
    if path.is_dir():
        soundness.require_consistent(path)
    count = asked.parameters or weights.parameters(path)
    gguf = path.suffix == ".gguf" or any(path.glob("*.gguf"))
    name = asked.name or (path.stem if path.is_file() else path.name).lower()
    return name, asked.loader or ("gguf" if gguf else "hf"), count, {"kind": "local", "path": str(path)}


def _write(june: Invocation, asked: Asked, found: tuple[str, str, int, dict[str, object]]) -> Added:
    name, loader, parameters, source = found
    if not NAME.fullmatch(name):
        raise UsageProblem("name-invalid", f"{name!r} is no name for a model.", hint="--name my-model")
    if name in Catalog.load().models:
        raise UsageProblem("name-taken", f"June ships a model {name!r}.", hint=f"--name my-{name}")
    model = Model(
        name=name,
        summary=f"added from {asked.source}",
        role=asked.role,
        loader=loader,
        revision=catalog.UNPINNED,
        licence=asked.licence,
        parameters=parameters,
        sources=(),
        quant=asked.quant,
    )
    return Added(name, str(enter(june, model, source)), parameters)


def enter(june: Invocation, model: Model, source: Mapping[str, object]) -> Path:
    """Write an entry into the user's catalog: its file, which a dry run only names."""
    entry = {
        "summary": model.summary,
        "role": model.role,
        "loader": model.loader,
        "licence": model.licence,
        "parameters": model.parameters,
        **({"quant": model.quant} if model.quant else {}),
    }
    name, file = _toml(model.name), june.paths.config / catalog.FOLDER / f"{model.name}.toml"
    lines = [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in entry.items())]
    lines += [f"[[{name}.sources]]", *(f"{key} = {_toml(value)}" for key, value in source.items())]
    if not june.words.dry_run:
        made(file.parent)
        files.write(file, ("\n".join(lines) + "\n").encode())
        Catalog.load(june.paths).get(model.name)  # it can be read back
    return file


def _toml(value: object) -> str:
    """A TOML value: its basic strings and integers are those of JSON."""
    return json.dumps(value, ensure_ascii=True)
