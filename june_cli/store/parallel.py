"""The files of one model side by side, into a folder that survives an interruption."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from june_cli.paths import made
from june_cli.store import transfer
from june_cli.store.remote import Reader, Remote

AT_ONCE = 4
FILES, SUMS = "files", "sums"
TELL_S = 0.2
Tell = Callable[[int, str], None]  # bytes so far, what is under way


def fetched(reader: Reader, remotes: Sequence[Remote], folder: Path, tell: Tell) -> list[dict[str, Any]]:
    """Have all files below `folder/files`, verified; returns what the manifest says of each.

    The first error ends it: the threads are daemons, and this job's process ends with it.
    """
    made(folder)
    waiting: queue.SimpleQueue[Remote] = queue.SimpleQueue()
    for remote in sorted(remotes, key=lambda file: -file.bytes):  # the longest first, so that none is last
        waiting.put(remote)
    ended: queue.SimpleQueue[tuple[str, dict[str, Any] | BaseException]] = queue.SimpleQueue()
    count = _Count()

    def work() -> None:
        while True:
            try:
                remote = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                ended.put((remote.name, _one(reader, remote, folder, count.add)))
            except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
                ended.put((remote.name, error))
                return

    for number in range(min(AT_ONCE, len(remotes))):
        threading.Thread(target=work, name=f"fetch-{number}", daemon=True).start()
    entries: dict[str, dict[str, Any]] = {}
    while len(entries) < len(remotes):
        tell(count.bytes, f"{len(entries)} of {len(remotes)} files" if len(remotes) > 1 else "")
        try:
            name, end = ended.get(timeout=TELL_S)
        except queue.Empty:
            continue
        if isinstance(end, BaseException):
            raise end
        entries[name] = end
    tell(count.bytes, "verified")
    return [entries[remote.name] for remote in remotes]


class _Count:
    """Bytes of all threads together."""

    def __init__(self) -> None:
        self._lock, self.bytes = threading.Lock(), 0

    def add(self, more: int) -> None:
        """Some more, or less when a file begins anew."""
        with self._lock:
            self.bytes += more


def _one(reader: Reader, remote: Remote, folder: Path, report: Callable[[int], None]) -> dict[str, Any]:
    """One file: the one that is there already and was verified then, or a fetched one."""
    target, note = folder / FILES / remote.name, folder / SUMS / f"{remote.name}.json"
    made(target.parent)
    made(note.parent)
    known = _noted(target, note)
    if known:
        report(known["bytes"])
        return known
    sums = transfer.fetched(reader, remote, target, report)
    entry = entry_of(remote.name, target, sums)
    note.write_text(json.dumps(entry), "utf-8")
    return entry


def entry_of(name: str, file: Path, sums: transfer.Sums) -> dict[str, Any]:
    """What is to be remembered of a verified file."""
    return {
        "name": name,
        "bytes": sums.bytes,
        "sha256": sums.sha256,
        "mtime_ns": file.stat().st_mtime_ns,
        "crc32": sums.blocks,
    }


def _noted(target: Path, note: Path) -> dict[str, Any] | None:
    """What was noted of a file that was whole before an interruption, if nobody touched it since."""
    try:
        entry: dict[str, Any] = json.loads(note.read_text("utf-8"))
        stat = target.stat()
        return entry if (entry["bytes"], entry["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
