"""One voice turn: audio -> text -> answer -> audio; a sentence is spoken while the next is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from june_cli.assistant.audio import Clip, resample
from june_cli.assistant.llm import LanguageModel, Message, Sampling
from june_cli.assistant.speakable import Speakable, spoken
from june_cli.assistant.speech import Spoken, Transcript
from june_cli.errors import BadInput, JuneError

PENDING_SENTENCES = 64  # a model that writes faster than the voice speaks waits here


class Recogniser(Protocol):
    """What a turn needs of speech to text."""

    async def recognise(self, clip: Clip) -> Transcript:
        """The text of a clip."""


class Synthesiser(Protocol):
    """What a turn needs of text to speech."""

    def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> AsyncIterator[Spoken]:
        """A chunk a sentence."""


@dataclass(frozen=True)
class Persona:
    """Who answers: the system prompt, how to sample, which voice speaks."""

    prompt: str
    sampling: Sampling = field(default_factory=Sampling)
    voice: str = ""


@dataclass
class Seconds:
    """Where the time of a turn went, in seconds.

    stt, llm: the whole stage. llm_first_token: from the request to the first piece of the answer.
    tts_first_audio: from the first whole sentence to its sound. first_audio, total: from the decoded question
    in hand to the first and to the last sound of the answer.
    """

    stt: float = 0.0
    llm_first_token: float = 0.0
    llm: float = 0.0
    tts_first_audio: float = 0.0
    first_audio: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Turn:
    """A finished turn. `unspoken`: why there is no speech, or not all of it, where that is no failure."""

    question: Transcript
    answer: str
    reasoning: str
    speech: Clip
    seconds: Seconds
    tokens: int
    finish: str
    unspoken: JuneError | None = None


@dataclass(frozen=True)
class Watch:
    """Called as a turn goes on, for whoever shows it live. `answered`: with the whole answer."""

    heard: Callable[[Transcript], None] = lambda _: None
    wrote: Callable[[str], None] = lambda _: None
    spoke: Callable[[Spoken], None] = lambda _: None
    answered: Callable[[str], None] = lambda _: None


async def run(
    question: Clip | Transcript,
    *,
    stt: Recogniser | None = None,
    llm: LanguageModel,
    tts: Synthesiser | None,
    persona: Persona,
    history: Sequence[Message] = (),
    watch: Watch | None = None,
    voice_optional: bool = False,
) -> Turn:
    """Hear the question, answer it, speak the answer. Without `tts` nothing is spoken.

    A question that was typed, or heard before, comes as its Transcript and needs no `stt`.
    BadInput `nothing-said` when nobody speaks in the audio, `nothing-answered` when the model stays silent.
    If a service fails, everything still under way is cancelled and its error is raised; with
    `voice_optional` a voice that fails costs the speech alone.
    """
    return await _Run(stt, llm, tts, persona, watch or Watch(), voice_optional).go(question, history)


async def speak(text: str, tts: Synthesiser, *, voice: str = "") -> Clip:
    """A finished answer, read aloud: without its code, tables and links. Empty when nothing of it can be."""
    chunks = [chunk for sentence in spoken(text) async for chunk in _said(tts, sentence, voice)]
    return _joined([chunk.clip for chunk in chunks])


async def _said(tts: Synthesiser, sentence: str, voice: str) -> AsyncIterator[Spoken]:
    try:
        async for chunk in tts.speak(sentence, voice=voice):
            yield chunk
    except JuneError as error:
        if error.code != "text-unspeakable":  # a sentence of nothing but symbols is no failed turn
            raise


class _Run:
    """The state of one turn."""

    def __init__(
        self,
        stt: Recogniser | None,
        llm: LanguageModel,
        tts: Synthesiser | None,
        persona: Persona,
        watch: Watch,
        voice_optional: bool,
    ) -> None:
        self._stt, self._llm, self._tts, self._persona, self._watch = stt, llm, tts, persona, watch
        self._voice_optional = voice_optional
        self._unspoken: JuneError | None = None
        self._began = time.perf_counter()
        self._seconds = Seconds()
        self._sentences: asyncio.Queue[str | None] = asyncio.Queue(PENDING_SENTENCES)
        self._chunks: list[Clip] = []
        self._answer: list[str] = []
        self._reasoning: list[str] = []
        self._tokens, self._finish = 0, ""

    def _now(self) -> float:
        return time.perf_counter() - self._began

    async def go(self, question: Clip | Transcript, history: Sequence[Message]) -> Turn:
        transcript = await self._heard(question)
        self._seconds.stt = self._now()
        if not transcript.text:
            raise BadInput(
                "nothing-said", "nothing was said in that audio.", hint="is it the right recording?"
            )
        self._watch.heard(transcript)
        messages = [
            Message("system", self._persona.prompt),
            *history,
            Message("user", transcript.text),
        ]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write(messages))
                if self._tts:
                    tasks.create_task(self._speak(self._tts))
        except BaseExceptionGroup as group:  # not except*: what that raises comes in a group again
            if ours := group.subgroup(JuneError):
                raise _first(ours) from None
            raise
        self._seconds.total = self._now()
        answer = "".join(self._answer).strip()
        if not answer:
            raise JuneError(
                "nothing-answered", "the language model gave no answer.", hint="ask it another way"
            )
        return Turn(
            question=transcript,
            answer=answer,
            reasoning="".join(self._reasoning).strip(),
            speech=_joined(self._chunks),
            seconds=self._seconds,
            tokens=self._tokens,
            finish=self._finish,
            unspoken=self._unspoken,
        )

    async def _heard(self, question: Clip | Transcript) -> Transcript:
        if isinstance(question, Transcript):
            return question
        if self._stt is None:
            raise ValueError("a spoken question needs a recogniser")
        return await self._stt.recognise(question)

    async def _write(self, messages: Sequence[Message]) -> None:
        started, speakable = self._now(), Speakable()
        async with aclosing(self._llm.stream(messages, self._persona.sampling)) as deltas:
            async for delta in deltas:
                if delta.text and not self._answer:
                    self._seconds.llm_first_token = self._now() - started
                if delta.text:
                    self._answer.append(delta.text)
                    self._watch.wrote(delta.text)
                self._reasoning.append(delta.reasoning)
                self._tokens, self._finish = delta.tokens or self._tokens, delta.finish or self._finish
                for sentence in speakable.push(delta.text) if self._tts else ():
                    await self._sentences.put(sentence)
        self._seconds.llm = self._now() - started
        self._watch.answered("".join(self._answer).strip())
        if self._tts:
            for sentence in speakable.finish():
                await self._sentences.put(sentence)
            await self._sentences.put(None)

    async def _speak(self, tts: Synthesiser) -> None:
        while (sentence := await self._sentences.get()) is not None:
            if self._unspoken:
                continue
            asked = self._now()
            try:
                async for chunk in _said(tts, sentence, self._persona.voice):
                    if not self._chunks:
                        self._seconds.tts_first_audio = self._now() - asked
                        self._seconds.first_audio = self._now()
                    self._chunks.append(chunk.clip)
                    self._watch.spoke(chunk)
            except JuneError as error:
                if not self._voice_optional:
                    raise
                self._unspoken = error


def _first(group: BaseExceptionGroup[JuneError]) -> JuneError:
    for error in group.exceptions:
        return error if isinstance(error, JuneError) else _first(error)
    raise AssertionError("an empty exception group")


def _joined(chunks: Sequence[Clip]) -> Clip:
    if not chunks:
        return Clip(np.zeros(0, np.int16), 24_000)
    rate = chunks[0].rate_hz
    return Clip(np.concatenate([resample(chunk, rate).pcm for chunk in chunks]), rate)
