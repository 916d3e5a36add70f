"""`june bot history`: what came in, how far it got, and what was really sent, part by part."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from june_bot.entries import entry_of
from june_bot.ledger import FILE, connect
from june_cli.errors import UsageProblem

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

PLATFORMS = ("telegram", "discord")
FORMATS = ("text", "json", "html")
AGO = re.compile(r"(\d+)\s*([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Wanted:
    """Which messages. `id`: a message's number, or the id that an error was told with."""

    id: str
    user: str
    chat: str
    platform: str
    since: str
    limit: int


@dataclass(frozen=True)
class Sent:
    """One part of an answer: as it was written, as it was rendered, and what became of it."""

    number: int
    kind: str
    state: str
    sent_id: str
    raw: str
    rendered: str
    note: str


@dataclass(frozen=True)
class Message:
    """One message. `seconds`: from its arrival to the end of each stage it came to."""

    id: int
    platform: str
    chat: str
    user: str
    name: str
    kind: str
    at: str
    state: str
    text: str
    confidence: float
    answer: str
    error_id: str
    error: str
    seconds: Mapping[str, float]
    stages: Mapping[str, float]
    parts: Sequence[Sent]


@dataclass(frozen=True)
class History:
    """Messages, the oldest first."""

    messages: Sequence[Message]

    def blocks(self) -> list[str]:
        """A paragraph a message."""
        return [_paragraph(one) for one in self.messages] or ["(nothing)"]


@dataclass(frozen=True)
class Page:
    """The same as one HTML page."""

    html: str

    def blocks(self) -> list[str]:
        """The page."""
        return [self.html]


def show(june: Invocation, wanted: Wanted, form: str) -> History | Page:
    """What the ledgers of this home have. UsageProblem for a platform, a time or a format that is none."""
    if form not in FORMATS:
        raise UsageProblem("format-unknown", f"there is no format {form!r}.", hint=", ".join(FORMATS))
    if wanted.platform and wanted.platform not in PLATFORMS:
        raise UsageProblem(
            "platform-unknown", f"there is no platform {wanted.platform!r}.", hint=", ".join(PLATFORMS)
        )
    since = moment(wanted.since) if wanted.since else 0.0
    found: list[Message] = []
    for platform in [wanted.platform] if wanted.platform else PLATFORMS:
        file = june.paths.state / "bots" / platform / FILE
        if file.exists():
            db = connect(file, read_only=True)
            try:
                found += _read(db, platform, wanted, since)
            finally:
                db.close()
    if wanted.id and not found:
        raise UsageProblem("message-unknown", f"no message has the number or the error id {wanted.id!r}.")
    history = History(sorted(found, key=lambda one: one.at)[-wanted.limit :])
    if form == "json":
        june.out.json = True
    return Page(_page(history)) if form == "html" else history


def moment(text: str) -> float:
    """`2h` ago, or a date, in seconds since 1970."""
    if ago := AGO.fullmatch(text.strip()):
        return dt.datetime.now().astimezone().timestamp() - int(ago[1]) * SECONDS[ago[2]]
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError as error:
        raise UsageProblem(
            "time-invalid", f"{text!r} is no time.", hint="2h, 3d, 2026-11-25 or 2026-11-25T10:00"
        ) from error


def _read(db: sqlite3.Connection, platform: str, wanted: Wanted, since: float) -> list[Message]:
    clauses: list[str] = ["received_at >= ?"]
    values: list[Any] = [since]
    for column in ("user", "chat"):
        if given := getattr(wanted, column):
            clauses.append(f"{column} = ?")
            values.append(given)
    if wanted.id:
        clauses.append("(CAST(id AS TEXT) = ? OR error_id = ?)")
        values += [wanted.id, wanted.id]
    rows = db.execute(
        f"SELECT * FROM messages WHERE {' AND '.join(clauses)} ORDER BY id DESC LIMIT ?",  # noqa: S608
        (*values, wanted.limit),
    )
    return [_message(db, platform, row) for row in rows]


def _message(db: sqlite3.Connection, platform: str, row: sqlite3.Row) -> Message:
    entry = entry_of(row)
    one = entry.incoming
    parts = db.execute("SELECT * FROM parts WHERE message = ? ORDER BY number", (row["id"],))
    names = ("number", "kind", "state", "sent_id", "raw", "rendered", "note")
    return Message(
        id=entry.id,
        platform=platform,
        chat=one.chat,
        user=one.user,
        name=one.name,
        kind=one.kind,
        at=dt.datetime.fromtimestamp(entry.received_at).astimezone().isoformat(timespec="milliseconds"),
        state=entry.state,
        text=entry.heard or one.text,
        confidence=entry.confidence,
        answer=entry.answer,
        error_id=entry.error_id,
        error=entry.error,
        seconds={stage: round(at - entry.received_at, 3) for stage, at in entry.ended.items()},
        stages=entry.stages,
        parts=[Sent(**{name: part[name] for name in names}) for part in parts],
    )


def _paragraph(one: Message) -> str:
    when = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in one.seconds.items())
    head = f"#{one.id} {one.at[:19].replace('T', ' ')} {one.platform} chat {one.chat} user {one.user}"
    lines = [f"{head} {one.kind}: {one.state}{f' ({when})' if when else ''}", *_indented("< ", one.text)]
    if one.error_id:
        lines.append(f"  ! {one.error_id} {one.error}")
    for part in one.parts:
        sent = f"{part.kind} {part.number}, {part.state}{f' as {part.sent_id}' if part.sent_id else ''}"
        lines.append(f"  {sent}{f' ({part.note})' if part.note else ''}")
        lines += _indented("> ", part.raw)
        lines += _indented("= ", part.rendered) if part.rendered != part.raw else []
    return "\n".join(lines)


def _indented(mark: str, text: str) -> list[str]:
    return [f"    {mark}{line}" for line in text.split("\n")] if text else []


def _page(history: History) -> str:
    """Nothing in it is markup but its own: what people wrote is escaped."""
    rows = []
    for one in history.messages:
        facts = html.escape(json.dumps(dict(one.seconds)))
        parts = "".join(
            f"<li>{html.escape(p.kind)} {p.number}, {html.escape(p.state)} {html.escape(p.sent_id)} "
            f"{html.escape(p.note)}<pre>{html.escape(p.raw)}</pre><pre>{html.escape(p.rendered)}</pre></li>"
            for p in one.parts
        )
        head = f"#{one.id} {one.at} {one.platform} chat {one.chat} user {one.user}, {one.kind}: {one.state}"
        error = f"<p>{html.escape(f'{one.error_id} {one.error}')}</p>" if one.error_id else ""
        rows.append(
            f"<section><h2>{html.escape(head)}</h2><p>{facts}</p><pre>{html.escape(one.text)}</pre>{error}"
            f"<ol>{parts}</ol></section>"
        )
    style = "body{font-family:sans-serif;max-width:60em;margin:auto}pre{white-space:pre-wrap;background:#eee}"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>June: history</title><style>{style}</style>"
        f"{''.join(rows)}</html>"
    )
