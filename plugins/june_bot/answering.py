"""One message from its arrival to its answer, in stages: the ledger knows each before the next begins."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from june_bot import hearing, planning, said
from june_bot.chat_commands import Commands, parsed
from june_bot.delivery import Delivery
from june_bot.entries import Entry
from june_bot.live import Live, indicate
from june_bot.pacing import Backoff
from june_bot.settings import Settings
from june_bot.used import Used, service_of, stages
from june_bot.words import Audio, Blocked, Busy, Choice, Slow, TooLarge, Unreached, Unsure
from june_cli.assistant import turn as turns
from june_cli.assistant.audio import Clip, decode
from june_cli.assistant.llm import Message
from june_cli.assistant.speech import Transcript
from june_cli.errors import BadInput, JuneError

log = logging.getLogger("june.bot")
YES, NO = "yes", "no"
MOST_BYTES, FETCHING = 100_000_000, 4  # of a sound; sounds that are fetched at once


@dataclass
class Answering:
    """Answers one bot's messages."""

    delivery: Delivery
    used: Used
    settings: Settings
    commands: Commands
    traced: Callable[[Entry], None]
    admission: asyncio.Semaphore = field(init=False)
    fetching: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.admission = asyncio.Semaphore(self.settings.turns)
        self.fetching = asyncio.Semaphore(FETCHING)
        self.ledger, self.seen = self.delivery.ledger, self.delivery.seen

    async def answer(self, entry: Entry) -> None:
        """Take a message from the state it is in to its end. Whatever fails, the person is told."""
        choices: tuple[Choice, ...] = ()
        try:
            if entry.state == "received":
                choices = await self._understand(entry)
            if entry.state == "transcribed":
                await self._turn(entry)
        except Blocked:
            raise
        except TooLarge:
            self._failed(entry, BadInput("file-too-large", "the platform does not hand out that file."))
        except JuneError as error:
            self._failed(entry, error)
        except Exception as error:
            log.exception("a turn failed", extra={"number": entry.id})
            self._failed(entry, error)
        await self.delivery.texts(entry, choices)
        await self._voice(entry)
        self.ledger.advance(entry, "delivered")
        self.seen.messages.labels("delivered").inc()
        self.traced(entry)

    async def cancelled(self, entry: Entry) -> None:
        """Somebody stopped it: what is on the screen stays, and says so."""
        parts = self.ledger.parts(entry)
        begun = next((p for p in parts if p.state in ("preview", "sending") and p.kind == "text"), None)
        if begun:
            shown = begun.raw.removesuffix(" …")
            self.ledger.note(entry, answer=f"{shown}\n\n{said.STOPPED}")
            await self.delivery.texts(entry)
        self.ledger.advance(entry, "cancelled")
        self.seen.messages.labels("cancelled").inc()

    async def _understand(self, entry: Entry) -> tuple[Choice, ...]:
        """Find out what is asked. Sets either the question, or at once the answer; returns buttons for it."""
        one = entry.incoming
        late = bool(one.sent_at) and time.time() - one.sent_at > self.settings.stale_s
        if one.kind == "stranger":
            self._settle(entry, said.private(one))
        elif late and one.kind != "command":
            self._settle(entry, said.STALE)
        elif one.kind == "busy":
            self._settle(entry, said.BUSY)
        elif one.kind == "command" and parsed(one.text)[0] == "retry":
            self._again(entry)
        elif one.kind == "command":
            self._settle(entry, await self.commands.answer(entry))
        elif one.kind == "button":
            self._confirmed(entry)
        elif one.kind == "voice":
            return await self._hear(entry)
        elif one.kind == "text":
            self._transcribed(entry, one.text)
        else:
            self._settle(entry, said.ANOTHER)
        return ()

    async def _hear(self, entry: Entry) -> tuple[Choice, ...]:
        audio, limits = entry.incoming.audio, self.delivery.platform.limits
        if audio is None or audio.bytes > min(limits.download_bytes, MOST_BYTES):
            raise TooLarge
        if audio.seconds > self.settings.max_seconds + 1:
            raise BadInput("audio-too-long", f"{audio.seconds:.0f} s of sound are too much.")
        async with self._working(entry, lambda: "typing"):
            fetched = await self._fetched(audio)
            clip = await asyncio.to_thread(decode, fetched, max_s=self.settings.max_seconds)
            began = time.perf_counter()
            async with self.admission:
                transcript = await self.used.recognise(clip)
            self._measured(entry, stt=time.perf_counter() - began)
        judged = await asyncio.to_thread(hearing.verdict, clip, transcript)
        if judged == "nothing":
            self._settle(entry, said.SILENCE, confidence=transcript.confidence)
            return ()
        heard = _with_caption(entry, transcript)
        if judged == "uncertain":
            text = said.SURE.format(heard=" ".join(transcript.text.split()))
            self._settle(entry, text, heard=heard, confidence=transcript.confidence)
            return Choice("Yes", f"{YES}:{entry.id}"), Choice("No", f"{NO}:{entry.id}")
        self._transcribed(entry, heard, confidence=transcript.confidence)
        return ()

    async def _fetched(self, audio: Audio) -> bytes:
        """A sound's bytes, however long the platform is away: the message waits as its chat does."""
        backoff = Backoff()
        while True:
            try:
                async with self.fetching:
                    return await self.delivery.platform.fetch(audio)
            except Slow as slow:
                await asyncio.sleep(slow.retry_after_s)
            except (Unreached, Unsure):
                self.seen.retries.inc()
                await backoff.pause()

    def _transcribed(self, entry: Entry, text: str, *, confidence: float = 1.0) -> None:
        self.ledger.advance(entry, "transcribed", heard=text.strip(), confidence=confidence, turn=True)

    def _settle(self, entry: Entry, answer: str, **known: object) -> None:
        """The answer is known without a turn."""
        self.ledger.advance(entry, "answered", answer=answer, **known)

    def _again(self, entry: Entry) -> None:
        before = self.ledger.last_turn(entry.incoming.chat, entry.id)
        if before is None:
            return self._settle(entry, "There is no question to answer again.")
        self.ledger.note(before, turn=False)
        return self._transcribed(entry, before.heard, confidence=before.confidence)

    def _confirmed(self, entry: Entry) -> None:
        """A button under a transcript that was read back."""
        word, _, number = entry.incoming.text.partition(":")
        asked = self.ledger.entry(int(number)) if number.isdigit() else None
        if asked is None or asked.incoming.user != entry.incoming.user or not asked.heard:
            self._settle(entry, "That question is not mine any more. Please ask again.")
            return
        if word == YES:
            self._transcribed(entry, asked.heard, confidence=asked.confidence)
        else:
            self._settle(entry, "Then please say it again, or write it.")
        self.ledger.note(asked, heard="")  # what was answered once is not asked any more

    def _spoken_to(self, entry: Entry) -> bool:
        """Whether the answer is to be spoken as well."""
        policy = self.commands.voice_of(entry.incoming.chat)
        return entry.turn and (policy == "always" or (policy == "mirror" and self._asked_aloud(entry)))

    def _asked_aloud(self, entry: Entry) -> bool:
        """Whether the question was spoken; a question that is answered again stays what it was."""
        asked: Entry | None = entry
        if entry.incoming.kind == "command":
            asked = self.ledger.last_asked(entry.incoming.chat, entry.id)
        return asked is not None and asked.incoming.kind in ("voice", "button")

    async def _turn(self, entry: Entry) -> None:
        """Have it answered and spoken. The text is delivered while the voice still speaks."""
        aloud = self._spoken_to(entry)
        named = self.commands.persona_of(entry.incoming.chat)
        before = self.ledger.history(entry.incoming.chat, entry.id, self.settings.history)
        history = [m for q, a in before for m in (Message("user", q), Message("assistant", a))]
        live, whole = Live(self.delivery, entry), asyncio.Event()
        heard = asyncio.create_task(self._show_heard(entry))

        def answered(answer: str) -> None:
            if answer:
                self.ledger.advance(entry, "answered", answer=answer)
                whole.set()

        watch = turns.Watch(wrote=live.wrote, answered=answered)
        question = Transcript(entry.heard, entry.confidence, 0.0, "")

        async def admitted() -> turns.Turn:
            async with self.admission:  # of the models: what is sent meanwhile may take its time
                return await self.used.turn(question, named.persona, history, watch, aloud=aloud)

        async with self._working(entry, lambda: "recording" if whole.is_set() else "typing"):
            live.start(after=heard)
            turn = asyncio.create_task(admitted(), name=f"turn-{entry.id}")
            try:
                await _first_of(turn, whole)
                await heard
                await live.finish()
                if whole.is_set():
                    await self.delivery.texts(entry)
                done = await turn
            finally:
                turn.cancel()
                await live.finish()
                await heard
        self._measured(entry, **stages(done))
        if done.unspoken:
            await self._voiceless(entry, done.unspoken)
        else:
            await self._keep(entry, done.speech)

    async def _show_heard(self, entry: Entry) -> None:
        """What was understood of a voice message: the person sees it while the model thinks."""
        if entry.incoming.kind == "voice":
            await self.delivery.heard(entry, entry.heard)

    async def _voice(self, entry: Entry) -> None:
        """The spoken answer: the one that was made, or after a restart a new one of the same text."""
        if not self._spoken_to(entry) or entry.error_id:
            return
        voice = self.ledger.speech(entry)
        if voice is None and entry.state == "answered":
            try:
                persona = self.commands.persona_of(entry.incoming.chat).persona
                async with self._working(entry, lambda: "recording"), self.admission:
                    await self._keep(entry, await self.used.speak(entry.answer, persona.voice))
            except JuneError as error:
                await self._voiceless(entry, error)
            voice = self.ledger.speech(entry)
        if voice:
            async with self._working(entry, lambda: "uploading"):
                await self.delivery.voice(entry, voice)

    async def _keep(self, entry: Entry, speech: Clip) -> None:
        """Keep the speech until it is delivered, encoded so that the platform shows it as a voice message."""
        voice = await asyncio.to_thread(planning.voice, speech, self.delivery.platform.limits)
        if voice:
            self.ledger.keep_speech(entry, voice)
            self.ledger.advance(entry, "spoken")

    async def _voiceless(self, entry: Entry, error: JuneError) -> None:
        """The voice failed, and the text is there: whoever waits for the voice is told."""
        sentence, number = said.of(error, "tts", seconds=0)
        technical = said.technical(error)
        self.ledger.note(entry, error_id=number, error=technical)
        log.warning("no voice", extra={"number": entry.id, "error_id": number, "why": technical})
        await self.delivery.notice(entry, sentence)

    def _failed(self, entry: Entry, error: BaseException) -> None:
        sentence, number = said.of(error, service_of(error), seconds=self.settings.max_seconds)
        technical = said.technical(error)
        self.ledger.advance(entry, "answered", answer=sentence, turn=False, error_id=number, error=technical)
        self.seen.errors.labels(error.code if isinstance(error, JuneError) else "bug").inc()
        log.warning("not answered", extra={"number": entry.id, "error_id": number, "why": technical})

    @asynccontextmanager
    async def _working(self, entry: Entry, what: Callable[[], Busy]) -> AsyncIterator[None]:
        """Shows the indicator for as long as the block lasts."""
        shown = asyncio.create_task(indicate(self.delivery, entry, what))
        try:
            yield
        finally:
            shown.cancel()
            with suppress(asyncio.CancelledError):
                await shown

    def _measured(self, entry: Entry, **stages: float) -> None:
        """Seconds that the models took."""
        self.ledger.note(entry, stages={**entry.stages, **stages})
        for stage, seconds in stages.items():
            self.seen.stages.labels(stage).observe(seconds)


def _with_caption(entry: Entry, transcript: Transcript) -> str:
    """What was said, after what was written under it."""
    return "\n\n".join(part for part in (entry.incoming.text, transcript.text.strip()) if part)


async def _first_of(turn: asyncio.Task[turns.Turn], whole: asyncio.Event) -> None:
    """Until the answer is whole, or the turn is over without one."""
    waiting = asyncio.create_task(whole.wait())
    try:
        await asyncio.wait({turn, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
