"""A message, and the parts of its answer, as the ledger has them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from june_bot.words import Audio, Incoming

State = Literal["received", "transcribed", "answered", "spoken", "delivered", "cancelled", "dropped"]
STAGES: tuple[State, ...] = ("transcribed", "answered", "spoken", "delivered")
OPEN: tuple[State, ...] = ("received", "transcribed", "answered", "spoken")


@dataclass
class Entry:
    """A message as the ledger has it. `turn`: whether question and answer belong to the conversation."""

    id: int
    incoming: Incoming
    state: State
    heard: str
    confidence: float
    answer: str
    turn: bool
    error_id: str
    error: str
    received_at: float
    ended: dict[str, float] = field(default_factory=dict)  # each stage it came to, seconds since 1970
    stages: dict[str, float] = field(default_factory=dict)  # seconds that the models took


@dataclass
class Part:
    """One thing sent, or to be sent. state: planned, sending (it may have been sent), preview (it is on the
    screen and not final), sent, or failed with its reason in `note`. `after`: where the chat was before it.
    """

    message: int
    number: int
    kind: str
    raw: str
    rendered: str
    state: str
    sent_id: str = ""
    note: str = ""
    after: str = ""

    def unsent(self, **changes: Any) -> Part:
        """The same after an attempt that did nothing: what was on the screen before still is."""
        back = replace(self, **changes)
        return replace(back, state="preview" if back.sent_id else "planned")


@dataclass(frozen=True)
class ChatState:
    """What was chosen in a chat; `since`: the conversation begins after that message."""

    voice: str = ""
    persona: str = ""
    since: int = 0


def text_of(one: Incoming) -> str:
    """A message as it is written down."""
    return json.dumps(asdict(one))  # in ASCII: SQLite takes no half of a surrogate pair


def incoming(text: str) -> Incoming:
    """A message as it was written down."""
    data: dict[str, Any] = json.loads(text)
    audio = data.pop("audio", None)
    return Incoming(**data, audio=Audio(**audio) if audio else None)


def entry_of(row: sqlite3.Row) -> Entry:
    """A row of `messages`."""
    return Entry(
        id=row["id"],
        incoming=incoming(row["incoming"]),
        state=row["state"],
        heard=row["heard"],
        confidence=row["confidence"],
        answer=row["answer"],
        turn=bool(row["turn"]),
        error_id=row["error_id"],
        error=row["error"],
        received_at=row["received_at"],
        stages=json.loads(row["stages"]),
        ended={stage: row[f"{stage}_at"] for stage in STAGES if row[f"{stage}_at"]},
    )


def part_of(row: sqlite3.Row) -> Part:
    """A row of `parts`."""
    return Part(**{f.name: row[f.name] for f in fields(Part)})
