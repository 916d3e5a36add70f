"""The authorized catalog of models, as data: what June ships, what its user added, what downloads pinned."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from june_cli import nearest
from june_cli.errors import UsageProblem
from june_cli.store import pins

if TYPE_CHECKING:
    from june_cli.paths import Paths

UNPINNED = "unpinned"
OWN, FOLDER = "models.toml", "models.d"  # what the user adds, in the folder of the configuration
Kind = Literal["llm", "stt", "tts", "vad", "compress", "data"]
# What a repository of weights is wanted for: no second copy in another format, nothing that runs.
WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer*", "*.model", "LICENSE*", "README.md")


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
    """A repository on a model hub, at a commit of 40 hex digits or `unpinned`; `include` are globs."""

    repository: str
    revision: str = UNPINNED
    include: tuple[str, ...] = WANTED


@dataclass(frozen=True)
class UrlSource:
    """One file on the web: the model itself, or with `unpack` a zip of its files.

    Without a sha256 it is unpinned: the first download records what it got.
    """

    url: str
    sha256: str = ""
    bytes: int = 0
    unpack: bool = False


@dataclass(frozen=True)
class LocalSource:
    """A folder or a file of this machine, copied into the store."""

    path: str


Source = PackageSource | HubSource | UrlSource | LocalSource
SOURCES: Mapping[str, type[PackageSource] | type[HubSource] | type[UrlSource] | type[LocalSource]] = {
    "package": PackageSource,
    "hub": HubSource,
    "url": UrlSource,
    "local": LocalSource,
}


@dataclass(frozen=True)
class File:
    """One file of a model: its name in the store, where the source has it, its size and checksum."""

    name: str
    member: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Model:
    """One model that may be fetched and served.

    `revision` names its folder in the store: a commit, a version, or `unpinned` until the first download.
    `terms` says what somebody has to accept first; `capability` is the least compute capability of a GPU;
    `shape` are the numbers of its config.json that a plan needs before that file is here.
    """

    name: str
    summary: str
    role: str
    loader: str
    revision: str
    licence: str
    parameters: int
    sources: tuple[Source, ...]
    files: tuple[File, ...] = ()
    quant: str = ""
    formats: tuple[str, ...] = ()
    capability: str = ""
    commercial: bool = True
    terms: str = ""
    bytes: int = 0  # of all its files, as far as that is known before a download
    shape: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "shipped"

    @property
    def source(self) -> Source:
        """Where it is looked for first."""
        return self.sources[0]

    @property
    def pinned(self) -> bool:
        """Whether it is known which bytes a download has to bring."""
        return self.revision != UNPINNED

    @property
    def size(self) -> int:
        """Bytes on the disk: of its files where they are known, else what the catalog says."""
        return sum(file.bytes for file in self.files) or self.bytes

    def folder(self, models: Path) -> Path:
        """Where this revision lies in a store."""
        return models / self.name / self.revision


@dataclass(frozen=True)
class Catalog:
    """Models by name."""

    models: Mapping[str, Model]

    @classmethod
    def load(cls, paths: Paths | None = None) -> Catalog:
        """What June ships; with `paths`, what the user added over it, and the pins of earlier downloads.

        UsageProblem names the file and the entry that cannot be used.
        """
        shipped = files("june_cli.store").joinpath("models.toml").read_text("utf-8")
        found = {name: _model(name, entry, "shipped") for name, entry in tomllib.loads(shipped).items()}
        if paths is None:
            return cls(found)
        for path in added(paths.config):
            found |= {name: _model(name, entry, str(path)) for name, entry in _read(path).items()}
        known = pins.read(paths.models)
        return cls({name: _pinned(model, known.get(name)) for name, model in found.items()})

    def get(self, name: str) -> Model:
        """One model; UsageProblem offers the nearest name."""
        if name in self.models:
            return self.models[name]
        hint = nearest.hint(name, sorted(self.models))
        raise UsageProblem("model-unknown", f"the catalog has no model {name!r}.", hint=hint)


def added(config: Path) -> list[Path]:
    """The files that add to the catalog: one written by hand, and one for each `june model add`."""
    return [path for path in (config / OWN, *sorted((config / FOLDER).glob("*.toml"))) if path.is_file()]


def as_data(model: Model) -> dict[str, Any]:
    """A model as JSON can carry it; `from_data` makes it again."""
    kinds = {kind: name for name, kind in SOURCES.items()}
    sources = [{"kind": kinds[type(source)], **dataclasses.asdict(source)} for source in model.sources]
    return {**dataclasses.asdict(model), "sources": sources}


def from_data(data: Mapping[str, Any]) -> Model:
    """The model that `as_data` made this of."""
    entry = dict(data)
    return _model(entry.pop("name"), entry, entry.pop("origin"))


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageProblem("catalog-invalid", f"{path} cannot be read: {error}.") from error


def _model(name: str, entry: Any, origin: str) -> Model:
    try:
        values = dict(entry)
        sources = values.pop("sources", None) or [values.pop("source")]
        made = tuple(_source(dict(source)) for source in sources)
        own = tuple(File(**file) for file in values.pop("files", ()))
        values |= {key: tuple(values[key]) for key in ("formats",) if key in values}
        values.setdefault("revision", _revision(made[0]))
        values.setdefault("summary", name)
        model = Model(name=name, sources=made, files=own, origin=origin, **values)
        if model.role not in get_args(Kind):
            raise ValueError(f"role is {model.role!r}, not one of {', '.join(get_args(Kind))}")
        if not name or set(name) & set("/\\\0") or name.startswith("."):
            raise ValueError("its name must be fit for a folder")
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        raise UsageProblem("catalog-invalid", f"{origin}: model {name!r} cannot be used: {why}.") from error
    return model


def _source(values: dict[str, Any]) -> Source:
    kind = values.pop("kind")
    if kind not in SOURCES:
        raise ValueError(f"a source of kind {kind!r}; known: {', '.join(SOURCES)}")
    made: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    return SOURCES[kind](**made)


def _revision(source: Source) -> str:
    if isinstance(source, HubSource):
        return source.revision
    if isinstance(source, UrlSource):
        return source.sha256[:12] or UNPINNED
    return source.version if isinstance(source, PackageSource) else UNPINNED


def _pinned(model: Model, pin: pins.Pin | None) -> Model:
    """The model as its first download found it, where the catalog itself leaves that open."""
    if pin is None or (model.pinned and model.revision != pin.revision):
        return model
    own = tuple(File(f.name, f.name, f.bytes, f.sha256) for f in pin.files)
    return replace(model, revision=pin.revision, files=model.files or own)
