"""The commands people type in a chat: one table, registered with every platform."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from june_bot.entries import Entry
from june_bot.ledger import Ledger
from june_bot.persona import Named
from june_bot.settings import Settings

VOICE = ("mirror", "always", "never")
AS_VOICE = {"on": "always", "off": "never", "auto": "mirror"}


@dataclass(frozen=True)
class Command:
    """What a command is for; `now`: it does not wait for its turn."""

    summary: str
    now: bool = False


COMMANDS: Mapping[str, Command] = {
    "start": Command("Say hello", now=True),
    "help": Command("What I can do", now=True),
    "reset": Command("Begin a new conversation"),
    "voice": Command("When I speak: mirror, always or never"),
    "persona": Command("Who answers"),
    "retry": Command("Answer the last question again"),
    "cancel": Command("Stop the answer under way", now=True),
    "status": Command("How I am", now=True),
    "id": Command("Your id, and the chat's", now=True),
}
ALIASES = {"new": "reset", "clear": "reset", "stop": "cancel"}
HELLO = "Hello! I am June. Write to me, or send a voice message, and I answer the same way. /help says more."


@dataclass(frozen=True)
class Commands:
    """Answers to commands. /retry is not here: it is a turn, and so is everything that is no command."""

    ledger: Ledger
    settings: Settings
    personas: Mapping[str, Named]
    cancel: Callable[[str], bool]
    status: Callable[[], Awaitable[str]]

    async def answer(self, entry: Entry) -> str:
        """What to say to a command, its effect done."""
        name, argument = parsed(entry.incoming.text)
        match name:
            case "start":
                return HELLO
            case "reset":
                self.ledger.choose(entry.incoming.chat, since=entry.id)
                return "A new conversation. What can I do for you?"
            case "voice":
                return self._voice(entry.incoming.chat, argument)
            case "persona":
                return self._persona(entry, argument)
            case "cancel":
                stopped = self.cancel(entry.incoming.chat)
                return "Stopped." if stopped else "There is nothing to stop."
            case "status":
                return await self.status()
            case "id":
                return f"Your id: {entry.incoming.user}\nThis chat: {entry.incoming.chat}"
            case "help":
                return help_text()
        return f"I do not know /{name[:32]}.\n\n{help_text()}"

    def voice_of(self, chat: str) -> str:
        """When a chat's answers are spoken."""
        return self.ledger.chat(chat).voice or self.settings.voice

    def persona_of(self, chat: str) -> Named:
        """Who answers in a chat: the one chosen, or the first."""
        first = next(iter(self.personas.values()))
        return self.personas.get(self.ledger.chat(chat).persona, first)

    def _voice(self, chat: str, argument: str) -> str:
        wanted = AS_VOICE.get(argument, argument)
        if wanted in VOICE:
            self.ledger.choose(chat, voice=wanted)
        elif argument:
            return f"/voice takes one of: {', '.join(VOICE)}."
        meaning = {
            "mirror": "I speak when you speak to me",
            "always": "I always speak as well",
            "never": "I only write",
        }
        voice = self.voice_of(chat)
        return f"Voice: {voice}. {meaning[voice]}. Change it: /voice {' | '.join(VOICE)}"

    def _persona(self, entry: Entry, argument: str) -> str:
        chat = entry.incoming.chat
        argument = next((name for name in self.personas if name.lower() == argument), argument)
        if argument and argument not in self.personas:
            return f"There is no persona {argument[:32]}. There are: {', '.join(self.personas)}."
        if argument:
            self.ledger.choose(chat, persona=argument, since=entry.id)
            return f"Now {argument} answers, in a new conversation."
        own = self.persona_of(chat).name
        lines = [
            f"{'→' if n.name == own else '·'} {n.name}  {n.summary}".rstrip() for n in self.personas.values()
        ]
        return "\n".join([*lines, "", "Change it: /persona NAME"])


def parsed(text: str) -> tuple[str, str]:
    """`/voice@june_bot always` as its name and its argument."""
    word, *rest = text.strip().lstrip("/").split(maxsplit=1) or [""]
    argument = rest[0] if rest else ""
    name = word.partition("@")[0].lower()
    return ALIASES.get(name, name), argument.strip().lower()


def is_known(text: str) -> bool:
    """Whether a text begins with one of the commands."""
    return text.startswith("/") and parsed(text)[0] in COMMANDS


def help_text() -> str:
    """The commands, one a line."""
    return "\n".join(f"/{name}: {command.summary}" for name, command in COMMANDS.items())
