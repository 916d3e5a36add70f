"""`june model`: the words, their options, and which module answers each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from june_model.triton_commands import Name, model_names
from june_model.triton_commands import app as in_triton

app = typer.Typer(help="Models: fetch, verify, plan, build, load and unload them.", no_args_is_help=True)
app.add_typer(in_triton)
STORE, WEIGH = "The store", "Planning"


Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME…", help="Models of the catalog.", autocompletion=model_names),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", help="A file with the hub's token.", envvar="JUNE_HUB_TOKEN_FILE", show_envvar=True
    ),
]


@app.command(rich_help_panel=STORE)
def download(
    ctx: typer.Context,
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model without terms.")] = False,
    accept: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the terms of models that have some.")
    ] = False,
    token_file: TokenFile = None,
) -> object:
    """Fetch models: those named, those of --profile, or all. Goes on where an earlier try broke off."""
    from june_model import downloading

    wanted = downloading.chosen(ctx.obj, names or (), everything=everything)
    return downloading.download(ctx.obj, wanted, accept=accept, token_file=token_file)


@app.command("list", rich_help_panel=STORE)
def list_(
    ctx: typer.Context,
    role: Annotated[str | None, typer.Option("--role", help="llm, stt, tts, vad or compress.")] = None,
    here: Annotated[bool, typer.Option("--here", help="Only what is in the store.")] = False,
) -> object:
    """List the catalog: what is here, partial, corrupt or in use, and what fits this machine."""
    from june_model import library

    return library.models(ctx.obj, role, here=here)


@app.command(rich_help_panel=STORE)
def show(ctx: typer.Context, name: Name) -> object:
    """Show all that is known of a model: source, licence, files, state."""
    from june_model import library

    return library.show(ctx.obj, name)


@app.command(rich_help_panel=STORE)
def verify(
    ctx: typer.Context,
    names: Names = None,
    mend: Annotated[bool, typer.Option("--repair", help="Fetch what is damaged, and only that.")] = False,
    token_file: TokenFile = None,
) -> object:
    """Hash the files of models, of all that are here without names. Exit code 5 when one is damaged."""
    from june_model import downloading

    return downloading.verify(ctx.obj, names or (), mend=mend, token_file=token_file)


@app.command(rich_help_panel=STORE)
def remove(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Models.", autocompletion=model_names)],
    force: Annotated[bool, typer.Option("--force", help="Also one that a service uses.")] = False,
) -> object:
    """Move models into the trash, from which `restore` takes them back for a week."""
    from june_model import tidying

    return tidying.remove(ctx.obj, names, force=force)


@app.command(rich_help_panel=STORE)
def restore(ctx: typer.Context, name: Name) -> object:
    """Take a removed model back out of the trash."""
    from june_model import tidying

    return tidying.restore(ctx.obj, name)


@app.command(rich_help_panel=STORE)
def gc(
    ctx: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what was removed or broke off just now.")
    ] = False,
) -> object:
    """Remove for good: old trash, downloads that broke off, revisions nobody names."""
    from june_model import tidying

    return tidying.collect(ctx.obj, everything=everything)


@app.command(rich_help_panel=STORE)
def df(ctx: typer.Context) -> object:
    """Show what takes room: models, partials, trash, images, build cache, volumes, runs."""
    from june_model import disk

    return disk.usage(ctx.obj)


@app.command(rich_help_panel=STORE)
def add(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="PATH|REPOSITORY@COMMIT", help="Where its files are.")],
    name: Annotated[str, typer.Option("--name", help="What to call it; default: from its source.")] = "",
    role: Annotated[str, typer.Option("--role", help="llm, stt, tts, vad or compress.")] = "llm",
    loader: Annotated[str, typer.Option("--loader", help="gguf, hf, whisper, faster-whisper, coqui, …")] = "",
    licence: Annotated[str, typer.Option("--licence", help="As its page names it.")] = "unknown",
    quant: Annotated[str, typer.Option("--quant", help="BF16, FP8, NVFP4, AWQ, Q4_K_M, …")] = "",
    parameters: Annotated[
        int, typer.Option("--parameters", min=0, help="How many; default: counted in its files.")
    ] = 0,
) -> object:
    """Put a model of one's own into the catalog, after checks: no pickles, no way out, an honest config."""
    from june_model.adding import Asked
    from june_model.adding import add as put

    return put(ctx.obj, Asked(source, name, role, loader, licence, quant, parameters))


@app.command(rich_help_panel=WEIGH)
def plan(
    ctx: typer.Context,
    name: Name,
    gpu: Annotated[
        str | None,
        typer.Option(
            "--gpu", help="gb10, h200, rtx4090, a100-40, a100-40:20, cpu, …; default: this machine."
        ),
    ] = None,
    context: Annotated[int, typer.Option("--context", min=1, help="Tokens of context.")] = 8192,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Answered at once.")] = 1,
    beside: Annotated[
        list[str] | None,
        typer.Option("--with", help="What else is on the same memory: stt, tts, or a model. Repeatable."),
    ] = None,
) -> object:
    """Will it fit? The account of memory, the verdict, and what fits instead. Exit code 3 if it does not."""
    from june_cli.planning.plan import Demand
    from june_model import weighing

    demand = Demand(context, concurrency)
    return weighing.weigh(ctx.obj, name, gpu=gpu, demand=demand, beside=beside or ())


@app.command("export", rich_help_panel=STORE)
def export(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Models.", autocompletion=model_names)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
) -> object:
    """Write models into one file, for a machine without a network."""
    from june_model import bundle

    return bundle.export(ctx.obj, names, output)


@app.command("import", rich_help_panel=STORE)
def import_(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="What export wrote.")]) -> object:
    """Put the models of such a file into the store, verified."""
    from june_model import bundle

    return bundle.take(ctx.obj, file)
