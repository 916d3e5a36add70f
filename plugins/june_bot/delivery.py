"""Sends an answer part by part, and notes before and after each what is being done.

So a kill between the two is recognised: nothing is sent twice, nothing is left out.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import dataclass, field, replace

from june_bot import planning
from june_bot.entries import Entry, Part
from june_bot.ledger import Ledger
from june_bot.pacing import Backoff, Pacer
from june_bot.seen import Seen
from june_bot.words import (
    Blocked,
    Body,
    Choice,
    File,
    Forbidden,
    Gone,
    Malformed,
    Platform,
    Refusal,
    Slow,
    Target,
    TooLarge,
    Unauthorised,
    Unreached,
    Unsure,
    Voice,
)

log = logging.getLogger("june.bot")
# Numbers of parts: what was heard, the messages of the answer, its speech, a remark about the latter.
HEARD, FIRST, VOICE, REMARK = 0, 1, 90, 91
SPEECH = "(speech)"


@dataclass(frozen=True)
class Delivery:
    """Everything that leaves for a platform passes here."""

    platform: Platform
    ledger: Ledger
    pacer: Pacer
    seen: Seen
    sending: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    def target(self, entry: Entry, number: int = FIRST) -> Target:
        """Where a part of an answer goes. Its nonce is the same after every restart."""
        one = entry.incoming
        nonce = f"{one.key.rpartition(':')[2]}-{number}"
        return Target(one.chat, one.thread, nonce, one.group, one.token if number == FIRST else "")

    async def heard(self, entry: Entry, text: str) -> None:
        """Show what was understood of a voice message."""
        raw = "🎤 " + " ".join(text.split())
        shown = planning.first_message(raw, self.platform.limits, self.platform.render)
        part = self.part(entry, HEARD, "heard", *shown)
        await self._deliver(entry, part, Body(part.rendered, part.raw))

    async def texts(self, entry: Entry, choices: tuple[Choice, ...] = ()) -> None:
        """The answer's messages, and the file of one that would be too many of them."""
        known = {part.number: part for part in self.ledger.parts(entry)}
        planned = planning.texts(entry.answer, self.platform.limits, self.platform.render)
        for number, one in enumerate(planned, FIRST):
            part = known.get(number) or Part(entry.id, number, one.kind, one.raw, one.rendered, "planned")
            if part.state == "sent":
                continue
            part = replace(part, kind=one.kind, raw=one.raw, rendered=one.rendered)
            if one.kind == "file":
                await self._deliver(entry, part, File(one.rendered, one.raw.encode()))
                continue
            buttons = choices if number == len(planned) else ()
            await self._deliver(entry, part, Body(part.rendered, part.raw, buttons))

    async def notice(self, entry: Entry, text: str) -> None:
        """A remark that is no part of the answer."""
        part = self.part(entry, REMARK, "remark", text, self.platform.render(text))
        await self._deliver(entry, part, Body(part.rendered, part.raw))

    async def voice(self, entry: Entry, voice: Voice) -> None:
        """The spoken answer. Where voice messages are not allowed, the text has to do, and that is noted."""
        part = self.part(entry, VOICE, "voice", SPEECH, f"{voice.seconds:.1f} s, {len(voice.ogg)} bytes")
        await self._deliver(entry, part, voice)

    async def preview(self, entry: Entry, part: Part, text: str) -> Part:
        """Show an answer that is still being written. It is left out where that would be too fast."""
        to = self.target(entry)
        if self.sending[to.chat].locked() or not self.pacer.spare(to.chat, group=to.group):
            return part
        async with self.sending[to.chat]:
            return await self._previewed(to, part, text)

    async def _previewed(self, to: Target, part: Part, text: str) -> Part:
        raw, rendered = planning.preview(text, self.platform.limits, self.platform.render)
        body = Body(rendered, raw)
        try:
            if part.state == "preview":
                await self.platform.edit(to, part.sent_id, body)
                return part
            if part.state != "planned":
                return part
            after = self.platform.place(to)
            part = replace(part, raw=raw, rendered=rendered, state="sending", after=after)
            self.ledger.put(part)
            sent = await self.platform.send(to, body)
            part = replace(part, state="preview", sent_id=sent)
        except Slow as slow:
            self._told_to_wait(to, slow)
            part = part.unsent()
        except Gone:
            part = part.unsent(sent_id="")
        except (Malformed, Unauthorised, Unreached):
            part = part.unsent()
        except Unsure:
            return part  # the final text finds out what became of it
        self.ledger.put(part)
        return part

    def part(self, entry: Entry, number: int, kind: str, raw: str = "", rendered: str = "") -> Part:
        """A part as the ledger has it, or one that nothing was done about yet."""
        known = next((p for p in self.ledger.parts(entry) if p.number == number), None)
        return known or Part(entry.id, number, kind, raw, rendered, "planned")

    async def _deliver(self, entry: Entry, part: Part, what: Body | Voice | File) -> None:
        """Send one part: it is there afterwards, or never can be. Blocked when the chat is closed."""
        to, backoff = self.target(entry, part.number), Backoff()
        while part.state not in ("sent", "failed"):
            try:
                async with self.sending[to.chat]:  # until it is noted nobody else's search may take it
                    part = await self._attempt(to, part, what)
                    self.ledger.put(part)
                continue
            except Slow as slow:  # nothing was done
                self._told_to_wait(to, slow)
                part = part.unsent()
            except Gone:
                part = part.unsent(sent_id="")
            except Malformed as why:
                if not isinstance(what, Body) or not what.markup:
                    part = replace(part, state="failed", note=str(why))
                else:
                    what = replace(what, markup=False)
                    part = part.unsent(rendered=part.raw, note=f"markup refused: {why}")
            except (Forbidden, TooLarge) as why:
                part = replace(part, state="failed", note=str(why))
            except (Unreached, Unauthorised):  # of a token that is wrong the receiving side makes an end
                part = part.unsent()
                await self._pause(backoff)
            except Unsure:
                await self._pause(backoff)
            self.ledger.put(part)
        if part.state == "failed":
            log.warning(
                "a part was not sent", extra={"number": entry.id, "part": part.kind, "why": part.note}
            )

    async def _attempt(self, to: Target, part: Part, what: Body | Voice | File) -> Part:
        """One attempt, with the note that it is made in front of it."""
        if part.state == "sending":
            try:
                found = await self.platform.find(to, what, part.after)
            except Blocked:
                raise
            except Refusal as why:  # whatever else it is: what became of the message is still open
                raise Unsure(str(why)) from why
            if found and not isinstance(what, Body):
                return replace(part, state="sent", sent_id=found)
            if found:  # it may be no more than the beginning: the text is written over it
                part.state, part.sent_id = "preview", found
                self.ledger.put(part)
        await self.pacer.turn(to.chat, group=to.group)
        if part.state == "preview" and isinstance(what, Body):
            await self.platform.edit(to, part.sent_id, what)
            return replace(part, state="sent")
        part.state, part.after = "sending", self.platform.place(to)
        self.ledger.put(part)
        return replace(part, state="sent", sent_id=await self.platform.send(to, what))

    async def _pause(self, backoff: Backoff) -> None:
        self.seen.retries.inc()
        await backoff.pause()

    def _told_to_wait(self, to: Target, slow: Slow) -> None:
        self.seen.too_many.inc()
        self.pacer.slow_down(to.chat, slow.retry_after_s, group=to.group)
