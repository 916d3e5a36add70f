"""The words of `june model` that are about Triton: build, load and what its repository holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

app = typer.Typer()
SERVER = "In Triton"


def model_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Models of the catalog, for completion."""
    june: Invocation = ctx.find_root().obj
    return [name for name in june.roles.catalog.models if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="A model of the catalog.", autocompletion=model_names)]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Entries; default: all.")]
Url = Annotated[
    str | None, typer.Option("--url", help="A Triton's HTTP address; default: the profile's own.")
]


@app.command(rich_help_panel=SERVER)
def build(
    ctx: typer.Context,
    name: Name,
    quant: Annotated[str, typer.Option("--quant", help="none, fp8, nvfp4, …; default: as it is.")] = "",
    server: Annotated[
        str, typer.Option("--server", help="triton or trtllm-serve; default: what the GPU does best.")
    ] = "",
    context: Annotated[
        int, typer.Option("--context", min=0, help="Tokens of context; 0: the server's own.")
    ] = 0,
    trt_engine: Annotated[
        bool, typer.Option("--trt-engine", help="A TensorRT engine, of TensorRT-LLM 1.2 and before.")
    ] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration", help="Texts to quantize by, one a line; default: June's own questions."
        ),
    ] = None,
    gpu: Annotated[
        str, typer.Option("--gpu", help="With --dry-run: the lines for a card that is not here, as in plan.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Also where the plan does not fit.")] = False,
) -> object:
    """Prepare what the server loads, in stages that go on where a killed build stopped."""
    from june_model.building import build as make
    from june_model.recipe import Wanted

    file = str(calibration or "")
    return make(ctx.obj, Wanted(name, quant, server, context, trt_engine, force, gpu, file))


@app.command(rich_help_panel=SERVER)
def load(
    ctx: typer.Context,
    name: Name,
    url: Url = None,
    swap: Annotated[bool, typer.Option("--swap", help="Unload every other model first.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Also one that is loaded and dead.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also where the plan does not fit.")] = False,
) -> object:
    """Load a model into Triton; done when it has written its first token."""
    from june_model import loading

    return loading.load(ctx.obj, name, url=url, swap=swap, repair=repair, force=force)


@app.command(rich_help_panel=SERVER)
def unload(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A model.", autocompletion=model_names)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every model.")] = False,
    url: Url = None,
) -> object:
    """Unload a model, or all of them; done when Triton has let go of it."""
    from june_cli.errors import UsageProblem
    from june_model import loading

    if (name is None) != everything:
        raise UsageProblem("model-not-named", "name a model, or say --all.", hint="june model status")
    return loading.unload(ctx.obj, name, url=url)


@app.command(rich_help_panel=SERVER)
def status(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A model.", autocompletion=model_names)
    ] = None,
    url: Url = None,
) -> object:
    """Show where models stand: in the store, and as their server has them."""
    from june_model import standing

    return standing.status(ctx.obj, name, url=url)


@app.command(rich_help_panel=SERVER)
def ready(ctx: typer.Context, name: Name, url: Url = None) -> object:
    """Say whether a model writes a token now. Exit code 4 if it does not."""
    from june_model import standing

    return standing.ready(ctx.obj, name, url=url)


repo_app = typer.Typer(help="The entries of Triton's model repository.", no_args_is_help=True)
app.add_typer(repo_app, name="repo", rich_help_panel=SERVER)


@repo_app.command("list")
def repo_list(ctx: typer.Context) -> object:
    """List the entries, and what each was built of."""
    from june_model import repo

    return repo.entries(ctx.obj)


@repo_app.command("create")
def repo_create(ctx: typer.Context, name: Name) -> object:
    """Make the entry of a model: the same as june model build."""
    from june_model.building import build as make
    from june_model.recipe import Wanted

    return make(ctx.obj, Wanted(name))


@repo_app.command("validate")
def repo_validate(ctx: typer.Context, names: Names = None) -> object:
    """Say what keeps Triton from loading entries, with file and line. Exit code 5 if something does."""
    from june_model import repo

    return repo.validate(ctx.obj, names or ())


@repo_app.command("remove")
def repo_remove(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Entries.")],
) -> object:
    """Take entries away; the models they were built of stay in the store."""
    from june_model import repo

    return repo.remove(ctx.obj, names)
