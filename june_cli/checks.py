"""What a check is: a function that says whether something is ready, and the one command that mends it.

A plugin offers its checks in `checks.py` as CHECKS, a tuple of Check; `june doctor` runs those of every
plugin. A check asks this machine through Host alone, so a test hands it recorded answers instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from june_cli.errors import JuneError

if TYPE_CHECKING:
    from june_cli.gpu import Tool
    from june_cli.paths import Paths
    from june_cli.plugins import Plugin
    from june_cli.spec import Service
    from june_cli.store.catalog import Model

# ok: ready · note: ready, and worth a remark · unneeded: not ready, and this profile does without
# fails: not ready · unknown: cannot be told until something else is mended
Mark = Literal["ok", "note", "unneeded", "fails", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What a check found. Made by `fine`, `note`, `fails` or `unknown`.

    `fix` is one command line. `safe` says that `june doctor --fix` may run it once the person agrees: it is a
    plain program with its words, no shell, no sudo, and touches June's own folders and services alone.
    """

    mark: Mark
    message: str
    fix: str = ""
    safe: bool = False

    @property
    def ok(self) -> bool:
        """Whether June can do without anybody mending anything."""
        return self.mark not in ("fails", "unknown")

    def where(self, needed: bool, otherwise: str) -> Finding:
        """The same where it is needed; elsewhere what is amiss is no more than a remark, `otherwise`."""
        if needed or self.mark == "ok":
            return self
        return Finding("unneeded", otherwise if self.mark == "unknown" else f"{otherwise} ({self.message})")


def fine(message: str) -> Finding:
    """All is well."""
    return Finding("ok", message)


def note(message: str, fix: str = "", *, safe: bool = False) -> Finding:
    """June works, and somebody may want to know this."""
    return Finding("note", message, fix, safe)


def fails(message: str, fix: str, *, safe: bool = False) -> Finding:
    """June, or some of its commands, cannot work until `fix` was run."""
    return Finding("fails", message, fix, safe)


def unknown(message: str, fix: str) -> Finding:
    """It cannot be told, because of something that another check explains and `fix` mends."""
    return Finding("unknown", message, fix)


@dataclass(frozen=True)
class Needs:
    """What the profile of this run asks of a machine.

    `services` by role, as this engine runs them; `cuda` the roles for a GPU with their quantization;
    `problems` the roles that cannot be served at all. `june` begins a command that means the same profile.
    """

    profile: str
    engine: str
    services: Mapping[str, Service] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    folders: tuple[Path, ...] = ()  # models of one's own, outside the store
    cuda: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, JuneError] = field(default_factory=dict)
    june: str = "june"

    @property
    def docker(self) -> bool:
        """Whether anything runs in containers."""
        return self.engine == "docker"


@dataclass(frozen=True)
class Listener:
    """Who listens on a port. `service`: it is one of this June's own; `stale`: nobody uses it any more."""

    who: str
    service: str = ""
    stale: bool = False


@dataclass(frozen=True)
class Host:
    """What a check may ask. Answers are remembered for one run, so many checks may ask the same.

    `tool` runs a program: MachineLacks `program-missing`, JuneError `timeout`. `docker` is what the Docker
    Engine says of itself, or the MachineLacks of engine/daemon.py. `free_bytes` is None for a place that
    cannot be seen from here. System files are read below `root`.
    """

    environ: Mapping[str, str]
    paths: Paths
    needs: Needs
    tool: Tool
    docker: Callable[[], Mapping[str, Any]]
    listeners: Callable[[], Mapping[int, Listener]]
    free_bytes: Callable[[Path], int | None]
    now: Callable[[], float]
    root: Path = Path("/")

    def read(self, path: str) -> str:
        """A system file; empty where there is none to read."""
        try:
            return (self.root / path.lstrip("/")).read_text("utf-8", "replace")
        except OSError:
            return ""

    def glob(self, pattern: str) -> list[str]:
        """System files that match, as absolute paths."""
        found = sorted(self.root.glob(pattern.lstrip("/")))
        return [f"/{path.relative_to(self.root)}" for path in found]


@dataclass(frozen=True)
class Check:
    """One question about this machine. `id` is stable and meant for scripts: `docker.answers`.

    `run` is called in a thread of its own beside all others; after `limit_s` nobody waits for it any more.
    """

    id: str
    summary: str
    run: Callable[[Host], Finding]
    limit_s: float = 15.0


@dataclass(frozen=True)
class Offered:
    """A check and the distribution that ships it: whom to blame when it raises."""

    check: Check
    distribution: str


def offered(plugins: Iterable[Plugin]) -> list[Offered]:
    """The checks of every plugin, in order. A plugin that cannot be asked becomes a check that fails."""
    found: dict[str, Offered] = {}
    for plugin in plugins:
        try:
            checks = list(_checked(plugin, found))
        except JuneError as error:
            checks = [_broken(plugin, error.message)]
        for check in checks:
            found.setdefault(check.id, Offered(check, plugin.distribution))
    return list(found.values())


def _checked(plugin: Plugin, taken: Mapping[str, Offered]) -> Iterator[Check]:
    checks = plugin.part("checks", "CHECKS", ())
    if not isinstance(checks, tuple) or not all(isinstance(check, Check) for check in checks):
        raise JuneError("plugin-broken", f"CHECKS of plugin {plugin.name!r} is no tuple of Check.")
    ids = [check.id for check in checks]
    twice = sorted({i for i in ids if i in taken or ids.count(i) > 1})
    if twice:
        raise JuneError("plugin-broken", f"plugin {plugin.name!r} offers a second check {twice[0]!r}.")
    yield from checks


def _broken(plugin: Plugin, message: str) -> Check:
    finding = fails(message.rstrip("."), f"pip install --upgrade {plugin.distribution}")
    return Check(f"plugin.{plugin.name}", "The plugin's checks can be asked.", lambda _: finding)
