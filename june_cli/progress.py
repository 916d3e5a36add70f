"""How a wait looks: a live line on a terminal, a few plain lines in a log, JSON events for a program."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO


class Progress(Protocol):
    """One thing under way."""

    def update(self, done: int | None = None, *, text: str = "", total: int | None = None) -> None:
        """Say how far it is (in the bar's unit), what it is waiting for, or both."""

    def close(self, *, done: bool) -> None:
        """It ended, well or not."""


class EventProgress:
    """JSON lines: `progress-start`, `progress` at most four a second, `progress-end`."""

    def __init__(self, emit: Callable[..., None], label: str, total: int | None, unit: str) -> None:
        self._emit, self._label, self._total, self._unit = emit, label, total, unit
        self._done: int | None = None
        self._text = ""
        self._last = 0.0
        emit("progress-start", label=label, total=total, unit=unit)

    def update(self, done: int | None = None, *, text: str = "", total: int | None = None) -> None:
        """Emit a line when the text changed or a quarter of a second has passed."""
        now = time.monotonic()
        self._done = self._done if done is None else done
        self._total = total or self._total
        if (text and text != self._text) or now - self._last >= 0.25:
            self._last, self._text = now, text or self._text
            self._emit("progress", label=self._label, done=self._done, total=self._total, text=self._text)

    def close(self, *, done: bool) -> None:
        """Emit the end, with whether it was a good one."""
        self._emit("progress-end", label=self._label, ok=done)


class PlainProgress:
    """For logs: one line once it has taken a second, then one every ten seconds."""

    def __init__(self, line: Callable[[str], None], label: str, total: int | None, unit: str) -> None:
        self._line, self._label, self._total, self._unit = line, label, total, unit
        self._done: int | None = None
        self._next = time.monotonic() + 1.0

    def update(self, done: int | None = None, *, text: str = "", total: int | None = None) -> None:
        """Print a line when one is due."""
        self._done = self._done if done is None else done
        self._total = total or self._total
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 10.0
            share = f" {100 * self._done // self._total} %" if self._done and self._total else ""
            self._line(f"{self._label}{share}{': ' + text if text else ''} …")

    def close(self, *, done: bool) -> None:
        """Nothing more to say: the result or the error follows."""


class TerminalProgress:
    """Rich's live display: a bar with rate and time left, or a spinner with what is awaited."""

    def __init__(self, stderr: TextIO, label: str, total: int | None, unit: str) -> None:
        from rich import progress as rich
        from rich.console import Console

        columns: list[Any] = [rich.SpinnerColumn(), rich.TextColumn("{task.description}")]
        if unit == "bytes":
            columns += [rich.BarColumn(), rich.DownloadColumn(), rich.TransferSpeedColumn()]
            columns += [rich.TimeRemainingColumn()]
        elif total:
            columns += [rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn()]
        columns += [rich.TextColumn("[dim]{task.fields[note]}"), rich.TimeElapsedColumn()]
        self._bar = rich.Progress(*columns, console=Console(file=stderr), transient=True)
        self._task = self._bar.add_task(label, total=total, note="")
        self._bar.start()

    def update(self, done: int | None = None, *, text: str = "", total: int | None = None) -> None:
        """Move the bar; rich redraws it on its own clock."""
        fields: dict[str, Any] = {}
        if text:
            fields["note"] = text.replace("[", r"\[")
        if total is not None:
            fields["total"] = total
        self._bar.update(self._task, completed=done, **fields)

    def close(self, *, done: bool) -> None:
        """Take the live line away."""
        del done
        self._bar.stop()
