"""`june stt`: transcribe and check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from june_cli.bar import Bar

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer(help="Speech to text: transcribe files, measure.", no_args_is_help=True)
Keep = Annotated[bool, typer.Option("--keep", help="Leave the service running for the next command.")]
MaxSeconds = Annotated[float, typer.Option("--max-seconds", min=1, max=600, help="Refuse longer clips.")]


@app.command()
def transcribe(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Audio: WAV, FLAC, OGG/Opus, MP3, M4A, WebM.")],
    max_seconds: MaxSeconds = 300.0,
    keep: Keep = False,
) -> object:
    """Write down what is said in each file."""
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    if june.words.dry_run:
        return planned(june, ["stt"])
    from june_stt.transcribe import transcribe_files

    return transcribe_files(june, files, max_s=max_seconds, keep=keep)


@app.command()
def check(
    ctx: typer.Context,
    manifest: Annotated[
        Path | None,
        typer.Option(help="TSV with the columns file and transcript. Default: June speaks its own."),
    ] = None,
    max_wer: Annotated[
        float | None, typer.Option(min=0, help="Fail (exit 5) above this word error rate.")
    ] = None,
    max_rtf: Annotated[
        float | None, typer.Option(min=0, help="Fail (exit 5) above this real-time factor.")
    ] = None,
    max_seconds: MaxSeconds = 300.0,
    keep: Keep = False,
) -> object:
    """Measure the recogniser: word and character error rate, real-time factor."""
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    if june.words.dry_run:
        return planned(june, ["stt"] if manifest else ["stt", "tts"])
    from june_stt.check import check_clips

    return check_clips(june, manifest, Bar(max_wer, max_rtf), max_s=max_seconds, keep=keep)
