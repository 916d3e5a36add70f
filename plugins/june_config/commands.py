"""`june config`: show and path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from june_cli.config import SYSTEM_FILE, CoreSettings, Value
from june_cli.errors import JuneError, UsageProblem
from june_cli.output import Table

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(
    help="Configuration: every setting, its value, and where it came from.", no_args_is_help=True
)


def _sections(ctx: typer.Context, incomplete: str) -> list[str]:
    june: Invocation = ctx.find_root().obj
    return [name for name in ["june", *june.known] if name.startswith(incomplete)]


@dataclass(frozen=True)
class Section:
    """One section's settings."""

    section: str
    settings: tuple[Value, ...]


@dataclass(frozen=True)
class Shown:
    """All sections; `broken` names plugins whose settings could not be loaded, with the reason."""

    sections: tuple[Section, ...]
    broken: dict[str, str]

    def blocks(self) -> list[str | Table]:
        """A row a setting."""
        rows = [(f"{s.section}.{v.key}", _text(v.value), v.origin) for s in self.sections for v in s.settings]
        notes = [f"plugin {name} could not be asked: {reason}" for name, reason in self.broken.items()]
        return [Table(("setting", "value", "from"), rows), *notes]


@dataclass(frozen=True)
class Files:
    """Where June looks, in order; later files win."""

    system: str
    user: str
    models: str
    state: str
    runs: str

    def blocks(self) -> list[Table]:
        """A row a place."""
        return [Table(("place", "path"), list(vars(self).items()))]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value) or '""'


@app.command()
def show(
    ctx: typer.Context,
    section: Annotated[str | None, typer.Argument(help="Only this one.", autocompletion=_sections)] = None,
) -> object:
    """Show every setting with its value and its origin."""
    june: Invocation = ctx.obj
    if section is not None and section != "june" and section not in june.known:
        raise UsageProblem(
            "section-unknown",
            f"there is no section [{section}].",
            hint=f"known: june, {', '.join(june.known)}",
        )
    found = (
        [Section("june", tuple(june.config.explain("june", CoreSettings)))]
        if section in (None, "june")
        else []
    )
    broken: dict[str, str] = {}
    for name, plugin in june.known.items():
        if section not in (None, name):
            continue
        try:
            settings = plugin.part("settings", "Settings")
        except JuneError as error:
            broken[name] = error.message
            continue
        if settings:
            found.append(Section(name, tuple(june.config.explain(name, settings))))
    if section is None:
        _ = june.roles  # validates [profiles] too, so that a typo there is shown by this command
    return Shown(tuple(found), broken)


@app.command()
def path(ctx: typer.Context) -> object:
    """Show which files and folders June uses."""
    june: Invocation = ctx.obj
    paths = june.paths
    user = june.environ.get("JUNE_CONFIG") or str(paths.config / "config.toml")
    return Files(str(SYSTEM_FILE), user, str(paths.models), str(paths.state), str(paths.runs))
