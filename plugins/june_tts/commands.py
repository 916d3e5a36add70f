"""`june tts`: say, voices and check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from june_cli.bar import Bar

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(help="Text to speech: speak into a file, list voices, measure.", no_args_is_help=True)
Keep = Annotated[bool, typer.Option("--keep", help="Leave the service running for the next command.")]


@app.command()
def say(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="wav, flac, ogg, opus, mp3, m4a or webm.")],
    voice: Annotated[str, typer.Option(help="See june tts voices.")] = "",
    speed: Annotated[float, typer.Option(min=0.5, max=2.0, help="1 is the voice's own pace.")] = 1.0,
    keep: Keep = False,
) -> object:
    """Speak a text into an audio file."""
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    if june.words.dry_run:
        return planned(june, ["tts"])
    from june_tts.say import Manner, say_text

    return say_text(june, text, output, Manner(voice, speed), keep=keep)


@app.command()
def voices(ctx: typer.Context, keep: Keep = False) -> object:
    """List what the voice service can sound like."""
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    if june.words.dry_run:
        return planned(june, ["tts"])
    from june_tts.say import list_voices

    return list_voices(june, keep=keep)


@app.command()
def check(
    ctx: typer.Context,
    voice: Annotated[str, typer.Option(help="See june tts voices.")] = "",
    max_wer: Annotated[
        float | None, typer.Option(min=0, help="Fail (exit 5) above this word error rate.")
    ] = None,
    max_rtf: Annotated[
        float | None, typer.Option(min=0, help="Fail (exit 5) above this real-time factor.")
    ] = None,
    keep: Keep = False,
) -> object:
    """Measure the voice in a closed loop: speak sentences, transcribe them, compare."""
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    if june.words.dry_run:
        return planned(june, ["tts", "stt"])
    from june_tts.check import check_voice

    return check_voice(june, voice, Bar(max_wer, max_rtf), keep=keep)
