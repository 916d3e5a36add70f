"""`june doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from june_cli.errors import UsageProblem

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer()


@app.command()
def doctor(
    ctx: typer.Context,
    fix: Annotated[
        bool, typer.Option("--fix", help="Offer to run the safe ones: nothing needs root or leaves June.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: run them without asking.")] = False,
) -> object:
    """Check this machine for the profile in use; every failure names the command that mends it.

    Ends with 5 when something that the profile needs is not ready.
    """
    if yes and not fix:
        raise UsageProblem("usage", "--yes belongs to --fix.", hint="june doctor --fix --yes")
    from june_doctor import diagnosis, mending

    june: Invocation = ctx.obj
    if fix:
        return mending.mend(june, yes=yes)
    return diagnosis.planned(june) if june.words.dry_run else diagnosis.diagnose(june)
