"""`june image`: list, build, prune and context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(
    help="Container images: list them, build them, remove the ones no longer needed.", no_args_is_help=True
)


def _names(incomplete: str) -> list[str]:
    from june_cli.engine.images import Images

    return [name for name in Images.load().recipes if name.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(help="stt, tts, triton, …; default: what the profile needs.", autocompletion=_names),
]


@app.command("list")
def list_(ctx: typer.Context) -> object:
    """Show June's images and those of others that it runs: tag, size, what uses them."""
    from june_image.listing import listing

    return listing(ctx.obj)


@app.command()
def build(ctx: typer.Context, names: Names = None) -> object:
    """Build images, or pull those of others, unless they are there already."""
    from june_image.making import build as make

    return make(ctx.obj, names)


@app.command()
def prune(
    ctx: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also the ones this June would use now.")] = False,
) -> object:
    """Remove June's images that nothing needs, of earlier versions for example. Never one in use."""
    from june_image.making import prune as remove

    return remove(ctx.obj, everything)


@app.command()
def context(
    ctx: typer.Context, tag: Annotated[str, typer.Argument(help="An image's name or one of its tags.")]
) -> object:
    """Write an image's build context to standard output, as a tar archive for docker build -."""
    from june_image.making import write_context

    june: Invocation = ctx.obj
    write_context(june, tag)
    raise typer.Exit
