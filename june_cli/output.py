"""The only printing: results as text or JSON, errors, notes, and what a command is waiting for."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any, TextIO

from june_cli.errors import JuneError, MachineLacks, UsageProblem
from june_cli.progress import EventProgress, PlainProgress, Progress, TerminalProgress


@dataclass(frozen=True)
class Table:
    """Rows for people: boxed on a terminal, aligned columns in a pipe."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""

    def __str__(self) -> str:
        lines = [list(self.columns), *[list(row) for row in self.rows]]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        return "\n".join(([self.title] if self.title else []) + text)


@dataclass
class Output:
    """One run's stdout and stderr, in the shape the global options ask for."""

    json: bool = False
    events: bool = False
    stdout: TextIO = dataclasses.field(default_factory=lambda: sys.stdout)
    stderr: TextIO = dataclasses.field(default_factory=lambda: sys.stderr)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    _remarked: set[str] = dataclasses.field(default_factory=set)

    @property
    def terminal(self) -> bool:
        """Whether a person reads stdout on a terminal."""
        return self.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, result: Any) -> None:
        """Print what a command returned. A result may have `blocks()` (strings and Tables) for people."""
        if self.json:
            self._line(self.stdout, self._json(plain(result)))
            return
        if result is None:
            return
        parts = result.blocks() if hasattr(result, "blocks") else [result]
        for part in parts:
            if isinstance(part, Table) and self.terminal:
                self._rich(part)
            else:
                self._line(self.stdout, str(part))

    def record(self, value: Any) -> None:
        """One JSON line of a command that streams, now; nothing when people read."""
        if self.json:
            self._line(self.stdout, self._json(plain(value)))

    def write(self, text: str) -> None:
        """Text of a streamed answer, as it comes, for people only."""
        if not self.json:
            self._put(self.stdout, text)

    def raw(self, data: bytes) -> None:
        """Bytes meant for another program: never onto a terminal."""
        if self.stdout.isatty():
            raise UsageProblem(
                "stdout-terminal", "this writes an archive.", hint="send it to a file: … > FILE"
            )
        sink = getattr(self.stdout, "buffer", None)
        if sink is None:
            raise UsageProblem("stdout-text", "this stdout takes no bytes.")
        sink.write(data)
        sink.flush()

    def note(self, text: str) -> None:
        """A remark beside the result, on stderr."""
        if self.events:
            self.event("note", text=text)
        else:
            self._line(self.stderr, text)

    def remark(self, text: str) -> None:
        """A note that says the same about several things, and is shown once."""
        if text not in self._remarked:
            self._remarked.add(text)
            self.note(text)

    def event(self, name: str, **fields: Any) -> None:
        """A JSON line on stderr when `--events` asks for them; nothing otherwise."""
        if self.events:
            line = {"event": name, "time": round(time.time(), 3), **plain(fields)}
            self._line(self.stderr, json.dumps(line, ensure_ascii=False))

    def error(self, error: JuneError) -> None:
        """One error, as JSON on stdout or as two lines on stderr."""
        if self.json:
            body = {"code": error.code, "message": error.message, "hint": error.hint}
            self._line(self.stdout, self._json({"error": body}))
            if error.code != "stdout-not-writable":
                return
        self._line(self.stderr, f"june: {error.message}")
        if error.hint:
            self._line(self.stderr, f"  hint: {error.hint}")

    @contextmanager
    def progress(self, label: str, total: int | None = None, unit: str = "") -> Iterator[Progress]:
        """Say what is under way for as long as the block runs; `total` and `unit` make it a bar."""
        bar: Progress
        if self.events:
            bar = EventProgress(self.event, label, total, unit)
        elif self.stderr.isatty() and os.environ.get("TERM") != "dumb":
            bar = TerminalProgress(self.stderr, label, total, unit)
        else:
            bar = PlainProgress(lambda text: self._line(self.stderr, text), label, total, unit)
        try:
            yield bar
        except BaseException:
            bar.close(done=False)
            raise
        bar.close(done=True)

    def _line(self, stream: TextIO, text: str) -> None:
        with self._lock:
            self._put(stream, text + "\n")

    def _json(self, value: Any) -> str:
        """One line of JSON, in characters that stdout can carry."""
        unicode = (getattr(self.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
        return json.dumps(value, ensure_ascii=not unicode, allow_nan=False)

    def _put(self, stream: TextIO, text: str) -> None:
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            if stream is not self.stdout:
                return  # nowhere is left to complain
            self.stdout = _nowhere()
            raise MachineLacks(
                "stdout-not-writable", f"standard output cannot be written: {error.strerror}."
            ) from error

    def _rich(self, table: Table) -> None:
        from rich.console import Console
        from rich.table import Table as RichTable

        grid = RichTable(title=table.title or None, title_justify="left")
        for number, name in enumerate(table.columns):
            grid.add_column(name, no_wrap=number == 0)  # what a row is about is never cut off
        for row in table.rows:
            grid.add_row(*row)
        Console(file=self.stdout, highlight=False, markup=False).print(grid)


def _nowhere() -> TextIO:
    """Where the rest goes once stdout has failed."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it lives as long as the process


def plain(value: Any) -> Any:
    """A result as what JSON can carry: dataclasses by field, paths as text, no NaN."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: plain(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.metadata.get("json", True)
        }
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
