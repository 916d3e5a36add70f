"""The speech-to-text service over real gRPC, with the real voice detector and a recogniser that counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from june_stt.recognisers import Heard, Samples
from june_stt.server import SpeechToText

from june_cli.assistant.audio import CODECS, Clip, Pcm, encode, resample
from june_cli.assistant.rpc import rebuilt
from june_cli.errors import BadInput, JuneError
from june_cli.proto import asr_pb2, asr_pb2_grpc

Serve = Callable[[Callable[[grpc.Server], None]], str]
SECOND = np.zeros(16_000, np.int16)


class Counting:
    """Says how long each stretch was that it was given."""

    name = "counting"

    def __init__(self, longest_s: float = 25.0) -> None:
        self.longest_s = longest_s
        self.given: list[Samples] = []
        self.before: Callable[[Callable[[], bool]], None] = lambda _: None
        self.text = "heard"

    def recognise(self, samples: Samples, stop: Callable[[], bool]) -> Heard:
        assert samples.dtype == np.float32
        assert np.abs(samples).max(initial=0) <= 1
        self.given.append(samples)
        self.before(stop)
        return Heard(f"{self.text} {len(self.given)}" if self.text else "", 0.5)


@pytest.fixture
def recogniser() -> Counting:
    return Counting()


@pytest.fixture
def stub(serve: Serve, recogniser: Counting) -> Iterator[Any]:
    address = serve(
        lambda server: asr_pb2_grpc.add_SpeechToTextServicer_to_server(SpeechToText(recogniser), server)
    )
    with grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)]) as channel:
        yield asr_pb2_grpc.SpeechToTextStub(channel)


def config(**fields: Any) -> Any:
    return asr_pb2.RecognizeConfig(**fields)


def recognize(stub: Any, audio: bytes | Pcm, **fields: Any) -> Any:
    data = audio if isinstance(audio, bytes) else audio.astype("<i2").tobytes()
    return stub.Recognize(asr_pb2.RecognizeRequest(config=config(**fields), audio=data), timeout=30)


def stream(stub: Any, messages: Iterable[Any]) -> list[Any]:
    return list(stub.RecognizeStream(iter(messages), timeout=30))


def live(pcm: Pcm, piece: int, **fields: Any) -> Iterator[Any]:
    data = pcm.astype("<i2").tobytes()
    yield asr_pb2.RecognizeStreamRequest(config=config(**fields))
    for at in range(0, len(data), piece):
        yield asr_pb2.RecognizeStreamRequest(audio=data[at : at + piece])


def refusal(call: Callable[[], Any]) -> JuneError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    found = rebuilt(caught.value)
    assert found is not None, caught.value
    return found


@pytest.mark.parametrize("rate_hz", [0, 8_000, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_speech_at_any_usual_rate_is_heard(
    stub: Any, recogniser: Counting, spoken: Pcm, rate_hz: int
) -> None:
    clip = resample(Clip(spoken, 16_000), rate_hz or 16_000)
    reply = recognize(stub, clip.pcm, sample_rate_hz=rate_hz)
    assert (reply.text, reply.model, reply.confidence) == ("heard 1", "counting", pytest.approx(0.5))
    assert reply.audio_s == pytest.approx(len(spoken) / 16_000, abs=0.02)
    assert reply.speech_s == pytest.approx(reply.audio_s)
    assert len(recogniser.given[0]) == pytest.approx(len(spoken), abs=300)


@pytest.mark.parametrize("kind", CODECS)
def test_a_whole_file_is_heard(stub: Any, spoken: Pcm, kind: str) -> None:
    reply = recognize(stub, encode(Clip(spoken, 16_000), kind), encoding=asr_pb2.CONTAINER)
    assert reply.text == "heard 1"
    assert reply.audio_s == pytest.approx(len(spoken) / 16_000, abs=0.2)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_silence_gives_no_text_and_nobody_is_asked(stub: Any, recogniser: Counting, rate_hz: int) -> None:
    reply = recognize(stub, np.zeros(rate_hz * 2, np.int16), sample_rate_hz=rate_hz)
    assert (reply.text, reply.confidence, reply.speech_s, len(reply.segments)) == ("", 0, 0, 0)
    assert reply.audio_s == pytest.approx(2.0)
    assert recogniser.given == []


def test_noise_gives_no_text(stub: Any, recogniser: Counting) -> None:
    noise = np.random.default_rng(1).normal(0, 300, 32_000).astype(np.int16)
    assert recognize(stub, noise).text == ""
    assert recogniser.given == []


def test_speech_in_which_nothing_is_recognised_gives_no_text(
    stub: Any, recogniser: Counting, spoken: Pcm
) -> None:
    recogniser.text = ""
    reply = recognize(stub, spoken)
    assert (reply.text, reply.confidence, len(reply.segments)) == ("", 0, 0)


def test_a_clip_longer_than_the_recogniser_takes_is_cut(stub: Any, recogniser: Counting, spoken: Pcm) -> None:
    recogniser.longest_s = 4.0
    reply = recognize(stub, np.concatenate([SECOND, spoken, SECOND, spoken, SECOND]))
    assert reply.text == "heard 1 heard 2"
    first, second = reply.segments
    assert first.start_s == pytest.approx(1.0, abs=0.5)
    assert first.end_s <= second.start_s
    assert reply.speech_s < reply.audio_s


def test_a_request_without_audio_is_refused(stub: Any) -> None:
    found = refusal(lambda: recognize(stub, b""))
    assert (type(found), found.code) == (BadInput, "audio-too-short")


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 192_000])
@pytest.mark.parametrize("size", [1, 2, 3, 9, 401])
def test_a_few_bytes_are_silence_or_refused(stub: Any, size: int, rate_hz: int) -> None:
    try:
        reply = recognize(stub, b"\1" * size, sample_rate_hz=rate_hz)
    except grpc.RpcError as error:
        found = rebuilt(error)
        assert found is not None, error
        assert found.code == "audio-too-short"
    else:
        assert reply.text == ""


def test_a_clip_that_is_too_long_is_refused(stub: Any) -> None:
    found = refusal(lambda: recognize(stub, bytes(2 * 8_000 * 601), sample_rate_hz=8_000))
    assert (type(found), found.code) == (BadInput, "audio-too-long")


def test_a_message_that_is_too_large_is_refused(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        recognize(stub, bytes(65 * 1024 * 1024), sample_rate_hz=192_000)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("rate_hz", [-1, 1, 7_999, 192_001, 2**31 - 1])
def test_a_rate_out_of_range_is_refused(stub: Any, rate_hz: int) -> None:
    assert refusal(lambda: recognize(stub, SECOND, sample_rate_hz=rate_hz)).code == "sample-rate"
    assert refusal(lambda: stream(stub, live(SECOND, 999, sample_rate_hz=rate_hz))).code == "sample-rate"


def test_an_unknown_encoding_is_refused(stub: Any) -> None:
    assert refusal(lambda: recognize(stub, SECOND, encoding=7)).code == "audio-format"
    assert refusal(lambda: stream(stub, live(SECOND, 999, encoding=7))).code == "stream-encoding"


def test_a_container_that_is_none_is_refused(stub: Any) -> None:
    found = refusal(lambda: recognize(stub, b"not audio" * 500, encoding=asr_pb2.CONTAINER))
    assert (type(found), found.code) == (BadInput, "audio-unreadable")
    assert found.hint


def test_a_stream_gives_a_final_result_for_each_utterance(stub: Any, spoken: Pcm) -> None:
    replies = stream(stub, live(np.concatenate([SECOND, spoken, SECOND, spoken]), 3_200))
    assert [(r.segment.text, r.is_final, r.model) for r in replies] == [
        ("heard 1", True, "counting"),
        ("heard 2", True, "counting"),
    ]
    assert replies[0].segment.start_s == pytest.approx(1.0, abs=0.5)
    assert replies[0].segment.end_s <= replies[1].segment.start_s


@pytest.mark.parametrize("piece", [1, 333, 64_001])
def test_chunks_of_any_size_give_the_same_result(
    stub: Any, recogniser: Counting, spoken: Pcm, piece: int
) -> None:
    clip = spoken[: 8_000 if piece == 1 else None]
    stream(stub, live(clip, 32_000))
    stream(stub, live(clip, piece))
    first, second = recogniser.given
    assert np.array_equal(first, second)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_a_stream_at_another_rate_is_heard(
    stub: Any, recogniser: Counting, spoken: Pcm, rate_hz: int
) -> None:
    clip = resample(Clip(spoken, 16_000), rate_hz)
    replies = stream(stub, live(clip.pcm, 1_001, sample_rate_hz=rate_hz))
    assert [r.is_final for r in replies] == [True]
    assert len(recogniser.given[0]) == pytest.approx(len(spoken), rel=0.2)


def test_interim_results_come_only_when_asked_for(stub: Any, spoken: Pcm) -> None:
    assert [r.is_final for r in stream(stub, live(spoken, 1_600))] == [True]
    replies = stream(stub, live(spoken, 1_600, interim_results=True))
    assert [r.is_final for r in replies[:-1]] == [False] * (len(replies) - 1)
    assert len(replies) > 2
    assert replies[-1].is_final
    ends = [r.segment.end_s for r in replies]
    assert ends == sorted(ends)


def test_results_come_while_the_stream_is_still_open(stub: Any, spoken: Pcm) -> None:
    heard = threading.Event()

    def messages() -> Iterator[Any]:
        yield from live(np.concatenate([spoken, SECOND]), 3_200)
        assert heard.wait(20)
        yield from list(live(spoken, 3_200))[1:]

    replies = []
    for reply in stub.RecognizeStream(messages(), timeout=30):
        replies.append(reply)
        heard.set()
    assert [r.is_final for r in replies] == [True, True]


@pytest.mark.parametrize("count", [0, 1])
def test_a_stream_without_a_config_is_refused(stub: Any, count: int) -> None:
    messages = [asr_pb2.RecognizeStreamRequest(audio=b"\0\0")] * count
    assert refusal(lambda: stream(stub, messages)).code == "stream-without-config"


def test_a_stream_of_files_is_refused(stub: Any) -> None:
    found = refusal(lambda: stream(stub, live(SECOND, 999, encoding=asr_pb2.CONTAINER)))
    assert found.code == "stream-encoding"


@pytest.mark.parametrize("pcm", [SECOND, SECOND[:0], SECOND[:1]])
def test_a_silent_stream_gives_nothing(stub: Any, recogniser: Counting, pcm: Pcm) -> None:
    assert stream(stub, live(pcm, 999)) == []
    assert stream(stub, live(pcm, 999, sample_rate_hz=48_000, interim_results=True)) == []
    assert recogniser.given == []


@pytest.mark.parametrize("in_stream", [False, True])
def test_a_caller_that_leaves_stops_the_recogniser(
    stub: Any, recogniser: Counting, spoken: Pcm, *, in_stream: bool
) -> None:
    begun, stopped = threading.Event(), threading.Event()

    def until_told(stop: Callable[[], bool]) -> None:
        begun.set()
        for _ in range(500):
            if stop():
                stopped.set()
                return
            threading.Event().wait(0.02)

    recogniser.before = until_told
    if in_stream:
        call = stub.RecognizeStream(live(spoken, 3_200))
    else:
        call = stub.Recognize.future(asr_pb2.RecognizeRequest(config=config(), audio=spoken.tobytes()))
    assert begun.wait(10)
    call.cancel()
    assert stopped.wait(10)


def test_two_callers_are_heard_one_after_the_other(stub: Any, recogniser: Counting, spoken: Pcm) -> None:
    at_once, most = [], []

    def count(_: Callable[[], bool]) -> None:
        at_once.append(1)
        most.append(len(at_once))
        threading.Event().wait(0.1)
        at_once.pop()

    recogniser.before = count
    request = asr_pb2.RecognizeRequest(config=config(), audio=spoken.tobytes())
    replies = [call.result(timeout=30) for call in [stub.Recognize.future(request) for _ in range(3)]]
    assert sorted(r.text for r in replies) == ["heard 1", "heard 2", "heard 3"]
    assert most == [1, 1, 1]
