"""The clients of the speech services against real gRPC servers, good ones and bad ones."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from june_cli.assistant.audio import Clip
from june_cli.assistant.serving_grpc import explained
from june_cli.assistant.speech import Spoken, Stt, Transcript, Tts
from june_cli.errors import BadInput, JuneError, MachineLacks, NotReady, UsageProblem
from june_cli.proto import asr_pb2, asr_pb2_grpc, tts_pb2, tts_pb2_grpc

Serve = Callable[[Callable[[grpc.Server], None]], str]
CLIP = Clip(np.arange(-4_000, 4_000, dtype=np.int16), 8_000)


class Ears(asr_pb2_grpc.SpeechToTextServicer):
    def __init__(self, answer: Callable[[Any, grpc.ServicerContext], Any]) -> None:
        self._answer = answer

    def Recognize(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with explained(context):
            return self._answer(request, context)


class Mouth(tts_pb2_grpc.TextToSpeechServicer):
    def __init__(self, chunks: Callable[[Any, grpc.ServicerContext], Iterator[Any]]) -> None:
        self._chunks = chunks

    def SynthesizeStream(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        with explained(context):
            yield from self._chunks(request, context)

    def ListVoices(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        del request, context
        return tts_pb2.ListVoicesResponse(model="mouth", voices=[tts_pb2.Voice(name="heart")])


def hears(serve: Serve, answer: Callable[[Any, grpc.ServicerContext], Any]) -> str:
    return serve(lambda server: asr_pb2_grpc.add_SpeechToTextServicer_to_server(Ears(answer), server))


def speaks(serve: Serve, chunks: Callable[[Any, grpc.ServicerContext], Iterator[Any]]) -> str:
    return serve(lambda server: tts_pb2_grpc.add_TextToSpeechServicer_to_server(Mouth(chunks), server))


def recognise(address: str, clip: Clip = CLIP, **options: float) -> Transcript:
    async def go() -> Transcript:
        async with Stt(address, **options) as stt:
            return await stt.recognise(clip)

    return asyncio.run(go())


def speak(address: str, text: str = "Hello. You.", **options: Any) -> list[Spoken]:
    async def go() -> list[Spoken]:
        async with Tts(address, timeout_s=options.pop("timeout_s", 10.0)) as tts:
            return [spoken async for spoken in tts.speak(text, **options)]

    return asyncio.run(go())


def dead() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def stall(_: Any, context: grpc.ServicerContext) -> Any:
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait(20)
    return asr_pb2.RecognizeResponse()


def test_a_clip_arrives_whole_and_its_text_comes_back(serve: Serve) -> None:
    requests: list[Any] = []

    def answer(request: Any, _: grpc.ServicerContext) -> Any:
        requests.append(request)
        return asr_pb2.RecognizeResponse(text="hello", confidence=0.5, audio_s=1.0, model="ears")

    assert recognise(hears(serve, answer)) == Transcript("hello", 0.5, 1.0, "ears")
    assert requests[0].config.sample_rate_hz == 8_000
    assert requests[0].config.encoding == asr_pb2.PCM_S16LE
    assert np.array_equal(np.frombuffer(requests[0].audio, "<i2"), CLIP.pcm)


def test_sentences_come_one_by_one(serve: Serve) -> None:
    go_on = threading.Event()
    requests: list[Any] = []

    def chunks(request: Any, _: grpc.ServicerContext) -> Iterator[Any]:
        requests.append(request)
        yield tts_pb2.SynthesizeStreamResponse(audio=b"\1\0\2\0", sample_rate_hz=24_000, text="Hello.")
        assert go_on.wait(10)
        yield tts_pb2.SynthesizeStreamResponse(audio=b"\3\0", sample_rate_hz=24_000, text="You.", index=1)

    address = speaks(serve, chunks)

    async def go() -> list[Spoken]:
        found = []
        async with Tts(address) as tts:
            async for spoken in tts.speak("Hello. You.", voice="heart", speed=1.5):
                found.append(spoken)
                go_on.set()
        return found

    found = asyncio.run(go())
    assert [(s.text, list(s.clip.pcm), s.clip.rate_hz) for s in found] == [
        ("Hello.", [1, 2], 24_000),
        ("You.", [3], 24_000),
    ]
    assert (requests[0].text, requests[0].voice, requests[0].speed) == ("Hello. You.", "heart", 1.5)


def test_the_voices_are_listed(serve: Serve) -> None:
    address = speaks(serve, lambda *_: iter(()))

    async def go() -> tuple[str, list[Any]]:
        async with Tts(address) as tts:
            return await tts.voices()

    model, voices = asyncio.run(go())
    assert (model, [v.name for v in voices]) == ("mouth", ["heart"])


@pytest.mark.parametrize("kind", [UsageProblem, BadInput, MachineLacks, NotReady, JuneError])
def test_an_explained_error_keeps_type_code_and_hint(serve: Serve, kind: type[JuneError]) -> None:
    def fail(*_: Any) -> Any:
        raise kind("the-code", "the message", hint="the hint")

    def fail_late(*_: Any) -> Iterator[Any]:
        yield tts_pb2.SynthesizeStreamResponse(audio=b"\1\0", sample_rate_hz=24_000)
        raise kind("the-code", "the message", hint="the hint")

    for call in (lambda: recognise(hears(serve, fail)), lambda: speak(speaks(serve, fail_late))):
        with pytest.raises(JuneError) as caught:
            call()
        assert type(caught.value) is kind
        found = caught.value
        assert (found.code, found.message, found.hint) == ("the-code", "the message", "the hint")


def test_an_unexplained_error_names_the_service(serve: Serve) -> None:
    def fail(*_: Any) -> Any:
        raise ValueError("oops")

    with pytest.raises(JuneError, match="stt failed") as caught:
        recognise(hears(serve, fail))
    assert caught.value.code == "service-error"


@pytest.mark.parametrize("call", [recognise, speak])
def test_nobody_listening_is_a_lost_service(call: Callable[[str], Any]) -> None:
    began = time.monotonic()
    with pytest.raises(NotReady) as caught:
        call(dead())
    assert caught.value.code == "service-lost"
    assert caught.value.hint
    assert time.monotonic() - began < 10


def test_a_server_that_stalls_times_out(serve: Serve) -> None:
    with pytest.raises(NotReady) as caught:
        recognise(hears(serve, stall), Clip(np.zeros(80, np.int16), 8_000), timeout_s=0.3)
    assert caught.value.code == "service-timeout"
    assert caught.value.hint == "june serve logs stt"


def test_a_server_that_stops_in_the_middle_is_lost() -> None:
    from concurrent.futures import ThreadPoolExecutor

    said, over = threading.Event(), threading.Event()

    def chunks(*_: Any) -> Iterator[Any]:
        yield tts_pb2.SynthesizeStreamResponse(audio=b"\1\0", sample_rate_hz=24_000)
        said.set()
        over.wait(10)

    server = grpc.server(ThreadPoolExecutor(2))
    tts_pb2_grpc.add_TextToSpeechServicer_to_server(Mouth(chunks), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def kill() -> None:
        said.wait(10)
        server.stop(grace=None)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with pytest.raises(JuneError) as caught:
            speak(f"127.0.0.1:{port}")
    finally:
        over.set()
        killer.join()
        server.stop(grace=None).wait()
    assert (type(caught.value), caught.value.code) == (NotReady, "service-lost")


def test_a_server_with_too_much_to_do_is_busy() -> None:
    from concurrent.futures import ThreadPoolExecutor

    busy, over = threading.Event(), threading.Event()

    def answer(*_: Any) -> Any:
        busy.set()
        over.wait(10)
        return asr_pb2.RecognizeResponse(text="late")

    server = grpc.server(ThreadPoolExecutor(1), maximum_concurrent_rpcs=1)
    asr_pb2_grpc.add_SpeechToTextServicer_to_server(Ears(answer), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    async def go() -> Transcript:
        async with Stt(f"127.0.0.1:{port}") as stt:
            first = asyncio.create_task(stt.recognise(CLIP))
            await asyncio.to_thread(busy.wait, 10)
            with pytest.raises(NotReady) as caught:
                await stt.recognise(CLIP)
            assert caught.value.code == "service-busy"
            over.set()
            return await first

    try:
        assert asyncio.run(go()).text == "late"
    finally:
        server.stop(grace=None).wait()


def test_a_clip_too_large_for_one_message_is_the_callers_problem(serve: Serve) -> None:
    address = hears(serve, lambda *_: asr_pb2.RecognizeResponse(text="heard"))
    with pytest.raises(BadInput) as caught:
        recognise(address, Clip(np.zeros(33 * 1024 * 1024, np.int16), 16_000))
    assert caught.value.code == "audio-too-long"


def test_a_listener_that_leaves_stops_the_voice(serve: Serve) -> None:
    stopped = threading.Event()

    def chunks(_: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        context.add_callback(stopped.set)
        while context.is_active():
            yield tts_pb2.SynthesizeStreamResponse(audio=b"\1\0", sample_rate_hz=24_000)
            time.sleep(0.01)

    address = speaks(serve, chunks)

    async def go() -> None:
        async with Tts(address) as tts:
            begun = asyncio.Event()

            async def listen() -> None:
                async for _ in tts.speak("Hello."):
                    begun.set()

            task = asyncio.create_task(listen())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(stopped.wait, 5)  # before the channel itself is closed

    asyncio.run(go())
