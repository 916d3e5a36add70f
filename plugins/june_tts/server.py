"""The text-to-speech service: `python -m june_tts.server`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from june_cli.assistant import serving, serving_grpc
from june_cli.assistant.rpc import MAX_MESSAGE_BYTES
from june_cli.assistant.sentences import split
from june_cli.errors import UsageProblem
from june_cli.proto import tts_pb2, tts_pb2_grpc
from june_cli.store import where
from june_tts import synthesisers

if TYPE_CHECKING:
    import grpc

MAX_CHARACTERS = 20_000  # about 25 minutes of speech


class TextToSpeech(tts_pb2_grpc.TextToSpeechServicer):
    """Synthesize, SynthesizeStream and ListVoices over one loaded synthesiser."""

    def __init__(self, synthesiser: synthesisers.Synthesiser) -> None:
        self._synthesiser = synthesiser
        self._turn = threading.Lock()  # one inference at a time: two would only share the same cores

    def Synthesize(  # noqa: N802 - the name is the protocol's
        self, request: tts_pb2.SynthesizeRequest, context: grpc.ServicerContext
    ) -> tts_pb2.SynthesizeResponse:
        """Text in, all of its speech out."""
        with serving_grpc.explained(context):
            voice = self._voice(request)
            chunks, size = [], 0
            for chunk in self._chunks(request, voice, context):
                chunks.append(chunk.audio)
                size += len(chunk.audio)
                if size > MAX_MESSAGE_BYTES - 1024:
                    message = "that is more speech than one answer can carry."
                    raise UsageProblem("text-too-long", message, hint="use SynthesizeStream")
            audio = b"".join(chunks)
            _require_sound(audio)
            return tts_pb2.SynthesizeResponse(
                audio=audio,
                sample_rate_hz=self._synthesiser.rate_hz,
                voice=voice,
                model=self._synthesiser.name,
            )

    def SynthesizeStream(  # noqa: N802 - the name is the protocol's
        self, request: tts_pb2.SynthesizeRequest, context: grpc.ServicerContext
    ) -> Iterator[tts_pb2.SynthesizeStreamResponse]:
        """The same, a chunk a sentence."""
        with serving_grpc.explained(context):
            heard = b""
            for chunk in self._chunks(request, self._voice(request), context):
                heard = heard or chunk.audio
                yield chunk
            _require_sound(heard)

    def ListVoices(  # noqa: N802 - the name is the protocol's
        self, request: tts_pb2.ListVoicesRequest, context: grpc.ServicerContext
    ) -> tts_pb2.ListVoicesResponse:
        """What this server can sound like."""
        del request, context
        voices = [
            tts_pb2.Voice(name=v.name, language=v.language, description=v.description, is_default=number == 0)
            for number, v in enumerate(self._synthesiser.voices)
        ]
        return tts_pb2.ListVoicesResponse(
            voices=voices, sample_rate_hz=self._synthesiser.rate_hz, model=self._synthesiser.name
        )

    def _chunks(
        self, request: tts_pb2.SynthesizeRequest, voice: str, context: grpc.ServicerContext
    ) -> Iterator[tts_pb2.SynthesizeStreamResponse]:
        speed, seed = _speed(request), request.seed if request.HasField("seed") else 0
        index = 0
        for sentence in split(_text(request)):
            if not context.is_active():
                return
            with self._turn:
                sound = self._synthesiser.speak(sentence, voice, speed, seed)
            if not len(sound):
                continue
            pcm = (np.clip(sound, -1.0, 1.0) * 32_767).astype("<i2").tobytes()
            yield tts_pb2.SynthesizeStreamResponse(
                audio=pcm, sample_rate_hz=self._synthesiser.rate_hz, text=sentence, index=index
            )
            index += 1

    def _voice(self, request: tts_pb2.SynthesizeRequest) -> str:
        names = [voice.name for voice in self._synthesiser.voices]
        if request.voice and request.voice not in names:
            raise UsageProblem(
                "voice-unknown",
                f"there is no voice {request.voice!r}.",
                hint=f"known: {', '.join(names[:20])}",
            )
        return request.voice or names[0]


def _text(request: tts_pb2.SynthesizeRequest) -> str:
    if not request.text.strip():
        raise UsageProblem("text-empty", "there is no text to speak.")
    if len(request.text) > MAX_CHARACTERS:
        raise UsageProblem(
            "text-too-long",
            f"the text has {len(request.text):,} characters; {MAX_CHARACTERS:,} can be spoken at once.",
            hint="split it into several calls",
        )
    return request.text


def _speed(request: tts_pb2.SynthesizeRequest) -> float:
    speed = request.speed or 1.0
    if not 0.5 <= speed <= 2.0:
        raise UsageProblem("speed-range", f"speed must be 0.5 to 2.0, not {speed:g}.")
    return speed


def _require_sound(audio: bytes) -> None:
    if not audio:
        raise UsageProblem("text-unspeakable", "nothing in that text can be pronounced by this voice.")


def main(place: serving.Place) -> None:
    """Load the synthesiser, warm it up, serve."""
    synthesiser = synthesisers.load(
        os.environ.get("JUNE_LOADER", "hibari"),
        where.checked(place.model_dir),
        device=os.environ.get("JUNE_DEVICE", "cpu"),
        threads=serving.threads(os.environ, 1),
    )
    synthesiser.speak("Ready.", synthesiser.voices[0].name, 1.0, 0)  # the first call loads the lexicon

    def register(server: grpc.Server) -> str:
        tts_pb2_grpc.add_TextToSpeechServicer_to_server(TextToSpeech(synthesiser), server)
        return tts_pb2.DESCRIPTOR.services_by_name["TextToSpeech"].full_name

    serving_grpc.serve(place, register)


if __name__ == "__main__":
    serving.program(main)
