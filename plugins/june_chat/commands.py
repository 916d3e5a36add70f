"""`june chat`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from june_chat.settings import Settings

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer()


@app.command()
def chat(
    ctx: typer.Context,
    text: Annotated[
        str | None, typer.Argument(help="One question; without it, a conversation begins.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", help="The system prompt: who answers, and how.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, max=2.0, help="0 always answers the same.")
    ] = None,
    show_reasoning: Annotated[
        bool, typer.Option("--show-reasoning", help="Also show how it thinks.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the service running for the next command.")
    ] = False,
) -> object:
    """Chat in text: one answer, or a conversation (each line of standard input is a message)."""
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    flags: dict[str, Any] = {"prompt": system, "max_tokens": max_tokens, "temperature": temperature}
    settings = june.config.section("chat", Settings, flags)
    if june.words.dry_run:
        return planned(june, ["llm"])
    from june_chat.conversation import converse

    converse(june, text, settings, show_reasoning=show_reasoning, keep=keep)
    raise typer.Exit
