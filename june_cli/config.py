"""Layered configuration: defaults < files < JUNE_* < flags. Each value remembers where it came from."""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

from june_cli.errors import UsageProblem
from june_cli.paths import Paths, expanded

SYSTEM_FILE = Path("/etc/june/config.toml")
HEADER = re.compile(r"\s*\[\[?\s*([^\]]+?)\s*\]")
T = TypeVar("T")


@dataclass(frozen=True)
class CoreSettings:
    """The section `[june]`: what every command obeys."""

    engine: str = ""
    profile: str = "tiny"


@dataclass(frozen=True)
class Value:
    """One setting, what it is, and the layer that said so: a flag, a variable, a file and line, a default."""

    key: str
    value: Any
    origin: str


@dataclass(frozen=True)
class Layer:
    """One file's sections, with the text kept so that an error can name its line."""

    path: Path
    text: str
    sections: dict[str, Any]

    def where(self, section: str, key: str = "") -> str:
        """`path:line` of a section's header or of a key in it."""
        current = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            header = HEADER.match(line)
            name = line.partition("=")[0].strip(" \t\"'")
            if header:
                current = header[1].replace('"', "").replace(" ", "")
                if not key and (current == section or current.startswith(f"{section}.")):
                    return f"{self.path}:{number}"
            elif (key and current == section and name == key) or (
                not key and not current and name == section
            ):
                return f"{self.path}:{number}"
        return str(self.path)


@dataclass(frozen=True)
class Config:
    """All layers of one run. Sections are validated when somebody asks for them."""

    layers: tuple[Layer, ...]
    environ: Mapping[str, str]
    flags: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(
        cls,
        paths: Paths,
        environ: Mapping[str, str],
        plugins: Sequence[str],
        flags: Mapping[str, Mapping[str, Any]],
    ) -> Config:
        """Read the files there are: the system's, then the user's (or the one `JUNE_CONFIG` names).

        Raises UsageProblem, naming file and line, for TOML that does not parse and for unknown sections.
        """
        named = environ.get("JUNE_CONFIG")
        files = [SYSTEM_FILE, expanded(named) if named else paths.config / "config.toml"]
        if named and not files[1].exists():
            raise UsageProblem("config-missing", f"JUNE_CONFIG names {files[1]}, which is not there.")
        layers = tuple(_read(path, ["june", "profiles", *plugins]) for path in files if path.exists())
        return cls(layers, environ, flags)

    def section(self, name: str, settings: type[T], flags: Mapping[str, Any] | None = None) -> T:
        """One section as its frozen dataclass. `flags` are command line values; None means not given."""
        values = {v.key: v.value for v in self.explain(name, settings, flags)}
        return settings(**values)

    def explain(self, name: str, settings: type[Any], flags: Mapping[str, Any] | None = None) -> list[Value]:
        """Every setting of a section with its value and its origin, validated."""
        kinds = typing.get_type_hints(settings)
        values = {f.name: Value(f.name, _default(f), "default") for f in dataclasses.fields(settings)}
        for layer in self.layers:
            for key, raw in layer.sections.get(name, {}).items():
                if key not in values:
                    raise _unknown(layer.where(name, key), f"setting {key!r} in [{name}]", key, values)
                where = layer.where(name, key)
                values[key] = Value(key, typed(raw, kinds[key], where, key), where)
        for key in values:
            variable = (f"JUNE_{key}" if name == "june" else f"JUNE_{name}_{key}").replace("-", "_").upper()
            if self.environ.get(variable):
                said = _parsed(self.environ[variable], kinds[key], variable, key)
                values[key] = Value(key, said, variable)
        for key, given in {**self.flags.get(name, {}), **(flags or {})}.items():
            if given is not None:
                values[key] = Value(key, given, "--" + key.replace("_", "-"))
        return list(values.values())

    def tables(self, name: str) -> list[tuple[Layer, dict[str, Any]]]:
        """A section as written, per file, for sections that are not a flat list of settings."""
        return [(layer, layer.sections[name]) for layer in self.layers if name in layer.sections]


def _read(path: Path, known: Sequence[str]) -> Layer:
    import tomllib

    try:
        text = path.read_text("utf-8")
        sections = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageProblem(
            "config-invalid", f"{path} is not valid TOML: {error}.", hint=f"mend that line of {path}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem("config-unreadable", f"{path} cannot be read: {error}.") from error
    layer = Layer(path, text, sections)
    for name, content in sections.items():
        if name not in known:
            what = f"section [{name}]" if isinstance(content, dict) else f"setting {name!r} outside a section"
            options = list(known) if isinstance(content, dict) else _core_keys()
            raise _unknown(layer.where(name), what, name, options)
        if not isinstance(content, dict):
            raise UsageProblem("config-invalid", f"{layer.where(name)}: [{name}] must be a section.")
    return layer


def _core_keys() -> list[str]:
    return [f.name for f in dataclasses.fields(CoreSettings)]


def _unknown(where: str, what: str, name: str, options: typing.Iterable[str]) -> UsageProblem:
    near = get_close_matches(name, list(options), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(options))}"
    if "outside a section" in what and near:
        hint += " It belongs under [june]."
    return UsageProblem("config-invalid", f"{where}: unknown {what}.", hint=hint)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _bare(kind: Any) -> Any:
    """`X | None` is configured as X: a value that is set is never None."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return next(k for k in typing.get_args(kind) if k is not type(None))
    return kind


def typed(raw: Any, kind: Any, where: str, key: str) -> Any:
    """A TOML value as the type a dataclass declares; UsageProblem names where it was written."""
    kind = _bare(kind)
    if typing.get_origin(kind) is Literal:
        if raw in typing.get_args(kind):
            return raw
        raise _invalid(where, key, f"one of {', '.join(map(str, typing.get_args(kind)))}", raw)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        if isinstance(raw, list):
            return tuple(typed(one, item, where, key) for one in raw)
        raise _invalid(where, key, "a list", raw)
    if kind is Path and isinstance(raw, str):
        return expanded(raw)
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if type(raw) is kind and not (isinstance(raw, float) and not math.isfinite(raw)):
        return raw
    raise _invalid(where, key, f"of type {kind.__name__}", raw)


def _parsed(text: str, kind: Any, where: str, key: str) -> Any:
    """The text of an environment variable as the type the settings declare."""
    bare = _bare(kind)
    if bare is bool:
        if text.lower() in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            return text.lower() in ("1", "true", "yes", "on")
        raise _invalid(where, key, "true or false", text)
    if bare in (int, float):
        try:
            return typed(bare(text), bare, where, key)
        except ValueError as error:
            raise _invalid(where, key, f"of type {bare.__name__}", text) from error
    if typing.get_origin(bare) is tuple:
        item = typing.get_args(bare)[0]
        parts = [part.strip() for part in text.split(",")]
        return tuple(_parsed(part, item, where, key) for part in parts if part)
    return typed(text, bare, where, key)


def _invalid(where: str, key: str, wanted: str, raw: Any) -> UsageProblem:
    return UsageProblem("config-invalid", f"{where}: {key} must be {wanted}, not {raw!r}.")
