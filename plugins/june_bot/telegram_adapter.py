"""Telegram, through python-telegram-bot's client: what is asked of it, and how it refuses."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import telegram
from telegram.constants import ChatAction

from june_bot import rendering
from june_bot import telegram_wire as wire
from june_bot.chat_commands import COMMANDS
from june_bot.limits import TELEGRAM, TELEGRAM_LOCAL_FILE_BYTES, Limits
from june_bot.pacing import Backoff, until_there
from june_bot.telegram_errors import refusal, unmodified
from june_bot.telegram_updates import WANTED, incoming
from june_bot.words import (
    Accept,
    Audio,
    Body,
    Busy,
    Elsewhere,
    File,
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
POLL_S, AT_ONCE_S = 30, 0.5
CONFLICT_S, CONFLICTS = 3.0, 2
PROBES = 60  # messages looked at for one that was sent and not noted
ACTIONS: dict[Busy, ChatAction] = {
    "typing": ChatAction.TYPING,
    "recording": ChatAction.RECORD_VOICE,
    "uploading": ChatAction.UPLOAD_VOICE,
}


@dataclass
class Telegram:
    """The platform. `known` has the ids of a chat's messages that are accounted for; the others report."""

    token: str
    api_url: str = ""
    file_url: str = ""
    known: Callable[[str], set[str]] = lambda _: set()
    contact: Callable[[], None] = lambda: None
    trouble: Callable[[str], None] = lambda _: None
    name: str = "telegram"
    limits: Limits = TELEGRAM
    _me: telegram.User | None = None
    _highest: dict[str, int] = field(default_factory=dict)
    _moved: dict[str, str] = field(default_factory=dict)
    _asides: set[asyncio.Task[Any]] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.api_url:
            self.limits = replace(self.limits, download_bytes=TELEGRAM_LOCAL_FILE_BYTES)
        self._bot = wire.client(self.token, self.api_url, self.file_url)

    @property
    def bot(self) -> str:
        """The bot's id."""
        return str(self._self.id)

    @property
    def _self(self) -> telegram.User:
        if self._me is None:
            raise RuntimeError("the bot has not logged in")
        return self._me

    async def open(self) -> None:
        """Learn who the bot is. Commands that cannot be registered are no reason not to work."""
        await self._asked(self._bot.initialize())
        self._me = self._bot.bot
        commands = [telegram.BotCommand(name, one.summary) for name, one in COMMANDS.items()]
        with suppress(Refusal):
            await self._asked(self._bot.set_my_commands(commands))
        self.contact()

    async def close(self) -> None:
        """Let go of the connections."""
        for task in self._asides:
            task.cancel()
        await self._bot.shutdown()

    def remember(self, newest: Mapping[str, int]) -> None:
        """Numbers go on from where they were: `find` looks after the last one known."""
        for chat, number in newest.items():
            self._reached(chat, str(number))

    async def listen(self, url: str, secret: str) -> None:
        """Have updates sent to a webhook instead of fetching them."""
        await self._asked(self._bot.set_webhook(url, secret_token=secret, allowed_updates=WANTED))

    async def receive(self, accept: Accept) -> None:
        """Long polling. An update is confirmed by asking for the one after it, once `accept` has returned."""
        offset, backoff, conflicts = None, Backoff(), 0
        await self._unhook()
        while True:
            asked = time.monotonic()
            try:
                updates = await self._asked(wire.updates(self._bot, offset, POLL_S, WANTED))
                self.contact()
                backoff.reset()
                conflicts = 0
                if updates:
                    self.take(updates, accept)
                    offset = updates[-1]["update_id"] + 1
                elif time.monotonic() - asked < AT_ONCE_S:  # a server that does not wait
                    await asyncio.sleep(AT_ONCE_S)
            except Elsewhere:
                conflicts += 1
                if conflicts >= CONFLICTS:
                    raise
                log.warning("another program receives this bot's messages")
                await asyncio.sleep(CONFLICT_S)
            except Slow as slow:
                await asyncio.sleep(slow.retry_after_s)
            except JuneError as error:  # not written down, so not confirmed: it comes again
                self.trouble(error.message)
                await backoff.pause()
            except (Unreached, Unsure, Malformed) as why:
                self.trouble(f"Telegram cannot be reached: {why}")
                await backoff.pause()

    async def _unhook(self) -> None:
        """Fetching is refused while a webhook is set."""
        with suppress(Refusal):  # of a server that knows no webhooks, for one
            await until_there(
                lambda: self._asked(self._bot.delete_webhook()),
                lambda why: self.trouble(f"Telegram cannot be reached: {why}"),
            )

    def take(self, updates: Sequence[dict[str, Any]], accept: Accept) -> None:
        """Hand updates over. Buttons are told that they were pressed, after they were written down."""
        found = [one for update in updates if (one := self._read(update))]
        for one in found:
            self._reached(one.chat, one.thread)
        accept(found)
        for one in found:
            if one.kind == "button":
                self._aside(self._bot.answer_callback_query(one.key.removeprefix("button:")))

    def _read(self, update: dict[str, Any]) -> Incoming | None:
        """An update that cannot be read is left out: it, and all that came with it, would come for ever."""
        try:
            return incoming(telegram.Update.de_json(update, self._bot), self._self)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it
            number = update.get("update_id")
            log.warning("an update cannot be read", extra={"number": number, "why": type(error).__name__})
            return None

    def hook(self, accept: Accept) -> Callable[[dict[str, Any]], None]:
        """What a webhook calls with each update."""

        def arrived(content: dict[str, Any]) -> None:
            self.contact()
            self.take([content], accept)

        return arrived

    async def fetch(self, audio: Audio) -> bytes:
        """A file's bytes, no more than the platform's limit of them."""
        file = await self._asked(self._bot.get_file(audio.reference))
        if (file.file_size or 0) > self.limits.download_bytes:
            raise TooLarge
        return bytes(await self._asked(file.download_as_bytearray(read_timeout=60.0)))

    async def send(self, to: Target, what: Body | Voice | File) -> str:
        """Send as an answer to the message; one that was deleted meanwhile is no reason not to."""
        reply = None
        if to.reply_to:
            reply = telegram.ReplyParameters(int(to.reply_to), allow_sending_without_reply=True)
        common: dict[str, Any] = {"chat_id": self._place(to.chat), "reply_parameters": reply}
        if isinstance(what, Body):
            call = self._bot.send_message(**common, **wire.text(what), reply_markup=wire.buttons(what))
        elif isinstance(what, Voice):
            seconds = max(1, round(what.seconds))
            call = self._bot.send_voice(voice=what.ogg, filename="voice.ogg", duration=seconds, **common)
        else:
            if len(what.content) > self.limits.upload_bytes:
                raise TooLarge
            call = self._bot.send_document(
                document=what.content, filename=what.name, caption=what.caption or None, **common
            )
        sent: telegram.Message = await self._asked(call, chat=to.chat)
        self._reached(to.chat, str(sent.message_id))
        return str(sent.message_id)

    async def edit(self, to: Target, message: str, body: Body) -> None:
        """Replace a text."""
        await self._asked(
            self._bot.edit_message_text(
                chat_id=self._place(to.chat),
                message_id=int(message),
                **wire.text(body),
                reply_markup=wire.buttons(body),
            ),
            chat=to.chat,
        )

    def place(self, to: Target) -> str:
        """The highest number of a message. Private chats share one row of numbers, groups have their own."""
        return str(max(self._highest.get(_row(to.chat), 0), int(to.reply_to or 0)))

    async def find(self, to: Target, what: Body | Voice | File, after: str) -> str:
        """Telegram shows a bot no history, but lets it edit its own messages alone: the one that takes the
        answer as an edit, and is not accounted for, is the one that was sent.
        """
        known, first = self.known(to.chat), int(after or to.reply_to or 0) + 1
        for number in range(first, first + PROBES):
            if str(number) in known:
                continue
            with suppress(Gone, Malformed, Unauthorised):  # the last: a server without that method
                await self._probe(to, str(number), what)
                return str(number)
        return ""

    async def _probe(self, to: Target, message: str, what: Body | Voice | File) -> None:
        while True:
            try:
                if isinstance(what, Body):
                    return await self.edit(to, message, what)
                caption = what.caption if isinstance(what, File) else ""
                call = self._bot.edit_message_caption(
                    chat_id=self._place(to.chat), message_id=int(message), caption=caption or None
                )
                await self._asked(call, chat=to.chat)
            except Slow as slow:
                await asyncio.sleep(slow.retry_after_s)
            else:
                return None

    async def busy(self, to: Target, what: Busy) -> None:
        """An indicator under the chat's name."""
        await self._asked(self._bot.send_chat_action(self._place(to.chat), ACTIONS[what]))

    def render(self, markdown: str) -> str:
        """As Telegram's HTML."""
        return rendering.telegram(markdown)

    async def _asked(self, call: Awaitable[T], *, chat: str = "") -> T:
        """Whatever a request raises, as a refusal. An edit that changes nothing has done what it should."""
        try:
            return await call
        except telegram.error.ChatMigrated as moved:
            self._moved[chat] = str(moved.new_chat_id)
            raise Unreached(f"the group is now {moved.new_chat_id}") from moved
        except telegram.error.TelegramError as error:
            if unmodified(error):
                return None  # type: ignore[return-value]
            raise refusal(error) from error

    def _place(self, chat: str) -> int:
        return int(self._moved.get(chat, chat))

    def _reached(self, chat: str, message: str) -> None:
        if message.isdigit():
            self._highest[_row(chat)] = max(self._highest.get(_row(chat), 0), int(message))

    def _aside(self, call: Awaitable[Any]) -> None:
        async def quietly() -> None:
            with suppress(Refusal):
                await self._asked(call)

        task = asyncio.create_task(quietly())
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)


def _row(chat: str) -> str:
    return chat if chat.startswith("-") else ""
