"""Clients of the two speech services, with deadlines, and errors that name the service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc

from june_cli.assistant.audio import Clip, from_bytes
from june_cli.assistant.rpc import MAX_MESSAGE_BYTES, rebuilt
from june_cli.errors import BadInput, JuneError, NotReady
from june_cli.proto import asr_pb2, asr_pb2_grpc, tts_pb2, tts_pb2_grpc

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),  # services are near; a corporate proxy must not see the voice
    # a service that is restarted is found again at once instead of after gRPC's long back-off
    ("grpc.max_reconnect_backoff_ms", 1000),
)


@dataclass(frozen=True)
class Transcript:
    """What was said. Empty text: nobody spoke.

    `seconds` is the length of the audio, `speech_s` how much of it was taken for speech.
    """

    text: str
    confidence: float
    seconds: float
    model: str
    speech_s: float = 0.0


@dataclass(frozen=True)
class Spoken:
    """One sentence, and its sound."""

    text: str
    clip: Clip


class _Client:
    """One channel, opened on entering, closed on leaving."""

    label: str

    def __init__(self, address: str, *, timeout_s: float = 60.0) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise _explain(self.label, error) from error


def _explain(label: str, error: grpc.aio.AioRpcError) -> JuneError:
    ours = rebuilt(error)
    if ours:
        return ours
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return NotReady(
            "service-timeout", f"{label} did not answer in time.", hint="june serve logs " + label
        )
    if error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
        return NotReady("service-busy", f"{label} has too much to do at once.", hint="try again in a moment")
    if error.code() == grpc.StatusCode.UNAVAILABLE:
        return NotReady(
            "service-lost",
            f"{label} cannot be reached, or was lost while it answered.",
            hint="run the command again: June starts the service anew",
        )
    return JuneError("service-error", f"{label} failed: {error.code().name}: {error.details()}")


class Stt(_Client):
    """Speech to text."""

    label = "stt"

    def __init__(self, address: str, *, timeout_s: float = 60.0) -> None:
        super().__init__(address, timeout_s=timeout_s)
        self._stub = asr_pb2_grpc.SpeechToTextStub(self._channel)

    async def recognise(self, clip: Clip) -> Transcript:
        """The text of one clip. NotReady when the service is gone, late or overloaded."""
        config = asr_pb2.RecognizeConfig(encoding=asr_pb2.PCM_S16LE, sample_rate_hz=clip.rate_hz)
        if clip.pcm.nbytes > MAX_MESSAGE_BYTES - 1024:
            raise BadInput("audio-too-long", f"{clip.seconds:.0f} s of sound are too much for one request.")
        request = asr_pb2.RecognizeRequest(config=config, audio=clip.pcm.astype("<i2", copy=False).tobytes())
        with self._explained():
            reply = await self._stub.Recognize(request, timeout=self._timeout_s + clip.seconds)
        return Transcript(reply.text, reply.confidence, reply.audio_s, reply.model, reply.speech_s)


class Tts(_Client):
    """Text to speech."""

    label = "tts"

    def __init__(self, address: str, *, timeout_s: float = 60.0) -> None:
        super().__init__(address, timeout_s=timeout_s)
        self._stub = tts_pb2_grpc.TextToSpeechStub(self._channel)

    async def speak(self, text: str, *, voice: str = "", speed: float = 1.0) -> AsyncIterator[Spoken]:
        """A chunk a sentence, as each is spoken."""
        request = tts_pb2.SynthesizeRequest(text=text, voice=voice, speed=speed)
        with self._explained():
            call = self._stub.SynthesizeStream(request, timeout=self._timeout_s + len(text) / 20)
            async for chunk in call:
                yield Spoken(chunk.text, from_bytes(chunk.audio, chunk.sample_rate_hz))

    async def voices(self) -> tuple[str, list[Any]]:
        """The model's name and its voices."""
        with self._explained():
            reply = await self._stub.ListVoices(tts_pb2.ListVoicesRequest(), timeout=self._timeout_s)
        return reply.model, list(reply.voices)
