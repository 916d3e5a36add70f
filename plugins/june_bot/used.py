"""The services that a bot uses: speech to text, the language model, text to speech."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from june_cli.assistant import turn as turns
from june_cli.assistant.audio import Clip
from june_cli.assistant.llm import Message, StreamingChat, connect
from june_cli.assistant.speech import Stt, Transcript, Tts
from june_cli.errors import JuneError

T = TypeVar("T")
AGAIN_S = 1.0  # a service that is being restarted is back by then, or its user is told
PASSING = ("service-lost", "service-busy")


@dataclass(frozen=True)
class Addresses:
    """`host:port` of each, what the language model's server speaks, and the folder of its model."""

    stt: str
    llm: str
    tts: str
    api: str
    model: str
    folder: Path | None


class Used:
    """Clients of the three; each error carries the name of the service that failed."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Used:
        where = self._addresses
        self._stt = await self._stack.enter_async_context(Stt(where.stt))
        self._tts = await self._stack.enter_async_context(Tts(where.tts))
        llm = connect(where.api, where.llm, where.model, where.folder)
        self._llm: StreamingChat = await self._stack.enter_async_context(llm)
        return self

    async def __aexit__(self, *gone: object) -> None:
        await self._stack.aclose()

    async def recognise(self, clip: Clip) -> Transcript:
        """What was said; a service that is away for a moment is asked once more."""
        return await _patiently("stt", lambda: self._stt.recognise(clip))

    async def turn(
        self,
        question: Transcript,
        persona: turns.Persona,
        history: Sequence[Message],
        watch: turns.Watch,
        *,
        aloud: bool,
    ) -> turns.Turn:
        """One turn. A language model that is away before its first word is asked once more."""
        written: list[str] = []

        def wrote(piece: str) -> None:
            written.append(piece)
            watch.wrote(piece)

        async def once() -> turns.Turn:
            return await turns.run(
                question,
                llm=self._llm,
                tts=self._tts if aloud else None,
                persona=persona,
                history=history,
                watch=replace(watch, wrote=wrote),
                voice_optional=True,
            )

        return await _patiently("llm", once, begun=lambda: bool(written))

    async def speak(self, text: str, voice: str) -> Clip:
        """An answer, read aloud."""
        return await turns.speak(text, self._tts, voice=voice)

    async def status(self) -> str:
        """Who answers, a line each."""
        where = self._addresses
        names = {"hearing": where.stt, "thinking": where.llm, "speaking": where.tts}
        found = await asyncio.gather(*(_answers(address) for address in names.values()))
        return "\n".join(
            f"{name}: {'ready' if up else 'away'}" for name, up in zip(names, found, strict=True)
        )


async def _patiently(
    service: str, ask: Callable[[], Awaitable[T]], *, begun: Callable[[], bool] = lambda: False
) -> T:
    """Ask a service, and once more if it was away and had not begun. Its errors carry its name."""
    try:
        try:
            return await ask()
        except JuneError as error:
            if begun() or error.code not in PASSING:
                raise
        await asyncio.sleep(AGAIN_S)
        return await ask()
    except JuneError as error:
        error.add_note(f"service {service}")
        raise


def service_of(error: BaseException) -> str:
    """Which service an error came from; empty when none."""
    notes: list[str] = getattr(error, "__notes__", [])
    return next((note.removeprefix("service ") for note in notes if note.startswith("service ")), "")


async def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(1.0):
            _, writer = await asyncio.open_connection(host, int(port))
        writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
    return True


def stages(done: turns.Turn) -> dict[str, float]:
    """first_token, first_audio: since the question; turn: to the last sound, or word where none is spoken."""
    seconds = done.seconds
    spoken = {"first_audio": seconds.first_audio} if len(done.speech.pcm) else {}
    return {"first_token": seconds.llm_first_token, "llm": seconds.llm, "turn": seconds.total, **spoken}
