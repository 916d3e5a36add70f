"""Three services ready together, against what this machine could do at best. Bar: 1.3 times.

Why: `june talk` starts all three at once; they must neither wait for each other nor for June's polling.

How: `engine.up.start`, from launch to ready, each time in a fresh JUNE_HOME with the caller's model store
(files in the page cache, bytecode compiled). A round starts the three together, then each alone. The other
side is the larger of the slowest one alone and the CPU seconds of the three, read right after each was ready
alone, over the cores. The figure is the ratio of the medians over the rounds, the first round left out.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
from measuring import ROLES, compiled, invocation, middle, own_home, parser, ratio, report

from june_cli.assistant.serving import cores
from june_cli.engine.up import prepared, start

BAR = 1.3


@dataclass(frozen=True)
class Start:
    """One start: wall seconds until all were ready, CPU seconds that each service had used by then."""

    wall: float
    cpu: dict[str, float]


def started(roles: Sequence[str]) -> Start:
    """Start the services of some roles in a home of their own, and stop them."""
    with own_home() as environ:
        june = invocation(environ)
        services = prepared(june, roles)
        engine = june.engine
        try:
            began = time.perf_counter()
            running = start(engine, list(services.values()), june)
            wall = time.perf_counter() - began
            return Start(wall, {r: cpu_seconds(int(running[s.name].id)) for r, s in services.items()})
        finally:
            for service in services.values():
                engine.release(service.name)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children."""
    process = psutil.Process(pid)
    times = [p.cpu_times() for p in (process, *process.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=5)
    asked = options.parse_args()
    compiled()
    rounds = [(started(ROLES), {role: started([role]) for role in ROLES}) for _ in range(1 + asked.runs)][1:]
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
        "cores": cores(),
        "runs": asked.runs,
    }
    report([ratio("three services ready, seconds", sides, BAR)], beside, as_json=asked.json)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 3) for key, value in values.items()}


if __name__ == "__main__":
    main()
