"""A run on the disk: what was asked, a line for every sample as its verdict comes, and the report.

An interrupted run is a whole one that lacks samples: it goes on where it was.
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from june_bench.samples import id_of
from june_cli import nearest
from june_cli.engine.locks import locked
from june_cli.errors import JuneError, UsageProblem
from june_cli.files import write
from june_cli.paths import made, writable

SAMPLES, REPORT, ASKED, PAGE = "samples.jsonl", "report.json", "run.json", "report.html"


@dataclass
class Run:
    """One run, open for writing."""

    folder: Path
    asked: Mapping[str, Any]
    done: dict[str, dict[str, Any]] = field(default_factory=dict)  # lines by the sample's id
    _sink: TextIO | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """What it is called in `june bench list`."""
        return self.folder.name

    @property
    def samples(self) -> Path:
        """Its samples, a line each."""
        return self.folder / SAMPLES

    def write(self, sample: str, line: dict[str, Any]) -> None:
        """Keep a sample's line; on the disk before this returns."""
        with self._lock, writable(self.folder):
            if self._sink is None:
                self._sink = self.samples.open("a", encoding="utf-8")
            self._sink.write(json.dumps(line) + "\n")
            self._sink.flush()
            self.done[sample] = line

    def close(self) -> None:
        """Nothing more is written."""
        if self._sink:
            self._sink.close()


def begun(folder: Path, suite: str, asked: Mapping[str, Any]) -> Run:
    """A new run."""
    stamp = dt.datetime.now().strftime("%Y%m%d-%H%M%S")  # noqa: DTZ005 - as people at this machine read it
    own = made(made(folder) / f"{suite}-{stamp}-{secrets.token_hex(2)}")
    write(own / ASKED, json.dumps(asked, indent=1).encode())
    return Run(own, asked)


def resumed(folder: Path, name: str, suite: str, asked: Mapping[str, Any]) -> Run:
    """A run that goes on. UsageProblem when it is not there, or was asked for something else."""
    own = find(folder, name)
    before = asked_of(own)
    changed = sorted(key for key in {*before, *asked} if before.get(key) != asked.get(key))
    if changed:
        raise UsageProblem(
            "run-differs",
            f"{name} was another run: {', '.join(f'{k} was {before.get(k)!r}' for k in changed[:3])}.",
            hint=f"june bench {suite} …, with the same options, or without --resume",
        )
    _cut_torn(own / SAMPLES)
    return Run(own, asked, {id_of(line["task_id"], line["number"]): line for line in lines(own)})


def find(folder: Path, name: str) -> Path:
    """The folder of a run, by its name or a path to it; `last` is the newest."""
    if name == "last" and (known := names(folder)):
        return folder / known[-1]
    for place in (folder / name, Path(name)):
        if (place / ASKED).is_file():
            return place
    hint = nearest.hint(name, names(folder)) if names(folder) else "june bench humaneval makes one"
    raise UsageProblem("run-unknown", f"there is no run {name!r}.", hint=hint)


def names(folder: Path) -> list[str]:
    """Runs, the oldest first."""
    found = [one for one in folder.glob("*") if (one / ASKED).is_file()]
    return [one.name for one in sorted(found, key=lambda one: ((one / ASKED).stat().st_mtime, one.name))]


def lines(own: Path) -> Iterator[dict[str, Any]]:
    """The samples of a run; a torn last line, of a run that was killed, is none."""
    file = own / SAMPLES
    if not file.exists():
        return
    with file.open(encoding="utf-8") as source:
        for text in source:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def asked_of(own: Path) -> dict[str, Any]:
    """What a run was asked for."""
    try:
        asked: dict[str, Any] = json.loads((own / ASKED).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise JuneError("run-unreadable", f"{own / ASKED} cannot be read: {error}.") from error
    return asked


def report_of(own: Path) -> dict[str, Any]:
    """A run's report. JuneError when it has none yet."""
    try:
        report: dict[str, Any] = json.loads((own / REPORT).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise JuneError(
            "run-unfinished", f"{own.name} has no report: it was interrupted.", hint=f"… --resume {own.name}"
        ) from error
    return report


def held(run: Run) -> AbstractContextManager[None]:
    """Nobody else goes on with a run while this lasts."""
    return locked(run.folder / "lock", run.name)


def _cut_torn(file: Path) -> None:
    """Take away a last line that was not written whole, or the next would be appended to it."""
    if not file.exists():
        return
    content = file.read_bytes()
    if content and not content.endswith(b"\n"):
        with writable(file.parent):
            file.write_bytes(content[: content.rfind(b"\n") + 1])
