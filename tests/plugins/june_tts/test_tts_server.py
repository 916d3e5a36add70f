"""The text-to-speech service over real gRPC, with a synthesiser that makes constant sound."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
from june_tts.server import MAX_CHARACTERS, TextToSpeech
from june_tts.synthesisers import Sound, Voice

from june_cli.assistant.rpc import MAX_MESSAGE_BYTES, rebuilt
from june_cli.errors import JuneError, UsageProblem
from june_cli.proto import tts_pb2, tts_pb2_grpc

Serve = Callable[[Callable[[grpc.Server], None]], str]


class Humming:
    """Ten samples a character; symbols are silent."""

    name = "humming"
    rate_hz = 24_000
    voices = (Voice("heart", "en-US", "warm"), Voice("head", "en-GB", "cool"))

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float, int]] = []
        self.before: Callable[[], None] = lambda: None
        self.level = 0.5
        self.per_character = 10

    def speak(self, sentence: str, voice: str, speed: float, seed: int) -> Sound:
        self.asked.append((sentence, voice, speed, seed))
        self.before()
        count = self.per_character * sum(c.isalnum() for c in sentence)
        return np.full(count, self.level, np.float32)


@pytest.fixture
def synthesiser() -> Humming:
    return Humming()


@pytest.fixture
def stub(serve: Serve, synthesiser: Humming) -> Iterator[Any]:
    address = serve(
        lambda server: tts_pb2_grpc.add_TextToSpeechServicer_to_server(TextToSpeech(synthesiser), server)
    )
    limit = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    with grpc.insecure_channel(address, options=limit) as channel:
        yield tts_pb2_grpc.TextToSpeechStub(channel)


def whole(stub: Any, text: str, **fields: Any) -> Any:
    return stub.Synthesize(tts_pb2.SynthesizeRequest(text=text, **fields), timeout=30)


def chunks(stub: Any, text: str, **fields: Any) -> list[Any]:
    return list(stub.SynthesizeStream(tts_pb2.SynthesizeRequest(text=text, **fields), timeout=30))


def refusal(call: Callable[[], Any]) -> JuneError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    found = rebuilt(caught.value)
    assert found is not None, caught.value
    return found


BOTH = pytest.mark.parametrize("way", [whole, chunks])


def test_text_becomes_sound(stub: Any) -> None:
    reply = whole(stub, "Hello there. You.")
    assert (reply.sample_rate_hz, reply.voice, reply.model) == (24_000, "heart", "humming")
    assert set(np.frombuffer(reply.audio, "<i2")) == {16_383}
    assert len(reply.audio) == 2 * 10 * 13


def test_a_chunk_is_a_sentence(stub: Any) -> None:
    found = chunks(stub, "Hello there. Dr. Who? You!")
    assert [(c.index, c.text) for c in found] == [(0, "Hello there."), (1, "Dr. Who?"), (2, "You!")]
    assert [len(c.audio) // 20 for c in found] == [10, 5, 3]
    assert {c.sample_rate_hz for c in found} == {24_000}


def test_a_chunk_is_sent_before_the_next_is_spoken(stub: Any, synthesiser: Humming) -> None:
    arrived = threading.Event()

    def wait_for_the_first() -> None:
        assert len(synthesiser.asked) == 1 or arrived.wait(10)

    synthesiser.before = wait_for_the_first
    texts = []
    for chunk in stub.SynthesizeStream(tts_pb2.SynthesizeRequest(text="One. Two."), timeout=30):
        texts.append(chunk.text)
        arrived.set()
    assert texts == ["One.", "Two."]


def test_voice_speed_and_seed_reach_the_synthesiser(stub: Any, synthesiser: Humming) -> None:
    whole(stub, "One.", voice="head", speed=1.5, seed=7)
    whole(stub, "Two.")
    assert synthesiser.asked == [("One.", "head", 1.5, 7), ("Two.", "heart", 1.0, 0)]


@pytest.mark.parametrize("level", [1.5, -3.0])
def test_sound_beyond_full_scale_is_clipped_and_does_not_wrap(
    stub: Any, synthesiser: Humming, level: float
) -> None:
    synthesiser.level = level
    assert set(np.frombuffer(whole(stub, "One.").audio, "<i2")) == {int(np.sign(level)) * 32_767}


@BOTH
@pytest.mark.parametrize("text", ["", "   ", "\n\t\n"])
def test_no_text_is_refused(stub: Any, way: Callable[..., Any], text: str) -> None:
    found = refusal(lambda: way(stub, text))
    assert (type(found), found.code) == (UsageProblem, "text-empty")


@BOTH
def test_too_much_text_is_refused_before_a_word_is_spoken(
    stub: Any, synthesiser: Humming, way: Callable[..., Any]
) -> None:
    found = refusal(lambda: way(stub, "a " * (MAX_CHARACTERS // 2) + "b"))
    assert found.code == "text-too-long"
    assert "20,001" in found.message
    assert synthesiser.asked == []


def test_the_longest_text_is_spoken(stub: Any, synthesiser: Humming) -> None:
    text = "Hello, you. " * 5_000
    chunks(stub, text[:MAX_CHARACTERS])
    assert "".join(a[0] for a in synthesiser.asked).replace(" ", "") == text[:MAX_CHARACTERS].replace(" ", "")


@BOTH
@pytest.mark.parametrize("speed", [0.49, 2.01, -1.0, float("inf"), float("nan")])
def test_a_speed_out_of_range_is_refused(stub: Any, way: Callable[..., Any], speed: float) -> None:
    assert refusal(lambda: way(stub, "Hello.", speed=speed)).code == "speed-range"


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_the_ends_of_the_range_of_speed_are_allowed(stub: Any, synthesiser: Humming, speed: float) -> None:
    whole(stub, "Hello.", speed=speed)
    assert synthesiser.asked[0][2] == speed


@BOTH
def test_an_unknown_voice_is_refused_with_the_known_ones(stub: Any, way: Callable[..., Any]) -> None:
    found = refusal(lambda: way(stub, "Hello.", voice="foot"))
    assert (type(found), found.code) == (UsageProblem, "voice-unknown")
    assert "heart" in found.hint


@BOTH
def test_an_unknown_voice_with_an_endless_name_is_refused_too(stub: Any, way: Callable[..., Any]) -> None:
    assert refusal(lambda: way(stub, "Hello.", voice="f" * 50_000)).code == "voice-unknown"


@BOTH
@pytest.mark.parametrize("text", ["***", "... !!! ...", "🙂"])
def test_text_that_cannot_be_spoken_is_refused(stub: Any, way: Callable[..., Any], text: str) -> None:
    found = refusal(lambda: way(stub, text))
    assert (type(found), found.code) == (UsageProblem, "text-unspeakable")


def test_a_sentence_that_cannot_be_spoken_among_others_is_passed_over(stub: Any) -> None:
    found = chunks(stub, "One. *** ! Two.")
    assert [(c.index, c.text) for c in found] == [(0, "One."), (1, "Two.")]


def test_more_speech_than_one_answer_carries_is_explained(stub: Any, synthesiser: Humming) -> None:
    synthesiser.per_character = 400_000
    found = refusal(lambda: whole(stub, "a" * 100))
    assert (type(found), found.code) == (UsageProblem, "text-too-long")


@BOTH
def test_a_caller_that_leaves_stops_the_work(
    stub: Any, synthesiser: Humming, way: Callable[..., Any]
) -> None:
    begun, go_on, second = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        if len(synthesiser.asked) > 1:
            second.set()
        begun.set()
        go_on.wait(10)

    synthesiser.before = hold
    request = tts_pb2.SynthesizeRequest(text="One. " * 50)
    call = stub.Synthesize.future(request) if way is whole else stub.SynthesizeStream(request)
    assert begun.wait(10)
    call.cancel()
    threading.Event().wait(0.3)  # the news has to reach the server
    go_on.set()
    assert not second.wait(0.5)
    assert len(synthesiser.asked) == 1


def test_two_callers_are_served_one_after_the_other(stub: Any, synthesiser: Humming) -> None:
    at_once, most = [], []

    def count() -> None:
        at_once.append(1)
        most.append(len(at_once))
        threading.Event().wait(0.05)
        at_once.pop()

    synthesiser.before = count
    calls = [stub.Synthesize.future(tts_pb2.SynthesizeRequest(text="One.")) for _ in range(4)]
    assert [len(call.result(timeout=30).audio) for call in calls] == [60] * 4
    assert most == [1] * 4


def test_the_voices_are_listed_the_default_first(stub: Any) -> None:
    reply = stub.ListVoices(tts_pb2.ListVoicesRequest(), timeout=10)
    assert (reply.model, reply.sample_rate_hz) == ("humming", 24_000)
    assert [(v.name, v.language, v.description, v.is_default) for v in reply.voices] == [
        ("heart", "en-US", "warm", True),
        ("head", "en-GB", "cool", False),
    ]
