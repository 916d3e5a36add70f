"""Reads a manifest: which clips there are, and what is said in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from june_cli.errors import UsageProblem

FILE_NAMES = ("file", "path", "audio", "audio_filepath", "wav")
TEXT_NAMES = ("transcript", "text", "sentence", "transcription")


@dataclass(frozen=True)
class Entry:
    """A clip and its reference transcript."""

    path: Path
    transcript: str


def read(manifest: Path) -> list[Entry]:
    """The entries of a TSV. Its header names the columns; without one, the first two are file and transcript.

    Paths are relative to the manifest. UsageProblem, with the line, for anything that cannot be used.
    """
    try:
        text = manifest.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageProblem("manifest-unreadable", f"{manifest} cannot be read: {reason}.") from error
    rows = [line.split("\t") for line in text.split("\n")]
    if not text:
        raise UsageProblem("manifest-empty", f"{manifest} is empty.")
    header = [cell.strip().lower() for cell in rows[0]]
    file_at = next((header.index(n) for n in FILE_NAMES if n in header), None)
    text_at = next((header.index(n) for n in TEXT_NAMES if n in header), None)
    body = rows[1:]
    if file_at is None or text_at is None:
        if file_at is not None or text_at is not None or len(header) < 2:
            raise UsageProblem(
                "manifest-header",
                f"{manifest}:1: the columns file and transcript are needed.",
                hint="separate columns with tabs",
            )
        file_at, text_at, body = 0, 1, rows
    offset = len(rows) - len(body) + 1
    entries = [
        _entry(manifest, number, row, file_at, text_at) for number, row in enumerate(body, offset) if any(row)
    ]
    if not entries:
        raise UsageProblem("manifest-empty", f"{manifest} names no clips.")
    return entries


def _entry(manifest: Path, number: int, row: list[str], file_at: int, text_at: int) -> Entry:
    if len(row) <= max(file_at, text_at) or not row[file_at].strip():
        raise UsageProblem("manifest-row", f"{manifest}:{number}: file and transcript are needed.")
    path = manifest.parent / row[file_at].strip()
    try:
        there = path.is_file()
    except OSError:  # a name too long for a file
        there = False
    if not there:
        raise UsageProblem("audio-missing", f"{manifest}:{number}: there is no file {path}.")
    return Entry(path, row[text_at].strip())
