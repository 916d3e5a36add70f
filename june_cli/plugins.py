"""Finds plugins by entry point and lists them without importing their commands."""

from __future__ import annotations

import ast
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import Distribution, EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from june_cli.errors import JuneError

GROUP = "june.plugins"
OWN_DISTRIBUTION = "june-cli"


class BrokenPlugin(JuneError):
    """A plugin failed to import. Its own command says so; nothing else is affected."""

    def __init__(self, plugin: Plugin, error: BaseException) -> None:
        super().__init__(
            "plugin-broken",
            f"plugin {plugin.name!r} ({plugin.origin}) cannot be loaded: {type(error).__name__}: {error}",
            hint=f"update or remove it: pip install --upgrade {plugin.distribution}, "
            f"or pip uninstall {plugin.distribution}",
        )


@dataclass(frozen=True)
class Plugin:
    """One word of `june`, and the package that adds it. Nothing is imported until `part` is asked."""

    name: str
    package: str
    distribution: str
    version: str
    shadowed_by: str = ""
    seconds: dict[str, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def origin(self) -> str:
        """Who ships it, with the version."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def own(self) -> bool:
        """Whether it came with June itself."""
        return self.distribution == OWN_DISTRIBUTION

    @property
    def folder(self) -> Path | None:
        """Where the package lies, found without importing it; None when it cannot be found."""
        try:
            spec = find_spec(self.package) if "." not in self.package else None
        except (ImportError, ValueError):
            return None
        return Path(spec.origin).parent if spec and spec.origin else None

    @property
    def summary(self) -> str:
        """The first line of the package's docstring, read from its source, so a broken one still has it."""
        try:
            source = (self.folder or Path("/nonexistent")).joinpath("__init__.py").read_text("utf-8")
            docstring = ast.get_docstring(ast.parse(source)) or ""
        except (OSError, SyntaxError, ValueError):
            return "(broken: no summary to read)"
        return docstring.partition("\n")[0]

    def part(self, module: str, attribute: str, default: Any = None, *, may_lack: bool = False) -> Any:
        """Import `package.module` and return one attribute; `default` when the plugin has no such module.

        BrokenPlugin when the module is there but does not import, or lacks the attribute unless it may.
        """
        folder = self.folder
        if folder and not (folder / f"{module}.py").exists() and not (folder / module).is_dir():
            return default
        started = time.perf_counter()
        try:
            imported = import_module(f"{self.package}.{module}")
            return getattr(imported, attribute, default) if may_lack else getattr(imported, attribute)
        except (KeyboardInterrupt, JuneError):
            raise
        except BaseException as error:
            raise BrokenPlugin(self, error) from error
        finally:
            self.seconds[module] = time.perf_counter() - started


def found(dists: Iterable[Distribution] | None = None) -> dict[str, Plugin]:
    """Every plugin that holds its word, by word. June's own win over others of the same name."""
    return {p.name: p for p in everything(dists) if not p.shadowed_by}


def everything(dists: Iterable[Distribution] | None = None) -> list[Plugin]:
    """Every plugin installed, the shadowed ones included, sorted by word."""
    seen: set[tuple[str, str]] = set()
    entries = []
    for dist in distributions() if dists is None else dists:
        for entry in _declared(dist):
            name = dist.name or "?"
            if (entry.name, name) not in seen:  # the same distribution can stand on sys.path twice
                seen.add((entry.name, name))
                entries.append((name != OWN_DISTRIBUTION, entry, name, dist.version))
    plugins: dict[str, Plugin] = {}
    shadowed = []
    for _, entry, dist_name, version in sorted(entries, key=lambda item: (item[1].name, item[0], item[2])):
        holder = plugins.get(entry.name)
        plugin = Plugin(entry.name, entry.value, dist_name, version, holder.distribution if holder else "")
        if holder:
            shadowed.append(plugin)
        else:
            plugins[entry.name] = plugin
    return sorted([*plugins.values(), *shadowed], key=lambda p: (p.name, p.shadowed_by))


def _declared(dist: Distribution) -> list[EntryPoint]:
    """Only distributions that mention the group are parsed: reading them all costs tens of milliseconds."""
    text = dist.read_text("entry_points.txt") or ""
    if GROUP not in text:
        return []
    return [entry for entry in dist.entry_points if entry.group == GROUP]
