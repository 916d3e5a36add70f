"""Load on a language model: so many requests at once, or so many a second, level by level."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from june_bench import runs
from june_bench.generating import Server, served
from june_bench.latency import Exchange, Level, Spread, level
from june_bench.wire import Address, Connection
from june_cli.assistant.llm import Message, Sampling, StreamingChat
from june_cli.errors import JuneError, NotReady
from june_cli.files import write
from june_cli.output import Output, Table

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

PROMPT = "Tell me, in a few sentences, how a bicycle stays upright."
AT_RATE = 256  # connections, where requests come by the clock
Ask = Callable[[], Awaitable[Exchange]]


@dataclass(frozen=True)
class Wanted:
    """A measurement. Either levels of concurrency, or of requests a second that come by chance (Poisson)."""

    model: str
    url: str
    concurrency: Sequence[int]
    rates: Sequence[float]
    requests: int
    warmup: int
    prompt: str
    max_tokens: int
    temperature: float
    bounds: Mapping[str, float]
    seed: int


@dataclass(frozen=True)
class Load:
    """What was measured. `client_s`: seconds of the processor that June itself took, per request."""

    model: str
    url: str
    levels: Sequence[Level]
    client_s: float
    bounds: Mapping[str, float]
    prompt: str
    max_tokens: int
    run: str
    requests: str

    def blocks(self) -> list[str | Table]:
        """A table of times, one of throughput, and what the names mean."""
        times = [
            [_label(one), name, *(f"{1000 * value:.1f}" for value in _shown(getattr(one, name)))]
            for one in self.levels
            for name in ("ttft", "e2e", "itl", "tpot")
        ]
        flow = [
            [
                _label(one),
                f"{one.requests_per_s:.2f}",
                f"{one.output_tokens_per_s:.1f}",
                f"{one.goodput:.2f}" if self.bounds else "",
                str(one.failed),
            ]
            for one in self.levels
        ]
        return [
            Table(["load", "ms", "mean", "p50", "p90", "p95", "p99"], times),
            Table(["load", "requests/s", "output tokens/s", "goodput/s", "failed"], flow),
            "ttft: first token - sent. e2e: last token - sent. itl: every gap between tokens.",
            "tpot: (e2e - ttft) / (tokens - 1), of each request.",
            f"June's own processor time: {1000 * self.client_s:.2f} ms a request.",
            f"Every request: {self.requests}",
        ]


def measure(june: Invocation, wanted: Wanted) -> Load:
    """Measure level after level. NotReady when no request of the warm-up is answered."""
    told: dict[str, Any] = {}
    with served(june, wanted.model, wanted.url, told) as server:
        run = runs.begun(june.paths.runs / "load", "llm", {"suite": "llm", **asdict(wanted)})
        levels, client_s, exchanges = asyncio.run(_all(june.out, server, wanted))
    lines = "".join(json.dumps(asdict(one)) + "\n" for one in exchanges)
    file = run.folder / "requests.jsonl"
    write(file, lines.encode())
    load = Load(
        server.model,
        wanted.url,
        levels,
        client_s,
        wanted.bounds,
        wanted.prompt,
        wanted.max_tokens,
        run.name,
        str(file),
    )
    write(run.folder / runs.REPORT, json.dumps({**asdict(load), "identity": told}, indent=1).encode())
    return load


async def _all(out: Output, server: Server, wanted: Wanted) -> tuple[list[Level], float, list[Exchange]]:
    loads = [(0, rate) for rate in wanted.rates] or [(number, 0.0) for number in wanted.concurrency]
    most = AT_RATE if wanted.rates else max(wanted.concurrency)
    levels: list[Level] = []
    every: list[Exchange] = []
    with out.progress("Measuring", len(loads) * wanted.requests, "requests") as bar:
        async with _askers(server, wanted, most) as askers:
            await _warm(askers[0], wanted.warmup)
            began_cpu = time.process_time()
            for concurrency, rate in loads:
                began = time.monotonic()
                asking = _at_rate(askers, rate, wanted) if rate else _at_once(askers[:concurrency], wanted)
                exchanges: list[Exchange] = []
                async for one in asking:
                    exchanges.append(one)
                    bar.update(len(every) + len(exchanges), text=_named(concurrency, rate))
                seconds = time.monotonic() - began
                every += exchanges
                levels.append(level(exchanges, seconds, wanted.bounds, concurrency=concurrency, rate=rate))
            cpu_s = time.process_time() - began_cpu
    return levels, cpu_s / max(1, len(every)), every


async def _warm(ask: Ask, count: int) -> None:
    """Requests that are not counted. The last one has to be answered."""
    last: Exchange | None = None
    for _ in range(count):
        last = await ask()
    if last is not None and not last.ok:
        raise NotReady("llm-silent", f"the server does not answer: {last.error or 'no token came'}.")


async def _at_once(askers: Sequence[Ask], wanted: Wanted) -> AsyncGenerator[Exchange]:
    """So many at once: each asks again as soon as it is answered."""
    answered: asyncio.Queue[Exchange] = asyncio.Queue()
    left = iter(range(wanted.requests))

    async def one(ask: Ask) -> None:
        for _ in left:
            answered.put_nowait(await ask())

    async with asyncio.TaskGroup() as group:
        for ask in askers:
            group.create_task(one(ask))
        for _ in range(wanted.requests):
            yield await answered.get()


async def _at_rate(askers: Sequence[Ask], rate: float, wanted: Wanted) -> AsyncGenerator[Exchange]:
    """So many a second, whether the earlier ones are answered or not, up to as many as there are askers."""
    chance = random.Random(wanted.seed)  # noqa: S311 - a load, not a secret
    answered: asyncio.Queue[Exchange] = asyncio.Queue()
    free: asyncio.Queue[Ask] = asyncio.Queue()
    for ask in askers:
        free.put_nowait(ask)

    async def one(ask: Ask) -> None:
        answered.put_nowait(await ask())
        free.put_nowait(ask)

    async def all_of_them(group: asyncio.TaskGroup) -> None:
        due = time.monotonic()
        for _ in range(wanted.requests):
            due += chance.expovariate(rate)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            group.create_task(one(await free.get()))

    async with asyncio.TaskGroup() as group:
        group.create_task(all_of_them(group))
        for _ in range(wanted.requests):
            yield await answered.get()


@contextlib.asynccontextmanager
async def _askers(server: Server, wanted: Wanted, count: int) -> AsyncIterator[list[Ask]]:
    """Who asks: a connection each of a server of the OpenAI API; for Triton June's own client."""
    if server.api == "openai":
        url = wanted.url or f"http://{server.address}/v1"
        body = {
            "model": server.model,
            "messages": [{"role": "user", "content": wanted.prompt}],
            "max_tokens": wanted.max_tokens,
            "temperature": wanted.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        connections = [Connection(Address.of(url)) for _ in range(count)]
        try:
            yield [lambda one=one: one.ask(body) for one in connections]  # type: ignore[misc]
        finally:
            for one in connections:
                await one.close()
        return
    async with server.client() as client:
        yield [lambda: _by_client(client, wanted)] * count


async def _by_client(client: StreamingChat, wanted: Wanted) -> Exchange:
    found = Exchange(time.monotonic())
    sampling = Sampling(wanted.max_tokens, wanted.temperature)
    try:
        async with aclosing(client.stream([Message("user", wanted.prompt)], sampling)) as deltas:
            async for delta in deltas:
                after = time.monotonic() - found.sent_at
                if delta.text or delta.reasoning:
                    found.arrivals.append(after)
                if delta.text and found.first_answer is None:
                    found.first_answer = after
                found.tokens = delta.tokens or found.tokens
    except JuneError as error:
        found.error = error.code
    found.tokens = found.tokens or len(found.arrivals)
    return found


def _label(one: Level) -> str:
    return _named(one.concurrency, one.rate)


def _named(concurrency: int, rate: float) -> str:
    return f"{rate:g}/s" if rate else f"{concurrency} at once"


def _shown(spread: Spread) -> tuple[float, ...]:
    return spread.mean, spread.p50, spread.p90, spread.p95, spread.p99
