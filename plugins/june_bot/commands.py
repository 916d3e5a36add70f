"""`june bot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(help="Bots: answer people on Telegram and Discord.", no_args_is_help=True)

TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="The file with the bot's token, and nothing else.")
]
Allow = Annotated[
    list[int] | None, typer.Option("--allow", help="Numeric id of somebody to answer; again for more.")
]
Voice = Annotated[str | None, typer.Option("--voice", help="When to speak: mirror, always, never.")]
PersonaFile = Annotated[Path | None, typer.Option("--persona", help="A YAML file of personas.")]


@app.command()
def telegram(
    ctx: typer.Context,
    token_file: TokenFile = None,
    allow: Allow = None,
    api_url: Annotated[
        str | None, typer.Option("--api-url", help="A Bot API server of your own: http://127.0.0.1:8081")
    ] = None,
    file_url: Annotated[
        str | None, typer.Option("--file-url", help="Where that one serves files, if elsewhere.")
    ] = None,
    webhook_url: Annotated[
        str | None, typer.Option("--webhook-url", help="https://…/webhook, instead of fetching messages.")
    ] = None,
    webhook_secret_file: Annotated[
        Path | None, typer.Option("--webhook-secret-file", help="The file with the webhook's secret.")
    ] = None,
    voice: Voice = None,
    persona: PersonaFile = None,
) -> object:
    """Answer on Telegram until Ctrl-C."""
    from june_bot.foreground import run

    given: dict[str, Any] = {
        "telegram_token_file": token_file,
        "telegram_allow": tuple(allow) if allow else None,
        "telegram_api_url": api_url,
        "telegram_file_url": file_url,
        "webhook_url": webhook_url,
        "webhook_secret_file": webhook_secret_file,
        "voice": voice,
        "persona_file": persona,
    }
    return run(ctx.obj, "telegram", given)


@app.command()
def discord(
    ctx: typer.Context,
    token_file: TokenFile = None,
    allow: Allow = None,
    voice: Voice = None,
    persona: PersonaFile = None,
) -> object:
    """Answer on Discord until Ctrl-C."""
    from june_bot.foreground import run

    given: dict[str, Any] = {
        "discord_token_file": token_file,
        "discord_allow": tuple(allow) if allow else None,
        "voice": voice,
        "persona_file": persona,
    }
    return run(ctx.obj, "discord", given)


@app.command()
def history(
    ctx: typer.Context,
    id_: Annotated[
        str | None, typer.Option("--id", help="One message, by its number or an error's id.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Of one person.")] = None,
    chat: Annotated[str | None, typer.Option("--chat", help="In one chat.")] = None,
    platform: Annotated[str | None, typer.Option("--platform", help="telegram or discord.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="2h, 3d, 2026-11-25 or 2026-11-25T10:00.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="The last so many.")] = 20,
    format_: Annotated[str, typer.Option("--format", help="text, json or html.")] = "text",
) -> object:
    """Show what was really sent, part by part, as written and as rendered, with the time of each stage."""
    from june_bot.history import Wanted, show

    june: Invocation = ctx.obj
    wanted = Wanted(id_ or "", user or "", chat or "", platform or "", since or "", limit)
    return show(june, wanted, format_)
