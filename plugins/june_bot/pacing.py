"""Keeps to the platform's rates: a token bucket a chat and one a bot; edits and indicators count too."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from june_bot.limits import Limits, Rate
from june_bot.words import Refusal, Slow, Unreached, Unsure

T = TypeVar("T")
FIRST_S, MOST_S = 1.0, 60.0
CHATS = 10_000  # buckets remembered; the oldest is full again long before it is forgotten


@dataclass
class Backoff:
    """Waits between attempts: a second, and twice as long each time, up to a minute."""

    _next_s: float = FIRST_S

    async def pause(self) -> None:
        """Wait before the next attempt."""
        waited_s, self._next_s = self._next_s, min(self._next_s * 2, MOST_S)
        await asyncio.sleep(waited_s)

    def reset(self) -> None:
        """It has worked: the next failure is a first one."""
        self._next_s = FIRST_S


async def until_there(ask: Callable[[], Awaitable[T]], away: Callable[[Refusal], None]) -> T:
    """Ask a platform, however long it is away; `away` hears of each time. Other refusals are raised."""
    backoff = Backoff()
    while True:
        try:
            return await ask()
        except (Slow, Unreached, Unsure) as why:
            away(why)
        await backoff.pause()


@dataclass
class Bucket:
    """Tokens that come back with time. Below zero: somebody has taken one in advance and waits for it."""

    rate: Rate
    tokens: float
    at: float

    def wait_s(self, now: float) -> float:
        """How long until there is a token."""
        self._fill(now)
        return max(0.0, (1.0 - self.tokens) / self.rate.per_s)

    def take(self, now: float) -> float:
        """Take a token; returns how long to wait before using it."""
        self._fill(now)
        self.tokens -= 1.0
        return max(0.0, -self.tokens / self.rate.per_s)

    def empty(self, now: float, for_s: float) -> None:
        """The platform said when to come back."""
        self._fill(now)
        self.tokens = min(self.tokens, -for_s * self.rate.per_s)

    def _fill(self, now: float) -> None:
        self.tokens = min(self.rate.burst, self.tokens + max(0.0, now - self.at) * self.rate.per_s)
        self.at = now


@dataclass
class Pacer:
    """Who may send now. `clock` is monotonic seconds."""

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    _chats: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)
    _bot: Bucket | None = None

    async def turn(self, chat: str, *, group: bool) -> None:
        """Wait until a message may be sent. Whoever comes first sends first; other chats are not kept."""
        now = self.clock()
        wait = max(self._own().take(now), self._of(chat, group).take(now))
        if wait > 0:
            await asyncio.sleep(wait)

    def spare(self, chat: str, *, group: bool) -> bool:
        """Take a token, if one is there, for what may as well be left out: an edit or an indicator."""
        now = self.clock()
        buckets = (self._own(), self._of(chat, group))
        if any(bucket.wait_s(now) > 0 for bucket in buckets):
            return False
        for bucket in buckets:
            bucket.take(now)
        return True

    def slow_down(self, chat: str, retry_after_s: float, *, group: bool) -> None:
        """The platform answered 429 for a chat: nobody sends there before the time it named."""
        self._of(chat, group).empty(self.clock(), retry_after_s)

    def _own(self) -> Bucket:
        if self._bot is None:
            self._bot = Bucket(self.limits.bot, self.limits.bot.burst, self.clock())
        return self._bot

    def _of(self, chat: str, group: bool) -> Bucket:
        if chat not in self._chats:
            rate = self.limits.group if group else self.limits.chat
            self._chats[chat] = Bucket(rate, rate.burst, self.clock())
            while len(self._chats) > CHATS:
                self._chats.popitem(last=False)
        self._chats.move_to_end(chat)
        return self._chats[chat]
