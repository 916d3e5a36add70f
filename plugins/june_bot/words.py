"""The words of every bot: what comes in, what goes out, what a platform can do and how it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from june_bot.limits import Limits

Busy = Literal["typing", "recording", "uploading"]
# Beside what people send: a stranger, whose words are not kept, and what came when there was too much to do.
Kind = Literal["text", "voice", "command", "button", "other", "stranger", "busy"]


@dataclass(frozen=True)
class Audio:
    """A sound in a message: how to fetch it, and what the platform says of it, which is not believed."""

    reference: str
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Incoming:
    """A message as the core sees it, whatever platform it came by.

    `key` is unique a bot: the same message is accepted once. `thread` is the message to answer. `addressed`:
    in a group, whether it was meant for the bot. `sent_at`: seconds since 1970, by the platform's clock.
    """

    key: str
    chat: str
    user: str
    kind: Kind
    text: str = ""
    thread: str = ""
    name: str = ""
    group: bool = False
    addressed: bool = True
    sent_at: float = 0.0
    audio: Audio | None = None
    token: str = ""  # what the platform needs to answer an interaction: a secret, for as long as it is good


@dataclass(frozen=True)
class Choice:
    """A button: what it says, and what comes back when it is pressed."""

    label: str
    data: str


@dataclass(frozen=True)
class Body:
    """A text to send: as the platform's markup, and as it was written, for when the markup is refused."""

    rendered: str
    raw: str
    choices: tuple[Choice, ...] = ()
    markup: bool = True

    @property
    def text(self) -> str:
        """What is sent."""
        return self.rendered if self.markup else self.raw


@dataclass(frozen=True)
class Voice:
    """A voice message: OGG/Opus."""

    ogg: bytes
    seconds: float
    waveform: bytes = b""  # loudness a tenth of a second, at most 256 of them


@dataclass(frozen=True)
class File:
    """A file to send, with a caption."""

    name: str
    content: bytes
    caption: str = ""


@dataclass(frozen=True)
class Target:
    """Where to send: a chat, the message that is answered, and a nonce that is the same at every attempt."""

    chat: str
    reply_to: str = ""
    nonce: str = ""
    group: bool = False
    token: str = ""


# Takes messages, written down when it returns; how many of them will be answered.
Accept = Callable[[Sequence[Incoming]], int]


class Platform(Protocol):
    """An adapter: everything that one platform does its own way. It raises the refusals below alone."""

    name: str
    limits: Limits

    @property
    def bot(self) -> str:
        """The bot's own id; known once `open` has returned."""

    async def open(self) -> None:
        """Log in, register the commands. Unauthorised when the token is wrong."""

    async def close(self) -> None:
        """Let go of the connections."""

    def remember(self, newest: Mapping[str, int]) -> None:
        """After a restart: the highest number of a message that was known of each chat."""

    async def receive(self, accept: Accept) -> None:
        """Hand messages over for as long as it runs; what `accept` has returned from may be confirmed."""

    async def fetch(self, audio: Audio) -> bytes:
        """The bytes of a sound. TooLarge when the platform does not hand out that much."""

    async def send(self, to: Target, what: Body | Voice | File) -> str:
        """Send; returns the message's id."""

    async def edit(self, to: Target, message: str, body: Body) -> None:
        """Replace a text. One that is the same already is no error. Gone when there is nothing to edit."""

    def place(self, to: Target) -> str:
        """Where in a chat a message would come now, as far as that is known: what `find` begins after."""

    async def find(self, to: Target, what: Body | Voice | File, after: str) -> str:
        """The id of a message that was sent, though nobody noted it; empty when it was not."""

    async def busy(self, to: Target, what: Busy) -> None:
        """Show that something is being done."""

    def render(self, markdown: str) -> str:
        """Markdown in the platform's own markup."""


class Refusal(Exception):
    """The platform did not do what it was asked."""


class Slow(Refusal):
    """Too many requests: come back after so many seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many requests, again in {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class Unsure(Refusal):
    """The connection broke, and what was asked may have been done or not."""


class Unreached(Refusal):
    """The platform cannot be reached; nothing was done."""


class Blocked(Refusal):
    """The chat is closed to the bot: it was blocked, or put out."""


class Forbidden(Refusal):
    """Voice messages, or files, are not allowed there."""


class Malformed(Refusal):
    """The markup, or the message, is not what the platform takes."""


class Gone(Refusal):
    """The message is not there any more, or cannot be edited."""


class TooLarge(Refusal):
    """More bytes than the platform takes or gives."""


class Unauthorised(Refusal):
    """The token is wrong."""


class Elsewhere(Refusal):
    """Another program receives this bot's messages."""
