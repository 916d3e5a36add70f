"""`june talk`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from june_cli.errors import UsageProblem
from june_talk.settings import Settings

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer()
ROLES = ("stt", "llm", "tts")


@app.command()
def talk(
    ctx: typer.Context,
    audio: Annotated[
        Path | None, typer.Argument(help="A recorded question: WAV, FLAC, OGG, MP3, M4A, WebM.")
    ] = None,
    say: Annotated[str | None, typer.Option(help="A question as text; June speaks it first.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the answer goes.")] = Path(
        "answer.wav"
    ),
    play: Annotated[bool, typer.Option("--play", help="Also play the answer.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the services running for the next turn.")
    ] = False,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer, in tokens.")] = None,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, max=2.0, help="0 always answers the same.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="See june tts voices.")] = None,
) -> object:
    """Ask one question by voice and write the spoken answer to a file."""
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    if (audio is None) == (say is None):
        raise UsageProblem(
            "usage", "give either an audio file or --say TEXT.", hint='june talk --say "Hello, June."'
        )
    flags: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "voice": voice}
    settings = june.config.section("talk", Settings, flags)
    if june.words.dry_run:
        return planned(june, ROLES)
    from june_talk.session import question_of, turn

    question = question_of(audio, say, settings)
    return turn(june, question, settings, output=output, play=play, keep=keep)
