"""Three services ready together, against what this machine could do at best. Bar: 1.3 times.

Why: `june talk` starts all three at once; they must neither wait for each other nor for June's polling.

How: `engine.up.start`, from launch to ready, each time in a fresh JUNE_HOME with the caller's model store
(files in the page cache, bytecode compiled, in Docker the images there). A round starts the three together,
then each alone. The other side is the larger of the slowest one alone and the CPU seconds of the three, read
right after each was ready alone, over the cores. The figure is the ratio of the medians over the rounds, the
first round left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from measuring import ROLES, compiled, invocation, middle, own_home, parser, ratio, report, with_engine

from june_cli.assistant.serving import cores
from june_cli.engine import Running
from june_cli.engine.processes import busy_s, tree
from june_cli.engine.up import Placed, prepared, side_by_side, start

BAR = 1.3


@dataclass(frozen=True)
class Start:
    """One start: wall seconds until all were ready, CPU seconds that each service had used by then."""

    wall: float
    cpu: dict[str, float]


def started(roles: Sequence[str], engine: str) -> Start:
    """Start the services of some roles in a home of their own, and stop them."""
    with own_home(engine) as environ:
        june = invocation(environ)
        services = prepared(june, roles)
        try:
            began = time.perf_counter()
            running = start(services, june)
            wall = time.perf_counter() - began
            return Start(wall, {role: cpu_seconds(services[role], running[role]) for role in roles})
        finally:
            side_by_side(lambda p: p.engine.release(p.service.name), services)


def cpu_seconds(placed: Placed, running: Running) -> float:
    """User and system time of a service, with all its processes."""
    if running.engine == "process":  # whose `effort` counts log lines too
        return float(busy_s(tree(int(running.id))))
    return placed.engine.effort(running)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=5)
    with_engine(options)
    asked = options.parse_args()
    compiled()
    engine = asked.engine
    rounds = [
        (started(ROLES, engine), {role: started([role], engine) for role in ROLES})
        for _ in range(1 + asked.runs)
    ][1:]
    together = middle([all_.wall for all_, _ in rounds])
    alone = {role: middle([single[role].wall for _, single in rounds]) for role in ROLES}
    cpu = {role: middle([single[role].cpu[role] for _, single in rounds]) for role in ROLES}
    shared = sum(cpu.values()) / cores()
    sides = {
        "three together": together,
        "the larger of the next two": max(*alone.values(), shared),
        "the slowest one alone": max(alone.values()),
        "CPU seconds over cores": shared,
    }
    beside = {
        "quickest round: together, slowest alone": [
            round(min(all_.wall for all_, _ in rounds), 3),
            round(max(min(single[r].wall for _, single in rounds) for r in ROLES), 3),
        ],
        "alone": _rounded(alone),
        "CPU seconds alone": _rounded(cpu),
        "CPU seconds together": _rounded({r: middle([a.cpu[r] for a, _ in rounds]) for r in ROLES}),
        "engine": engine,
        "cores": cores(),
        "runs": asked.runs,
    }
    report([ratio("three services ready, seconds", sides, BAR)], beside, as_json=asked.json)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 3) for key, value in values.items()}


if __name__ == "__main__":
    main()
