"""What a bot says of itself: one sentence for everything that can go wrong, and never how."""

from __future__ import annotations

import uuid

from june_bot.words import Incoming
from june_cli.errors import BadInput, JuneError, NotReady, UsageProblem

SILENCE = "I did not hear anybody speak in that. Please try again, a little closer to the microphone."
ANOTHER = "I understand text and voice messages; this I cannot read or hear."
STALE = "I was away when you wrote this, and it was too long ago to answer now. Please ask again."
BUSY = "I have more to do than I can right now. Please try again in a moment."
STOPPED = "(stopped)"
NO_VOICE = "The voice is out of order, so here is the text alone."
SURE = "I am not sure that I heard you right. Did you say:\n\n> {heard}"
PRIVATE = "This is a private assistant. Your id is {user}; its owner can let you in with it."
WENT_WRONG = "Something went wrong on my side."
BY_CODE = {
    "audio-too-long": "That is too long for me: at most {seconds:.0f} seconds, please.",
    "audio-too-short": SILENCE,
    "audio-unreadable": "I cannot open that as sound. Voice messages, and WAV, MP3, M4A or OGG files, I can.",
    "file-too-large": "That file is larger than I can fetch.",
    "text-too-long": "That is more than I can keep in mind at once. /reset begins a new conversation.",
    "nothing-answered": "I found no answer to that. Please ask it another way.",
    "nothing-said": SILENCE,
}
BY_SERVICE = {
    "stt": "I cannot listen to voice messages right now. Please write to me, or try again later.",
    "llm": "I cannot think right now. Please try again in a moment.",
    "tts": NO_VOICE,
}


def of(error: BaseException, service: str, *, seconds: float) -> tuple[str, str]:
    """One sentence for a person, with an id under which the log and `june bot history --id` have the rest."""
    number = uuid.uuid4().hex[:8]
    known = BY_CODE.get(error.code, "") if isinstance(error, JuneError) else ""
    if not known and isinstance(error, NotReady):
        known = BY_SERVICE.get(service, "")
    sentence = known.format(seconds=seconds) if known else WENT_WRONG
    theirs = known and isinstance(error, BadInput | UsageProblem)  # there is nothing to look up
    return (sentence if theirs else f"{sentence} ({number})"), number


def technical(error: BaseException) -> str:
    """What the ledger keeps of an error."""
    code = f"{error.code}: " if isinstance(error, JuneError) else ""
    return f"{type(error).__name__}: {code}{error}"[:2000]


def private(one: Incoming) -> str:
    """To somebody who is not on the list, once."""
    return PRIVATE.format(user=one.user)
