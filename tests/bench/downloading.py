"""A gigabyte from a hub on loopback: June against `hf download`. Bars: 1.15 times, 150 MB of memory.

Why: people wait for models longer than for anything else; checksums, resuming and a job of its own must not
be felt.

How: tests/hub.py serves four files in a process of its own. Each round downloads them with `june model
download` into a fresh home, and with the hub's own program into a fresh folder, plain HTTP on both sides.
Wall seconds of the whole programs; medians, the first round left out. The peak of memory is that of June and
its job.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from measuring import JUNE, Figure, compiled, middle, parser, ratio, report

BAR, MEMORY_BAR_MB = 1.15, 150.0
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = Path(__file__).parent.parent / "hub.py"


# Runs a program and prints the largest resident set of it and of what it started, in KiB.
WEIGHED = (
    "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def timed(command: list[str], environ: Mapping[str, str]) -> float:
    """Wall seconds of a program that has to succeed."""
    began = time.perf_counter()
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return time.perf_counter() - began


def one_round(url: str) -> tuple[float, float, float]:
    """June's seconds and its megabytes, and the hub program's seconds."""
    with tempfile.TemporaryDirectory(prefix="june-bench-") as folder:
        environ = {**os.environ, "HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "JUNE_HOME": folder}
        environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HOME": f"{folder}/hf"}
        timed([str(JUNE), "model", "add", f"bench/model@{COMMIT}"], environ)
        weighed = [sys.executable, "-c", WEIGHED, str(JUNE), "model", "download", "model"]
        began = time.perf_counter()
        done = subprocess.run(weighed, env=environ, capture_output=True, text=True, check=True)
        ours = time.perf_counter() - began
        theirs = [str(JUNE.with_name("hf")), "download", "bench/model", "--revision", COMMIT]
        return ours, int(done.stdout) / 1024, timed([*theirs, "--local-dir", f"{folder}/theirs"], environ)


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--mib", type=int, default=1024)
    asked = options.parse_args()
    compiled()
    if not shutil.which("hf", path=str(JUNE.parent)):
        sys.exit("needs the program hf of huggingface_hub")
    command = [sys.executable, str(HUB), "4", str(asked.mib * 2**20 // 4)]
    hub = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout
        url = hub.stdout.readline().strip()
        rounds = [one_round(url) for _ in range(1 + asked.runs)][1:]
    finally:
        hub.kill()
        hub.wait()
    sides = {
        "june model download": middle([ours for ours, _, _ in rounds]),
        "hf download": middle([theirs for _, _, theirs in rounds]),
    }
    peak = max(megabytes for _, megabytes, _ in rounds)
    figures = [
        ratio(f"{asked.mib} MiB in four files, seconds", sides, BAR),
        Figure("peak memory of June and its job", {}, peak, MEMORY_BAR_MB, "MB"),
    ]
    report(figures, {"runs": asked.runs}, as_json=asked.json)


if __name__ == "__main__":
    main()
