"""How fast a language model answers: what is measured of each request, and what is made of many.

| name | of | formula |
|---|---|---|
| ttft | a request | arrival of the first token, thinking included - request sent |
| first_answer | a request | arrival of the first token that is no thinking - request sent |
| e2e | a request | arrival of the last token - request sent |
| itl | all requests, pooled | every single gap between two arrivals of tokens |
| tpot | a request | (e2e - ttft) / (tokens - 1) |

vLLM calls them the same; aiperf's "inter token latency" is tpot, its "inter chunk latency" itl.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from june_cli.errors import UsageProblem

PERCENTILES = (50, 90, 95, 99)
BOUNDS = ("ttft", "first_answer", "e2e", "tpot")


@dataclass
class Exchange:
    """One request. Times are seconds since it was sent; `tokens` as the server counts them, else arrivals."""

    sent_at: float
    arrivals: list[float] = field(default_factory=list)
    first_answer: float | None = None
    tokens: int = 0
    reasoning_tokens: int = 0
    input_tokens: int = 0
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was answered."""
        return not self.error and bool(self.arrivals)

    def values(self) -> dict[str, float]:
        """What is measured of it, by the names above."""
        ttft, e2e = self.arrivals[0], self.arrivals[-1]
        found = {"ttft": ttft, "e2e": e2e}
        if self.first_answer is not None:
            found["first_answer"] = self.first_answer
        if self.tokens > 1:
            found["tpot"] = (e2e - ttft) / (self.tokens - 1)
        return found

    def gaps(self) -> list[float]:
        """Between arrivals."""
        return [later - earlier for earlier, later in zip(self.arrivals, self.arrivals[1:], strict=False)]


@dataclass(frozen=True)
class Spread:
    """Mean and percentiles, in seconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of some values; zeros of none. A percentile is the smallest value that so many do not exceed."""
        if not values:
            return cls(0.0, 0.0, 0.0, 0.0, 0.0)
        ordered = sorted(values)
        at = [ordered[max(0, -(-len(ordered) * part // 100) - 1)] for part in PERCENTILES]
        return cls(sum(ordered) / len(ordered), *at)


@dataclass(frozen=True)
class Level:
    """One level of load. `goodput`: requests a second that kept every bound; 0 without bounds."""

    concurrency: int
    rate: float
    requests: int
    failed: int
    seconds: float
    requests_per_s: float
    output_tokens_per_s: float
    goodput: float
    ttft: Spread
    first_answer: Spread
    e2e: Spread
    itl: Spread
    tpot: Spread
    output_tokens: int
    reasoning_tokens: int
    input_tokens: int
    errors: Mapping[str, int]


def level(
    exchanges: Sequence[Exchange],
    seconds: float,
    bounds: Mapping[str, float],
    *,
    concurrency: int,
    rate: float,
) -> Level:
    """What came out at one level of load, which took so many seconds."""
    good = [one for one in exchanges if one.ok]
    values = [one.values() for one in good]
    kept = sum(all(v.get(name, 0.0) <= bound for name, bound in bounds.items()) for v in values)
    errors: dict[str, int] = {}
    for one in exchanges:
        if not one.ok:
            errors[one.error or "no token"] = errors.get(one.error or "no token", 0) + 1

    def spread(name: str) -> Spread:
        return Spread.of([v[name] for v in values if name in v])

    tokens = sum(one.tokens for one in good)
    return Level(
        concurrency=concurrency,
        rate=rate,
        requests=len(exchanges),
        failed=len(exchanges) - len(good),
        seconds=seconds,
        requests_per_s=len(good) / seconds,
        output_tokens_per_s=tokens / seconds,
        goodput=kept / seconds if bounds else 0.0,
        ttft=spread("ttft"),
        first_answer=spread("first_answer"),
        e2e=spread("e2e"),
        itl=Spread.of([gap for one in good for gap in one.gaps()]),
        tpot=spread("tpot"),
        output_tokens=tokens,
        reasoning_tokens=sum(one.reasoning_tokens for one in good),
        input_tokens=sum(one.input_tokens for one in good),
        errors=errors,
    )


def bounds(text: str) -> dict[str, float]:
    """`ttft=0.2,e2e=2` in seconds. UsageProblem for anything else."""
    found: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.strip().partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            name = ""
        if name not in BOUNDS:
            raise UsageProblem(
                "bound-invalid",
                f"{part!r} is no bound.",
                hint=f"--goodput ttft=0.2,e2e=2; {', '.join(BOUNDS)}",
            )
    return found
