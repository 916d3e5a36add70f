"""`june model list` and `show`: what the catalog offers, and what of it is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from june_cli.output import Table
from june_cli.planning import machine as machines
from june_cli.store import catalog
from june_cli.store.catalog import HubSource, Model, PackageSource, UrlSource
from june_model import shelf, weighing

if TYPE_CHECKING:
    from june_cli.invocation import Invocation


@dataclass(frozen=True)
class Row:
    """One model. state: here, partial, fetching, corrupt or missing; `fits`: yes, no or why that is open."""

    name: str
    role: str
    state: str
    bytes: int
    parameters: int
    quant: str
    licence: str
    revision: str
    in_use: Sequence[str]
    profiles: Sequence[str]
    fits: str
    summary: str


@dataclass(frozen=True)
class Models:
    """The catalog, with what the store holds of it."""

    models: Sequence[Row]

    def blocks(self) -> list[str | Table]:
        """A row a model, and what they take together."""
        rows = [
            (
                m.name,
                m.role,
                m.state + (f", used by {', '.join(m.in_use)}" if m.in_use else ""),
                size(m.bytes),
                m.quant,
                m.fits,
                m.licence,
                ", ".join(m.profiles),
            )
            for m in self.models
        ]
        names = ("model", "role", "state", "size", "quant", "fits here", "licence", "profiles")
        here = [m for m in self.models if m.state == "here"]
        total = f"{len(here)} of {len(self.models)} are here, {size(sum(m.bytes for m in here)) or '0 MB'}"
        return [Table(names, rows), total]


@dataclass(frozen=True)
class Shown:
    """Everything known of one model."""

    model: Mapping[str, Any]
    state: str
    why: str
    folder: str
    bytes: int
    in_use: Sequence[str]
    profiles: Sequence[str]

    def blocks(self) -> list[Table]:
        """A row a fact."""
        facts = [
            (key, str(value))
            for key, value in self.model.items()
            if key not in ("sources", "files") and value not in ("", (), [], {}, 0)
        ]
        facts += [("source", _source(source)) for source in self.model["sources"]]
        facts += [("files", str(len(self.model["files"]) or "not known before the first download"))]
        facts += [("state", f"{self.state}{f' ({self.why})' if self.why else ''}"), ("folder", self.folder)]
        facts += [("size", size(self.bytes))] if self.bytes else []
        facts += [("used by", ", ".join(self.in_use))] if self.in_use else []
        facts += [("profiles", ", ".join(self.profiles))] if self.profiles else []
        return [Table(("", ""), facts)]


def models(june: Invocation, role: str | None, *, here: bool) -> Models:
    """The catalog's models, of one role if asked, only those that are here if asked."""
    used, profiles, machine = shelf.users(june), shelf.profiles_of(june), machines.here()
    rows = []
    for model in june.roles.catalog.models.values():
        held = shelf.held(model, june.paths.models)
        if (role and model.role != role) or (here and held.state == "missing"):
            continue
        rows.append(
            Row(
                name=model.name,
                role=model.role,
                state=held.state,
                bytes=held.bytes or model.size,
                parameters=model.parameters,
                quant=model.quant,
                licence=model.licence + ("" if model.commercial else " (non-commercial)"),
                revision=model.revision,
                in_use=used.get(model.name, ()),
                profiles=profiles.get(model.name, ()),
                fits=weighing.verdict(model, june, machine),
                summary=model.summary,
            )
        )
    return Models(rows)


def show(june: Invocation, name: str) -> Shown:
    """One model. UsageProblem offers the nearest name."""
    model = june.roles.catalog.get(name)
    held = shelf.held(model, june.paths.models)
    return Shown(
        model=_plain(model),
        state=held.state,
        why=held.why,
        folder=str(model.folder(june.paths.models)),
        bytes=held.bytes or model.size,
        in_use=shelf.users(june).get(name, ()),
        profiles=shelf.profiles_of(june).get(name, ()),
    )


def _plain(model: Model) -> dict[str, Any]:
    data = catalog.as_data(model)
    return {**data, "files": [asdict(file) for file in model.files]}


def _source(source: Mapping[str, Any]) -> str:
    values = {key: value for key, value in source.items() if key != "kind"}
    made = catalog.SOURCES[source["kind"]](**values)
    if isinstance(made, HubSource):
        return f"hub repository {made.repository} at {made.revision}"
    if isinstance(made, PackageSource):
        return f"package {made.name} {made.version}"
    return made.url if isinstance(made, UrlSource) else made.path


def size(count: int) -> str:
    """Bytes for people; empty for none."""
    if not count:
        return ""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
