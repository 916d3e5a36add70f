"""`june serve`: start, stop, status, logs and restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(help="Services: start them and leave them running, watch, stop.")


def _names(ctx: typer.Context, incomplete: str) -> list[str]:
    june: Invocation = ctx.find_root().obj
    return [name for name in [*june.roles.roles, *june.companions] if name.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(help="stt, llm, tts, telegram, …; default: all of the profile.", autocompletion=_names),
]


Foreground = Annotated[
    bool, typer.Option("--foreground", help="Stay and show the logs; Ctrl-C ends the services again.")
]
Force = Annotated[bool, typer.Option("--force", help="Also where the models do not fit this machine.")]


@app.callback(invoke_without_command=True)
def serve(ctx: typer.Context, foreground: Foreground = False, force: Force = False) -> object:
    """Without a word after it: start."""
    if ctx.invoked_subcommand is None:
        return start(ctx, None, foreground, force)
    return None


@app.command()
def start(
    ctx: typer.Context, services: Names = None, foreground: Foreground = False, force: Force = False
) -> object:
    """Start services together and leave them running; return when they are ready."""
    from june_serve import control

    june: Invocation = ctx.obj
    if foreground and not june.words.dry_run:
        control.foreground(june, services, force=force)
    return control.start_all(june, services, force=force)


@app.command()
def stop(ctx: typer.Context, services: Names = None) -> object:
    """Stop services, whoever started them."""
    from june_serve.control import stop_all

    return stop_all(ctx.obj, services)


@app.command()
def restart(ctx: typer.Context, services: Names = None, force: Force = False) -> object:
    """Stop and start services."""
    from june_serve.control import restart_all

    return restart_all(ctx.obj, services, force=force)


@app.command()
def status(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds.")] = False,
) -> object:
    """Show what runs: state, port, model, memory, GPU, image."""
    from june_serve import status as looking

    if watch:
        looking.watch(ctx.obj)
    return looking.status_all(ctx.obj)


@app.command()
def logs(
    ctx: typer.Context,
    services: Names = None,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, max=10_000, help="How many of each.")] = 50,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with what they say from now on.")
    ] = False,
) -> object:
    """Show the last lines of each service's log, also after it ended."""
    from june_serve import control

    control.show_logs(ctx.obj, services, lines)
    if follow:
        control.follow_all(ctx.obj, control.known(ctx.obj, services, running=True))
    raise typer.Exit
