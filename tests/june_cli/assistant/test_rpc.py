"""June's errors over a real gRPC connection: type, code, message and hint arrive as they left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pytest

from june_cli.assistant.rpc import rebuilt
from june_cli.assistant.serving_grpc import explained
from june_cli.errors import JuneError, MachineLacks, NotReady, UsageProblem
from june_cli.proto import tts_pb2, tts_pb2_grpc

Serve = Callable[[Callable[[grpc.Server], None]], str]


class Failing(tts_pb2_grpc.TextToSpeechServicer):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def ListVoices(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        del request
        with explained(context):
            raise self._error

    def SynthesizeStream(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        del request
        with explained(context):
            yield tts_pb2.SynthesizeStreamResponse(text="one")
            raise self._error


def failure(serve: Serve, error: Exception, *, stream: bool = False) -> grpc.RpcError:
    address = serve(lambda server: tts_pb2_grpc.add_TextToSpeechServicer_to_server(Failing(error), server))
    with grpc.insecure_channel(address) as channel:
        stub = tts_pb2_grpc.TextToSpeechStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            if stream:
                list(stub.SynthesizeStream(tts_pb2.SynthesizeRequest(), timeout=10))
            else:
                stub.ListVoices(tts_pb2.ListVoicesRequest(), timeout=10)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (UsageProblem, grpc.StatusCode.INVALID_ARGUMENT),
        (MachineLacks, grpc.StatusCode.FAILED_PRECONDITION),
        (NotReady, grpc.StatusCode.UNAVAILABLE),
        (JuneError, grpc.StatusCode.INTERNAL),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_arrives_as_it_left(
    serve: Serve, kind: type[JuneError], status: grpc.StatusCode, *, stream: bool
) -> None:
    failed = failure(serve, kind("some-code", "It’s 50 % broken: ü\n🙂", hint="try “this”: ü"), stream=stream)
    assert failed.code() == status
    found = rebuilt(failed)
    assert found is not None
    assert type(found) is kind
    assert (found.code, found.message, found.hint) == (
        "some-code",
        "It’s 50 % broken: ü\n🙂",
        "try “this”: ü",
    )


def test_an_error_without_a_hint_arrives_without_one(serve: Serve) -> None:
    found = rebuilt(failure(serve, NotReady("a", "b")))
    assert found is not None
    assert found.hint == ""


def test_a_very_long_message_does_not_lose_the_code(serve: Serve) -> None:
    found = rebuilt(failure(serve, UsageProblem("voice-unknown", "v" * 50_000, hint="h" * 50_000)))
    assert found is not None
    assert (found.code, type(found)) == ("voice-unknown", UsageProblem)
    assert found.message.startswith("vvv")


def test_an_error_that_is_not_junes_is_not_made_one(serve: Serve) -> None:
    failed = failure(serve, ValueError("oops"))
    assert failed.code() == grpc.StatusCode.INTERNAL
    assert rebuilt(failed) is None
