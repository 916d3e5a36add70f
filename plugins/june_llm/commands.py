"""`june llm`: the language model's server, described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from june_cli.output import Table

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(help="The language model's server; talk to it with june chat.", no_args_is_help=True)


@dataclass(frozen=True)
class Info:
    """The model of the profile's llm role."""

    profile: str
    model: str
    summary: str
    parameters: int
    quant: str
    licence: str
    path: str

    def blocks(self) -> list[Table]:
        """A row a fact."""
        return [Table(("", ""), [(key, str(value)) for key, value in vars(self).items()])]


@app.command()
def info(ctx: typer.Context) -> object:
    """Show which model answers, and where it lies."""
    june: Invocation = ctx.obj
    roles = june.roles
    model, role = roles.model("llm"), roles.role("llm")
    if model is None:
        return Info(
            roles.profile, roles.model_name("llm"), "a model of your own", 0, role.quant, "", role.path
        )
    folder = str(model.folder(roles.models))
    return Info(
        roles.profile, model.name, model.summary, model.parameters, model.quant, model.licence, folder
    )
