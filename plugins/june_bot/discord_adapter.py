"""Discord, through discord.py: what is asked of it, and how it refuses."""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import discord

from june_bot import rendering
from june_bot.discord_client import Client
from june_bot.discord_errors import refusal
from june_bot.discord_messages import answers_to, incoming
from june_bot.discord_parts import buttons, collected, voice_form
from june_bot.limits import DISCORD, Limits
from june_bot.words import (
    Accept,
    Audio,
    Blocked,
    Body,
    Busy,
    File,
    Forbidden,
    Gone,
    Incoming,
    Malformed,
    Refusal,
    Slow,
    Target,
    TooLarge,
    Unauthorised,
    Unreached,
    Unsure,
    Voice,
)
from june_cli.errors import JuneError

log = logging.getLogger("june.bot")
T = TypeVar("T")
ANYWHERE, MARK_S = "*", 60.0  # in place of a chat: a message seen lately, wherever it was
MISSED, AGAIN_S = 5000, 5.0  # messages of a chat that are fetched after a while away
LOOKED_AT = 100  # messages of history in which one that was sent is looked for


@dataclass
class Discord:
    """The platform. `reached` and `reach` say and note up to where a chat has been seen."""

    token: str
    reached: Callable[[], dict[str, str]] = dict
    reach: Callable[[str, str], None] = lambda _chat, _message: None
    known: Callable[[str], set[str]] = lambda _: set()
    contact: Callable[[], None] = lambda: None
    trouble: Callable[[str], None] = lambda _: None
    name: str = "discord"
    limits: Limits = DISCORD
    _accept: Accept | None = None
    _marked: float = -1e9
    _behind: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.client = Client(self._took, self._said, self._back, self._away)

    @property
    def bot(self) -> str:
        """The bot's id."""
        return str(self._me.id)

    @property
    def _me(self) -> discord.ClientUser:
        if self.client.user is None:
            raise RuntimeError("the bot has not logged in")
        return self.client.user

    async def open(self) -> None:
        """Learn who the bot is, and register its commands."""
        await self._asked(self.client.login(self.token))

    async def close(self) -> None:
        """Log out."""
        if self._behind:
            self._behind.cancel()
        await self.client.close()

    def remember(self, newest: Mapping[str, int]) -> None:
        """Discord has a history to look into."""

    async def receive(self, accept: Accept) -> None:
        """Listen. discord.py connects again by itself; what was missed meanwhile is fetched."""
        self.begin(accept)
        try:
            await self.client.connect(reconnect=True)
        except discord.ConnectionClosed as error:
            if error.code == 4004:
                raise Unauthorised(str(error)) from error
            raise Unreached(str(error)) from error

    def begin(self, accept: Accept) -> None:
        """From now on messages are handed over."""
        self._accept = accept

    async def fetch(self, audio: Audio) -> bytes:
        """A sound's bytes; its address is asked for anew, for it expires."""
        channel, message, wanted = (int(part) for part in audio.reference.split(":"))
        found = await self._asked(self._channel(channel).fetch_message(message))
        attachment = next((one for one in found.attachments if one.id == wanted), None)
        if attachment is None:
            raise Gone("the attachment is not there any more")
        if attachment.size > self.limits.download_bytes:
            raise TooLarge
        return await self._asked(attachment.read())

    async def send(self, to: Target, what: Body | Voice | File) -> str:
        """Send as an answer to the message. The nonce has Discord itself refuse to send it twice."""
        if isinstance(what, Voice):
            return await self._voice(to, what)
        if isinstance(what, Body):
            if to.token and (answered := await self._respond(to.token, what)):
                return answered
            more = {"view": buttons(what)} if what.choices else {}
            call = self._channel(to.chat).send(what.text, **{**self._common(to), **more})
        else:
            if len(what.content) > self.limits.upload_bytes:
                raise TooLarge
            file = discord.File(io.BytesIO(what.content), what.name)
            call = self._channel(to.chat).send(what.caption or None, file=file, **self._common(to))
        return str((await self._asked(call)).id)

    async def _respond(self, token: str, body: Body) -> str:
        """Answer an interaction, where that is still possible: an edit, which may be done again.

        A token of Discord's lasts a quarter of an hour, and is good once the interaction was acknowledged.
        """
        if acknowledged := self.client.acknowledging.get(token):
            await acknowledged.wait()
        route = discord.http.Route(
            "PATCH",
            "/webhooks/{webhook_id}/{webhook_token}/messages/@original",
            webhook_id=self.client.application_id,
            webhook_token=token.partition(":")[2],
        )
        try:
            sent: dict[str, Any] = await self._asked(
                self.client.http.request(route, json={"content": body.text})
            )
        except Refusal as why:
            if isinstance(why, (Slow, Unsure, Unreached)):
                raise
            return ""
        return str(sent["id"])

    async def _voice(self, to: Target, voice: Voice) -> str:
        """A voice message, which discord.py cannot send itself; where those are not allowed, a sound file."""
        form, file = voice_form(to, voice)
        route = discord.http.Route("POST", "/channels/{channel_id}/messages", channel_id=int(to.chat))
        try:
            sent: dict[str, Any] = await self._asked(self.client.http.request(route, form=form, files=[file]))
        except (Forbidden, Blocked, Malformed) as why:
            log.info("no voice message", extra={"chat": to.chat, "why": str(why)})
            file = discord.File(io.BytesIO(voice.ogg), "answer.ogg")
            try:
                plain = await self._asked(self._channel(to.chat).send(file=file, **self._common(to)))
            except Blocked as closed:
                raise Forbidden(str(closed)) from closed  # the text went through
            return str(plain.id)
        return str(sent["id"])

    async def edit(self, to: Target, message: str, body: Body) -> None:
        """Replace a text."""
        one = self._channel(to.chat).get_partial_message(int(message))
        await self._asked(one.edit(content=body.text, view=buttons(body)))

    def place(self, to: Target) -> str:
        """The message, or interaction, that is answered: what was sent comes after it."""
        return to.reply_to or to.token.partition(":")[0]

    async def find(self, to: Target, what: Body | Voice | File, after: str) -> str:
        """The bot's own message that answers the same one, is of the same kind, and is not accounted for."""
        known = self.known(to.chat)
        for message in await self._history(to.chat, after, LOOKED_AT):
            if message.author.id != self._me.id or str(message.id) in known:
                continue
            answers = answers_to(message, to.reply_to, to.token)
            same = bool(message.attachments) == (not isinstance(what, Body))
            if same and (answers or isinstance(what, Voice)):
                return str(message.id)
        return ""

    async def busy(self, to: Target, what: Busy) -> None:
        """Discord knows one indicator for all that is done."""
        del what
        await self._asked(self.client.http.send_typing(int(to.chat)))

    def render(self, markdown: str) -> str:
        """As Discord's Markdown."""
        return rendering.discord(markdown)

    def _channel(self, chat: str | int) -> discord.PartialMessageable:
        """With its guild, or what is fetched from it would pass for private."""
        guild = getattr(self.client.get_channel(int(chat)), "guild", None)
        return self.client.get_partial_messageable(int(chat), guild_id=guild.id if guild else None)

    def _common(self, to: Target) -> dict[str, Any]:
        nonce: dict[str, Any] = {"nonce": to.nonce} if to.nonce else {}
        if not to.reply_to:
            return nonce
        reference = discord.MessageReference(
            message_id=int(to.reply_to), channel_id=int(to.chat), fail_if_not_exists=False
        )
        return {**nonce, "reference": reference, "mention_author": False}

    def _away(self) -> None:
        self.trouble("Discord is out of reach")

    def _took(self, one: Incoming) -> bool:
        if self._accept is None:
            return False
        return self._accept([one]) > 0

    def _said(self, message: discord.Message) -> None:
        """Somebody wrote: written down, and then the chat has been seen up to there.

        While something could not be written down nothing counts as seen: the history has it.
        """
        self.contact()
        one = incoming(message, self._me)
        try:
            taken = one is not None and self._took(one)
        except JuneError as why:
            log.error("not noted", extra={"chat": str(message.channel.id), "why": why.message})
            if self._behind is None:
                self._behind = asyncio.create_task(self._catch_up())
            return
        if self._behind:
            return
        if one and taken:
            self.reach(one.chat, str(message.id))
        if time.monotonic() - self._marked > MARK_S:
            self._marked = time.monotonic()
            self.reach(ANYWHERE, str(message.id))

    async def _catch_up(self) -> None:
        """Fetch what could not be written down, as soon as it can."""
        while self._behind:
            await asyncio.sleep(AGAIN_S)
            with suppress(JuneError):
                await self._back()
                self._behind = None

    async def _back(self) -> None:
        """Fetch what was written while nobody listened; the ledger knows what it has already."""
        self.contact()
        for chat, last in self._places().items():
            try:
                await self._missed(chat, last)
            except Refusal as why:
                log.warning("the history cannot be read", extra={"chat": chat, "why": str(why)})

    async def _missed(self, chat: str, last: str) -> None:
        """A chat's messages after one, the newest MISSED of them."""
        found = (await self._history(chat, last, MISSED, newest=True))[::-1]
        missed = [one for message in found if (one := incoming(message, self._me))]
        if missed and self._accept:
            self._accept(missed)
        if found:
            self.reach(chat, str(found[-1].id))

    def _places(self) -> dict[str, str]:
        """Chats to look through, and after which message: those known, and others that have newer ones."""
        known = self.reached()
        anywhere = known.pop(ANYWHERE, "")
        for channel in self.client.get_all_channels() if anywhere else ():
            newest = getattr(channel, "last_message_id", None) or 0
            if newest > int(anywhere) and str(channel.id) not in known:
                known[str(channel.id)] = anywhere
        return known

    async def _history(
        self, chat: str, after: str, most: int, *, newest: bool = False
    ) -> list[discord.Message]:
        """Messages after one: the first of them in their order, or the `newest` from the last backwards."""
        since = discord.Object(int(after)) if after else None
        history = self._channel(chat).history(after=since, limit=most, oldest_first=not newest)
        return await self._asked(collected(history))

    async def _asked(self, call: Awaitable[T]) -> T:
        """Whatever a request raises, as a refusal."""
        try:
            return await call
        except (TimeoutError, discord.DiscordException, aiohttp.ClientError, OSError) as error:
            raise refusal(error) from error
