"""What a person sees while an answer is made: an indicator, and the text as it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from june_bot.delivery import FIRST, Delivery
from june_bot.entries import Entry
from june_bot.words import Busy, Refusal

FIRST_S = 0.7  # from the first token to the first text: an answer that is done by then is sent once, whole
INDICATOR_S = 0.3  # what takes less shows no indicator


@dataclass
class Live:
    """Shows one answer as it grows, in its first message; later ones come when it is whole."""

    delivery: Delivery
    entry: Entry
    text: str = ""
    _shown: str = ""
    _begun: asyncio.Event = field(default_factory=asyncio.Event)
    _done: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self, *, after: asyncio.Task[None]) -> None:
        """From now on what is written is shown, once `after` is done."""
        self._task = asyncio.create_task(self._show(after))

    def wrote(self, piece: str) -> None:
        """More of the answer."""
        self.text += piece
        if self.text.strip():
            self._begun.set()

    async def finish(self) -> None:
        """The answer is whole, or will not be: nothing more is shown. What is being sent is sent first."""
        self._done.set()
        self._begun.set()
        if self._task:
            await self._task

    async def _show(self, after: asyncio.Task[None]) -> None:
        await self._begun.wait()
        await asyncio.wait([after])
        limits, group = self.delivery.platform.limits, self.entry.incoming.group
        pause_s = FIRST_S
        part = self.delivery.part(self.entry, FIRST, "text")
        while not await _within(self._done, pause_s):
            if self.text != self._shown:
                with suppress(Refusal):
                    part = await self.delivery.preview(self.entry, part, self.text)
                self._shown = self.text
            pause_s = limits.group_edit_s if group else limits.edit_s


async def indicate(delivery: Delivery, entry: Entry, what: Callable[[], Busy]) -> None:
    """Show that something is being done, again and again until cancelled. Never in the way of a message."""
    to = delivery.target(entry)
    await asyncio.sleep(INDICATOR_S)
    while True:
        if delivery.pacer.spare(to.chat, group=to.group):
            with suppress(Refusal):
                await delivery.platform.busy(to, what())
        await asyncio.sleep(max(1.0, delivery.platform.limits.busy_s - 0.5))


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
