"""`june plugin`: list and new."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from june_cli.errors import JuneError
from june_cli.output import Table
from june_cli.plugins import Plugin, everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from june_cli.invocation import Invocation

app = typer.Typer(help="Plugins: list them, or begin one of your own.", no_args_is_help=True)
PARTS = (("commands", "app"), ("services", "SERVICES"), ("settings", "Settings"), ("checks", "CHECKS"))


@dataclass(frozen=True)
class Listed:
    """One plugin. state: ok, broken (see error), or shadowed by one that holds the same word."""

    name: str
    state: Literal["ok", "broken", "shadowed"]
    version: str
    origin: str
    summary: str
    load_s: float
    error: str = ""


@dataclass(frozen=True)
class Plugins:
    """All plugins installed."""

    plugins: Sequence[Listed]

    def blocks(self) -> list[str | Table]:
        """A row a plugin, then what is wrong with the broken ones."""
        rows = [
            (p.name, p.state, f"{p.origin} {p.version}", f"{1000 * p.load_s:.0f} ms", p.summary)
            for p in self.plugins
        ]
        errors = [f"{p.name}: {p.error}" for p in self.plugins if p.error]
        return [Table(("plugin", "state", "from", "load", "summary"), rows), *errors]


@app.command("list")
def list_(ctx: typer.Context) -> object:
    """List every plugin: state, origin, load time."""
    june: Invocation = ctx.obj
    listed = [_listed(plugin) for plugin in everything()]
    return listed if june.out.json else Plugins(listed)


def _listed(plugin: Plugin) -> Listed:
    state: Literal["ok", "broken", "shadowed"] = "ok"
    error = ""
    if plugin.shadowed_by:
        state, error = "shadowed", f"the word belongs to {plugin.shadowed_by}"
    else:
        try:
            found = [plugin.part(module, attribute) for module, attribute in PARTS]
            if not isinstance(found[0], typer.Typer):
                state, error = "broken", "it has no commands.py with a Typer called `app`"
        except JuneError as problem:
            state, error = "broken", problem.message
    load_s = sum(plugin.seconds.values())
    return Listed(plugin.name, state, plugin.version, plugin.distribution, plugin.summary, load_s, error)


@app.command()
def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The word it adds to june: letters, digits and dashes.")],
    folder: Annotated[Path | None, typer.Option("-o", "--output", help="Where; default ./june-NAME.")] = None,
) -> object:
    """Write a working plugin with its test."""
    from june_plugin.template import write

    june: Invocation = ctx.obj
    return write(name, folder, list(june.known), dry_run=june.words.dry_run)
