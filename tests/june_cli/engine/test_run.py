"""Short host programs: bounded, explained, and never left running."""

from __future__ import annotations

import sys
import time

import psutil
import pytest

from june_cli.engine.run import run
from june_cli.errors import JuneError, MachineLacks


def test_a_program_runs_to_its_end_while_somebody_watches() -> None:
    ticks: list[int] = []
    code = "import sys, time; print('out'); print('err', file=sys.stderr); time.sleep(0.6); sys.exit(3)"
    done = run([sys.executable, "-c", code], timeout_s=20, on_tick=lambda: ticks.append(1))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert ticks


def test_a_program_that_takes_too_long_is_ended_with_its_children() -> None:
    sleep = "import time; time.sleep(77.25)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{sleep}']).wait()"
    with pytest.raises(JuneError, match="longer than 1 s"):
        run([sys.executable, "-c", code], timeout_s=1)
    time.sleep(0.1)
    assert not [
        p
        for p in psutil.process_iter(["cmdline"])
        if "time.sleep(77.25)" in " ".join(p.info["cmdline"] or [])
    ]


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(MachineLacks, match="'no-such-program' is not installed"):
        run(["no-such-program"], timeout_s=1)


def test_only_the_tail_of_endless_output_is_kept() -> None:
    done = run([sys.executable, "-c", "print('x' * 3_000_000 + 'end')"], timeout_s=20)
    assert len(done.stdout) == 1 << 20
    assert done.stdout.endswith("end\n")
