"""`june serve`: start, stop, status, logs and restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(help="Services: start them and leave them running, watch, stop.")


def _names(ctx: typer.Context, incomplete: str) -> list[str]:
    june: Invocation = ctx.find_root().obj
    return [role for role in june.roles.roles if role.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(help="stt, llm, tts; default: all of the profile.", autocompletion=_names),
]


@app.callback(invoke_without_command=True)
def serve(ctx: typer.Context) -> object:
    """Without a word after it: start."""
    if ctx.invoked_subcommand is None:
        return start(ctx, None)
    return None


@app.command()
def start(ctx: typer.Context, services: Names = None) -> object:
    """Start services together and leave them running; return when they are ready."""
    from june_serve.control import start_all

    return start_all(ctx.obj, services)


@app.command()
def stop(ctx: typer.Context, services: Names = None) -> object:
    """Stop services, whoever started them."""
    from june_serve.control import stop_all

    return stop_all(ctx.obj, services)


@app.command()
def restart(ctx: typer.Context, services: Names = None) -> object:
    """Stop and start services."""
    from june_serve.control import start_all, stop_all

    june: Invocation = ctx.obj
    if not june.words.dry_run:
        stop_all(june, services)
    return start_all(june, services)


@app.command()
def status(ctx: typer.Context) -> object:
    """Show what runs: state, port, model, memory."""
    from june_serve.control import status_all

    return status_all(ctx.obj)


@app.command()
def logs(
    ctx: typer.Context,
    services: Names = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, max=10_000, help="How many of each.")] = 50,
) -> object:
    """Show the last lines of each service's log, also after it ended."""
    from june_serve.control import show_logs

    show_logs(ctx.obj, services, lines)
    raise typer.Exit
