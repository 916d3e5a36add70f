"""Runs the turn: services up, clients open, one turn, its audio written."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from june_cli import files
from june_cli.assistant import turn as turns
from june_cli.assistant.audio import Clip, decode, encode, require_kind
from june_cli.assistant.llm import Sampling, StreamingChat, connect
from june_cli.assistant.speech import Spoken, Stt, Transcript, Tts
from june_cli.engine import Running, run
from june_cli.engine.up import using
from june_cli.errors import JuneError, MachineLacks
from june_cli.text import checked
from june_talk.result import Talk
from june_talk.settings import Settings

if TYPE_CHECKING:
    from june_cli.invocation import Invocation

MAX_SAY = 1_000  # characters; a spoken question of about a minute
PLAYERS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
)


@dataclass(frozen=True)
class Question:
    """A question as sound, or as text that June is to speak first."""

    clip: Clip | None
    text: str


def question_of(audio: Path | None, say: str | None, settings: Settings) -> Question:
    """Decode the audio, or look at the text, before anything is started."""
    if audio is not None:
        return Question(decode(audio, max_s=settings.max_seconds), "")
    text = checked(say or "", MAX_SAY, "the question")
    return Question(None, text)


def turn(
    june: Invocation, question: Question, settings: Settings, *, output: Path, play: bool, keep: bool
) -> Talk:
    """One turn from question to written answer."""
    require_kind(output.suffix)
    files.require_writable(output)
    player = _player() if play else ()
    with using(june, ("stt", "llm", "tts"), keep=keep) as running:
        done = asyncio.run(_turn(june, running, question, settings))
    if not len(done.speech.pcm):
        raise JuneError("nothing-spoken", f"the answer has nothing that can be spoken: {done.answer[:200]}")
    files.write(output, encode(done.speech, output.suffix))
    if player:
        run.run([*player, str(output)], timeout_s=done.speech.seconds + 30)
    return Talk(
        question=done.question.text,
        answer=done.answer,
        audio=str(output),
        engine=running["stt"].engine,
        profile=june.roles.profile,
        models={role: running[role].model for role in running},
        seconds=done.seconds,
        confidence=done.question.confidence,
        audio_s=done.speech.seconds,
        tokens=done.tokens,
        finish=done.finish,
    )


async def _turn(
    june: Invocation, running: Mapping[str, Running], question: Question, settings: Settings
) -> turns.Turn:
    async with AsyncExitStack() as stack:
        stt = await stack.enter_async_context(Stt(running["stt"].address("grpc")))
        tts = await stack.enter_async_context(Tts(running["tts"].address("grpc")))
        llm = await stack.enter_async_context(_language_model(june, running["llm"]))
        clip = question.clip or await _spoken(tts, question.text, settings.voice)
        sampling = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
        persona = turns.Persona(settings.prompt, sampling, settings.voice)
        done = await turns.run(clip, stt=stt, llm=llm, tts=tts, persona=persona, watch=_watch(june))
        june.out.write("\n")
        return done


def _language_model(june: Invocation, running: Running) -> StreamingChat:
    service = june.roles.service("llm", running.engine)
    folder = service.source("JUNE_MODEL_DIR")
    return connect(service.api, running.address("http"), running.model, folder)


def _watch(june: Invocation) -> turns.Watch:
    def heard(transcript: Transcript) -> None:
        june.out.event("heard", text=transcript.text, confidence=transcript.confidence)
        june.out.write(f"You:  {transcript.text}\nJune: ")

    def wrote(text: str) -> None:
        june.out.event("wrote", text=text)
        june.out.write(text)

    def spoke(spoken: Spoken) -> None:
        june.out.event("spoke", text=spoken.text, seconds=spoken.clip.seconds)

    return turns.Watch(heard, wrote, spoke)


async def _spoken(tts: Tts, text: str, voice: str) -> Clip:
    chunks = [spoken.clip async for spoken in tts.speak(text, voice=voice)]
    return Clip(np.concatenate([chunk.pcm for chunk in chunks]), chunks[0].rate_hz)


def _player() -> tuple[str, ...]:
    for command in PLAYERS:
        if shutil.which(command[0]):
            return command
    raise MachineLacks(
        "program-missing",
        "no program that plays sound was found.",
        hint=f"install one of {', '.join(c[0] for c in PLAYERS)}, or leave --play out",
    )
