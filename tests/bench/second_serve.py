"""What `june serve` costs when everything runs already. Bar: 0.5 s of June's own time.

Why: people run it to be sure, and scripts run it first; a start that has nothing to start must not be felt.

How: the services are up; the installed `june serve` runs as a process of its own, bytecode compiled, its
output thrown away. How much of its wall time is waiting for the Docker Engine and for the services' probes
cannot be seen from outside: beside each run the same command runs in waits.py, which times whatever blocks on
a socket. Waits side by side count once. June's own time is the rest, interpreter and imports included. Work
that another thread does during a wait hides in it, so the processor time of the command is told too: what
would remain on one core with an engine and services that answer at once. Medians, the first round left out.
Best run where June is installed as a wheel: an editable install adds a finder with imports of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import waits
from measuring import JUNE, Figure, compiled, editable, june, middle, own_home, parser, report, with_engine

BAR = 0.5
WORDS = ["serve"]


def real(environ: Mapping[str, str]) -> dict[str, float]:
    """One run of the program as it is: wall seconds, and those of processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    _finished([str(JUNE), *WORDS], environ)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "processor seconds": cpu}


def watched(environ: Mapping[str, str], sink: Path) -> dict[str, float]:
    """One run whose waits are timed."""
    _finished([sys.executable, waits.__file__, str(sink), *WORDS], environ)
    found: dict[str, float] = json.loads(sink.read_text("utf-8"))
    return found


def _finished(command: list[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")


def measure(environ: Mapping[str, str], runs: int) -> dict[str, float]:
    """The median of everything, with the services up."""
    with tempfile.TemporaryDirectory(prefix="june-bench-") as folder:
        rounds = [{**real(environ), **watched(environ, Path(folder, "waits"))} for _ in range(1 + runs)][1:]
    return {key: middle([seen[key] for seen in rounds]) for key in rounds[0]}


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=9)
    with_engine(options, "docker")
    asked = options.parse_args()
    compiled()
    with own_home(asked.engine) as environ:
        try:
            june(WORDS, environ)
            found = measure(environ, asked.runs)
        finally:
            june([*WORDS, "stop"], environ)
    sides = {
        "june serve": found["wall"],
        "waiting for the engine and services": found["waiting"],
        "processor seconds of june serve": found["processor seconds"],
    }
    figure = Figure(
        "a second june serve, seconds", sides, found["wall"] - found["waiting"], BAR, "June's own time"
    )
    beside = {
        "waits": found["waits"],
        "waits, added up": round(found["added up"], 4),
        "editable install": editable(),
        "engine": asked.engine,
        "runs": asked.runs,
    }
    report([figure], beside, as_json=asked.json)


if __name__ == "__main__":
    main()
