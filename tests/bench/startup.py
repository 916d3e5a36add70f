"""How much longer `june --help` takes than a bare Typer hello world. Bar: 1.6 times.

Why: help is what people meet first and what a shell asks for on every completion; a plugin that imports
something heavy shows here at once.

How: both sides are console scripts, run by their path, with stdout piped. The hello world is an importable
module beside a runner that is June's own console script with another module's name in it, so both sides pay
for the same interpreter, the same site-packages and the same wrapper, and both load their code as bytecode.
(`python hello.py` would compile hello.py on each run.) Runs are interleaved; the figure is the ratio of the
medians. Best run with the Python of an environment where June is installed as a wheel: an editable install
puts a finder with imports of its own into both sides.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring import JUNE, Figure, compiled, editable, middle, parser, ratio, report

BAR = 1.6
WARM_UP, RUNS = 3, 15
HELLO = '''"""Says hello."""
import typer

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def hello(name: str = "world") -> None:
    """Say hello."""
    print(f"Hello, {name}.")


main = app
'''


def write_hello(folder: Path) -> Path:
    """A console script like June's whose program is a hello world."""
    (folder / "hello_app.py").write_text(HELLO)
    compileall.compile_dir(folder, quiet=2)
    runner = folder / "hello"
    runner.write_text(JUNE.read_text().replace("june_cli.__main__", "hello_app"))
    runner.chmod(0o755)
    return runner


def seconds(command: list[str]) -> float:
    """The wall time of one run, its output read from a pipe."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return took


def measured(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """The median of each command, run in turns."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(WARM_UP + runs):
        for name, command in commands.items():
            took = seconds(command)
            if number >= WARM_UP:
                times[name].append(took)
    return {name: middle(found) for name, found in times.items()}


def main() -> None:
    """Measure and report."""
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=RUNS)
    asked = options.parse_args()
    compiled()
    os.environ.pop("_JUNE_COMPLETE", None)
    with tempfile.TemporaryDirectory(prefix="june-bench-") as folder:
        hello = [str(write_hello(Path(folder))), "--help"]
        helps = {"june --help": [str(JUNE), "--help"], "june stt --help": [str(JUNE), "stt", "--help"]}
        found = measured({"hello --help": hello, **helps}, asked.runs)
    figures: list[Figure] = [
        ratio(f"{name}, seconds", {name: found[name], "hello --help": found["hello --help"]}, BAR)
        for name in helps
    ]
    beside = {"python": sys.version.split()[0], "editable install": editable(), "runs": asked.runs}
    report(figures, beside, as_json=asked.json)


if __name__ == "__main__":
    main()
