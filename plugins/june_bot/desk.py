"""Takes messages in and has them answered: in order within a chat, chats side by side, none lost."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from june_bot import said
from june_bot.access import Door
from june_bot.answering import Answering
from june_bot.chat_commands import COMMANDS, parsed
from june_bot.entries import Entry
from june_bot.ledger import Ledger
from june_bot.seen import Seen
from june_bot.settings import Settings
from june_bot.words import Blocked, Incoming
from june_cli.errors import JuneError

log = logging.getLogger("june.bot")
AGAIN_S = 5.0  # after something in June itself failed, a full disk for one
BUGS = 3


@dataclass
class Chat:
    """One chat's messages that wait, and the one being answered."""

    waiting: deque[Entry] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None
    current: Entry | None = None
    answering: asyncio.Task[None] | None = None
    stopped: bool = False  # the answer under way was cancelled by a person


@dataclass
class Desk:
    """Messages of one bot."""

    ledger: Ledger
    door: Door
    settings: Settings
    seen: Seen
    answering: Answering = field(init=False)  # which needs the desk's `cancel`, and is set once it is made
    _chats: dict[str, Chat] = field(default_factory=dict)
    _at_once: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, messages: Sequence[Incoming]) -> int:
        """Write down what is to be answered, durably, and go about it: nothing is answered yet on return.

        Returns how many messages are new and will be answered.
        """
        judged = [(one, self.door.judge(one)) for one in messages]
        wanted = [
            replace(one, kind="stranger", text="", audio=None) if verdict == "stranger" else one
            for one, verdict in judged
            if verdict != "ignored"
        ]
        coming: dict[str, int] = {}
        for number, one in enumerate(wanted):
            coming[one.chat] = coming.get(one.chat, 0) + 1
            if not _gets_through(one) and self._too_much(one.chat, coming[one.chat], number):
                wanted[number] = replace(one, kind="busy", audio=None)
        new = self.ledger.accept(wanted) if wanted else []
        for entry in new:
            self._take(entry)
        return len(new)

    def resume(self) -> int:
        """Go on with what was accepted before and is not answered; returns how much that is."""
        unfinished = self.ledger.unfinished()
        for entry in unfinished:
            self._take(entry)
        return len(unfinished)

    @property
    def waiting(self) -> int:
        """Messages accepted and not answered."""
        return sum(len(chat.waiting) + (chat.current is not None) for chat in self._chats.values())

    def cancel(self, name: str) -> bool:
        """Stop the answer under way in a chat; False when there is none."""
        chat = self._chats.get(name)
        if chat is None or chat.answering is None or chat.current is None or chat.answering.done():
            return False
        chat.stopped = True
        chat.answering.cancel()
        return True

    async def close(self) -> None:
        """Leave everything where it is: the ledger knows, and the next start goes on."""
        chats = list(self._chats.values())
        tasks = [task for chat in chats for task in (chat.worker, chat.answering) if task]
        for task in (*tasks, *self._at_once):
            task.cancel()
        await asyncio.gather(*tasks, *self._at_once, return_exceptions=True)

    def _too_much(self, name: str, coming: int, coming_in_all: int) -> bool:
        chat = self._chats.get(name)
        queued = len(chat.waiting) if chat else 0
        return queued + coming > self.settings.queue or self.waiting + coming_in_all >= self.settings.pending

    def _take(self, entry: Entry) -> None:
        self.seen.messages.labels("received").inc()
        facts = {"number": entry.id, "chat": entry.incoming.chat, "kind": entry.incoming.kind}
        log.info("received", extra={**facts, "text": entry.incoming.text if self.settings.log_text else None})
        if _at_once(entry):
            task = asyncio.create_task(self._answer(entry))
            self._at_once.add(task)
            task.add_done_callback(self._at_once.discard)
            return
        chat = self._chats.setdefault(entry.incoming.chat, Chat())
        if self.settings.busy == "interrupt" and entry.incoming.kind in ("text", "voice"):
            self.cancel(entry.incoming.chat)
        chat.waiting.append(entry)
        self.seen.waiting.set(self.waiting)
        if chat.worker is None:
            chat.worker = asyncio.create_task(self._work(entry.incoming.chat, chat))

    async def _work(self, name: str, chat: Chat) -> None:
        """Answer a chat's messages, one after the other, until none waits."""
        try:
            while chat.waiting:
                chat.current, chat.stopped = chat.waiting.popleft(), False
                chat.answering = asyncio.create_task(self._answer(chat.current))
                try:
                    await chat.answering
                except asyncio.CancelledError:
                    chat.answering.cancel()
                    if not chat.stopped:
                        raise
                    await self._stopped(chat.current)
                except (
                    Exception
                ):  # the ledger could not even note that it was dropped: the next start goes on
                    log.exception("left for the next start", extra={"number": chat.current.id})
                chat.current = None
                self.seen.waiting.set(self.waiting)
        finally:
            self._chats.pop(name, None)

    async def _answer(self, entry: Entry) -> None:
        """To the end. What fails in June itself is tried again; a bug is not tried for ever."""
        bugs = 0
        while True:
            try:
                return await self.answering.answer(entry)
            except Blocked as why:
                return self._dropped(entry, f"the chat is closed: {why}")
            except JuneError as error:  # the ledger: without it nothing is sent, and nothing is forgotten
                log.error("not noted", extra={"number": entry.id, "why": error.message})
            except Exception as error:
                log.exception("not answered", extra={"number": entry.id})
                bugs += 1
                if bugs == BUGS:
                    return self._dropped(entry, said.technical(error))
            await asyncio.sleep(AGAIN_S)

    def _dropped(self, entry: Entry, why: str) -> None:
        log.warning("dropped", extra={"number": entry.id, "chat": entry.incoming.chat, "why": why})
        self.ledger.advance(entry, "dropped", error=why)
        self.seen.messages.labels("dropped").inc()

    async def _stopped(self, entry: Entry) -> None:
        try:
            await self.answering.cancelled(entry)
        except Blocked as why:
            self._dropped(entry, f"the chat is closed: {why}")
        except Exception:
            log.exception("not stopped", extra={"number": entry.id})


def _at_once(entry: Entry) -> bool:
    """Whether a message does not wait for the answer under way in its chat."""
    return entry.incoming.kind == "busy" or _gets_through(entry.incoming)


def _gets_through(one: Incoming) -> bool:
    """Whether it neither waits nor counts: /cancel has to get through."""
    if one.kind != "command":
        return one.kind == "stranger"
    command = COMMANDS.get(parsed(one.text)[0])
    return command is None or command.now
