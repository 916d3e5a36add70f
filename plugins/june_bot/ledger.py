"""The ledger: every accepted message, how far it got, and what was really sent, in one SQLite file.

A message is written down before the platform is told that it was received. What is noted before and after
each thing that is sent makes it possible to say, after a kill at any moment, what was sent.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from june_bot.entries import OPEN, STAGES, ChatState, Entry, Part, State, entry_of, part_of, text_of
from june_bot.schema import SCHEMA
from june_bot.words import Incoming, Voice
from june_cli.errors import JuneError

VERSION = 1
BUSY_S = 10.0
FILE = "ledger.sqlite3"


class Ledger:
    """One bot's view of the file. Not for several threads; several processes may read it."""

    def __init__(self, folder: Path) -> None:
        self._db = connect(folder / FILE)
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version = {VERSION}")
        self.bot = ""

    def close(self) -> None:
        """Done with it."""
        self._db.close()

    def accept(self, messages: Sequence[Incoming]) -> list[Entry]:
        """Write messages down, all or none; returns those that are new. Durable before it returns."""
        new = []
        now = time.time()
        with self._writing(durable=True):
            for one in messages:
                row = (self.bot, one.key, one.chat, one.user, one.kind, text_of(one), now)
                done = self._db.execute(
                    "INSERT OR IGNORE INTO messages (bot, key, chat, user, kind, incoming, received_at) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
                if done.rowcount:
                    new.append(
                        Entry(int(done.lastrowid or 0), one, "received", "", 0, "", False, "", "", now)
                    )
        return new

    def unfinished(self) -> list[Entry]:
        """What was accepted and is not answered to its end, in the order it came."""
        marks = ",".join("?" * len(OPEN))
        rows = self._db.execute(
            f"SELECT * FROM messages WHERE bot = ? AND state IN ({marks}) ORDER BY id",  # noqa: S608
            (self.bot, *OPEN),
        )
        return [entry_of(row) for row in rows]

    def advance(self, entry: Entry, state: State, **values: Any) -> None:
        """A message has come a stage further; what is known of it by then is kept with it."""
        now = time.time()
        stamp = {f"{state}_at": now} if state in STAGES else {}
        with self._writing():
            self._update(entry.id, {"state": state, **values, **stamp})
            if state in ("delivered", "cancelled", "dropped"):
                self._db.execute("DELETE FROM speech WHERE message = ?", (entry.id,))
        entry.ended |= {state: now} if stamp else {}
        _set(entry, {"state": state, **values})

    def note(self, entry: Entry, **values: Any) -> None:
        """Something more is known of a message, which stays where it is."""
        with self._writing():
            self._update(entry.id, values)
        _set(entry, values)

    def _update(self, number: int, columns: Mapping[str, Any]) -> None:
        sets = ", ".join(f"{name} = ?" for name in columns)
        plain = [json.dumps(v) if isinstance(v, dict) else v for v in columns.values()]
        self._db.execute(f"UPDATE messages SET {sets} WHERE id = ?", (*plain, number))  # noqa: S608

    def parts(self, entry: Entry) -> list[Part]:
        """What was planned and sent of an answer, in order."""
        rows = self._db.execute("SELECT * FROM parts WHERE message = ? ORDER BY number", (entry.id,))
        return [part_of(row) for row in rows]

    def put(self, part: Part) -> None:
        """Write a part down as it is now."""
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*astuple(part), time.time()),
            )

    def keep_speech(self, entry: Entry, voice: Voice) -> None:
        """The spoken answer, until it is delivered."""
        with self._writing():
            row = (entry.id, voice.ogg, voice.seconds, voice.waveform)
            self._db.execute("INSERT OR REPLACE INTO speech VALUES (?, ?, ?, ?)", row)

    def speech(self, entry: Entry) -> Voice | None:
        """The spoken answer, if it was made and is not delivered yet."""
        row = self._db.execute("SELECT * FROM speech WHERE message = ?", (entry.id,)).fetchone()
        return Voice(row["ogg"], row["seconds"], row["waveform"]) if row else None

    def history(self, chat: str, before: int, most: int) -> list[tuple[str, str]]:
        """The last questions and answers of a chat's conversation, oldest first."""
        since = self.chat(chat).since
        rows = self._db.execute(
            "SELECT heard, answer FROM messages WHERE bot = ? AND chat = ? AND id < ? AND id > ? "
            "AND turn = 1 AND answer != '' ORDER BY id DESC LIMIT ?",
            (self.bot, chat, before, since, most),
        )
        return [(row["heard"], row["answer"]) for row in rows][::-1]

    def last_turn(self, chat: str, before: int) -> Entry | None:
        """The last question of the conversation, answered or cancelled."""
        row = self._db.execute(
            "SELECT * FROM messages WHERE bot = ? AND chat = ? AND id < ? AND id > ? AND heard != '' "
            "ORDER BY id DESC LIMIT 1",
            (self.bot, chat, before, self.chat(chat).since),
        ).fetchone()
        return entry_of(row) if row else None

    def last_asked(self, chat: str, before: int) -> Entry | None:
        """The last question that a person put, and did not only have answered again."""
        row = self._db.execute(
            "SELECT * FROM messages WHERE bot = ? AND chat = ? AND id < ? AND heard != '' "
            "AND kind != 'command' ORDER BY id DESC LIMIT 1",
            (self.bot, chat, before),
        ).fetchone()
        return entry_of(row) if row else None

    def entry(self, number: int) -> Entry | None:
        """A message by its number."""
        row = self._db.execute(
            "SELECT * FROM messages WHERE id = ? AND bot = ?", (number, self.bot)
        ).fetchone()
        return entry_of(row) if row else None

    def chat(self, chat: str) -> ChatState:
        """What was chosen in a chat."""
        row = self._db.execute("SELECT * FROM chats WHERE bot = ? AND chat = ?", (self.bot, chat)).fetchone()
        return ChatState(row["voice"], row["persona"], row["since"]) if row else ChatState()

    def choose(self, chat: str, **values: Any) -> None:
        """Keep a choice for a chat."""
        with self._writing():
            self._db.execute("INSERT OR IGNORE INTO chats (bot, chat) VALUES (?, ?)", (self.bot, chat))
            sets = ", ".join(f"{name} = ?" for name in values)
            self._db.execute(
                f"UPDATE chats SET {sets} WHERE bot = ? AND chat = ?",  # noqa: S608 - names of columns
                (*values.values(), self.bot, chat),
            )

    def introduced(self, user: str) -> bool:
        """Note a stranger; whether that one had been noted before."""
        with self._writing():
            row = (self.bot, user, time.time())
            return not self._db.execute("INSERT OR IGNORE INTO strangers VALUES (?, ?, ?)", row).rowcount

    def reached(self) -> dict[str, str]:
        """The last message of each chat that was written down, for platforms whose history can be read."""
        rows = self._db.execute("SELECT chat, reached FROM places WHERE bot = ?", (self.bot,))
        return {row["chat"]: row["reached"] for row in rows}

    def reach(self, chat: str, message: str) -> None:
        """Everything of a chat up to here was seen."""
        with self._writing():
            self._db.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (self.bot, chat, message))

    def accounted(self, chat: str) -> set[str]:
        """The ids of all messages of a chat that are known: what came in, and what was sent."""
        sent = self._db.execute(
            "SELECT sent_id FROM parts JOIN messages ON messages.id = parts.message "
            "WHERE bot = ? AND chat = ? AND sent_id != ''",
            (self.bot, chat),
        )
        came = self._db.execute(
            "SELECT json_extract(incoming, '$.thread') AS thread FROM messages WHERE bot = ? AND chat = ?",
            (self.bot, chat),
        )
        return {row["sent_id"] for row in sent} | {row["thread"] for row in came}

    def newest(self) -> dict[str, int]:
        """The highest number of a message that is known of each chat, for platforms that number them."""
        rows = self._db.execute(
            "SELECT chat, max(number) AS number FROM ("
            "SELECT chat, CAST(json_extract(incoming, '$.thread') AS INTEGER) AS number FROM messages "
            "WHERE bot = ?1 UNION ALL "
            "SELECT chat, max(CAST(sent_id AS INTEGER), CAST(after AS INTEGER)) FROM parts "
            "JOIN messages ON messages.id = parts.message WHERE bot = ?1) GROUP BY chat",
            (self.bot,),
        )
        return {row["chat"]: row["number"] or 0 for row in rows}

    def forget_before(self, seconds: float) -> int:
        """Remove what was answered so long ago; returns how many messages."""
        with self._writing():
            marks = ",".join("?" * len(OPEN))
            self._db.execute("DELETE FROM strangers WHERE at < ?", (time.time() - seconds,))
            return self._db.execute(
                # never the newest: its number would come again, and numbers tell where conversations begin
                f"DELETE FROM messages WHERE received_at < ? AND state NOT IN ({marks}) "  # noqa: S608
                "AND id < (SELECT max(id) FROM messages)",
                (time.time() - seconds, *OPEN),
            ).rowcount

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[None]:
        """One transaction. `durable` also survives a power cut; the others can be redone."""
        try:
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise JuneError(
                    "ledger-failed", f"the ledger cannot be written: {error}.", hint="is the disk full?"
                ) from error
            raise


def _set(entry: Entry, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(entry, name, value)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a ledger's file; JuneError when it cannot be."""
    try:
        uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        db = sqlite3.connect(uri, uri=True, timeout=BUSY_S, isolation_level=None)
        db.row_factory = sqlite3.Row
        if not read_only:
            path.chmod(0o600)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA foreign_keys = ON")
        db.execute("SELECT count(*) FROM sqlite_master")
    except (sqlite3.Error, OSError) as error:
        raise JuneError("ledger-unreadable", f"the ledger {path} cannot be opened: {error}.") from error
    return db
