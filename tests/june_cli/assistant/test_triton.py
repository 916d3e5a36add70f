"""The client of Triton against a scripted server: what it asks, reads, and makes of trouble."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from june_cli.assistant.llm import CHARACTERS_PER_TOKEN, Delta, Message, OpenAiChat, Sampling, connect
from june_cli.assistant.template import ChatTemplate
from june_cli.assistant.triton import TritonChat
from june_cli.errors import JuneError, NotReady, UsageProblem

if TYPE_CHECKING:
    from tests.june_cli.assistant.conftest import Call, Server, Start

HELLO = [Message("system", "Be brief."), Message("user", "Hello?")]
TEMPLATE = ChatTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>", "test")


def ask(
    server: Server, sampling: Sampling | None = None, template: ChatTemplate = TEMPLATE, **options: Any
) -> list[Delta]:
    async def asked() -> list[Delta]:
        async with TritonChat(server.address, "tiny", template, **options) as llm:
            return [delta async for delta in llm.stream(HELLO, sampling or Sampling())]

    return asyncio.run(asked())


def text(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas)


def write(call: Call, *texts: str, finish: str = "stop", **more: Any) -> None:
    """A stream as llmapi's: each event has the whole text so far, the last one the reason."""
    call.begin()
    for so_far in texts:
        call.event(model_name="tiny", model_version="1", text_output=so_far, finish_reason="None")
    call.event(model_name="tiny", text_output=texts[-1] if texts else "", finish_reason=finish, **more)
    call.end(done=False)


def good(call: Call) -> None:
    write(call, "Good ", "Good morning, ö.", num_output_tokens=4)


def test_an_answer_comes_in_pieces_and_ends_with_its_reason(start: Start) -> None:
    assert ask(start(good)) == [Delta("Good "), Delta("morning, ö."), Delta(finish="stop", tokens=4)]


def test_the_request_says_all_it_must(start: Start) -> None:
    server = start(good)
    ask(server, Sampling(max_tokens=7, temperature=1, seed=-1))
    path, _, body = server.requests[0]
    assert path == "/v2/models/tiny/generate_stream"
    assert body == {
        "text_input": "<system>Be brief.<user>Hello?<assistant>",
        "streaming": True,
        "sampling_param_max_tokens": 7,
        "sampling_param_temperature": 1.0,
        "sampling_param_top_p": 0.95,
        "sampling_param_seed": 2**64 - 1,
        "sampling_param_exclude_input_from_output": True,
        "return_finish_reason": True,
        "return_num_output_tokens": True,
    }


def test_a_name_that_triton_cannot_bear_is_the_one_it_is_served_under(start: Start) -> None:
    server = start(good)

    async def asked() -> None:
        async with TritonChat(server.address, "My Model (1)", TEMPLATE) as llm:
            assert [d async for d in llm.stream(HELLO, Sampling())]

    asyncio.run(asked())
    assert server.requests[0][0] == "/v2/models/My-Model-1-/generate_stream"


def test_a_text_that_does_not_grow_adds_nothing(start: Start) -> None:
    deltas = ask(start(lambda call: write(call, "", "ha", "ha", "haha", "ha")))
    assert [d.text for d in deltas if d.text] == ["ha", "ha"]


def test_a_server_that_streams_pieces_is_understood_too(start: Start) -> None:
    deltas = ask(start(lambda call: write(call, "Good ", "morning", ", ", "Good ", "")))
    assert "".join(d.text for d in deltas) == "Good morning, Good "


def test_half_a_character_waits_for_its_other_half(start: Start) -> None:
    deltas = ask(start(lambda call: write(call, "caf\ufffd", "café", "café ol\ufffd\ufffd", "café olé")))
    assert "".join(d.text for d in deltas) == "café olé"


def test_reasoning_is_kept_apart_also_when_the_template_opens_it(start: Start) -> None:
    def script(call: Call) -> None:
        write(call, "hm", "hm</th", "hm</think>Yes.")

    thinking = ChatTemplate(TEMPLATE.source + "<think>\n", "test")
    deltas = ask(start(script), template=thinking)
    assert (text(deltas), "".join(d.reasoning for d in deltas)) == ("Yes.", "hm")
    deltas = ask(start(lambda call: write(call, "<think>hm</think>Yes.")))
    assert (text(deltas), "".join(d.reasoning for d in deltas)) == ("Yes.", "hm")


def test_a_server_that_ignores_max_tokens_is_cut_off(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        said = ""
        while True:
            said += "x" * 500
            call.event(text_output=said)

    server = start(script)
    deltas = ask(server, Sampling(max_tokens=100))
    assert deltas[-1].finish == "length"
    assert len(text(deltas)) < 100 * CHARACTERS_PER_TOKEN + 1_000
    assert server.left.wait(5)


def test_a_stream_that_falls_silent_times_out(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.event(text_output="Good", finish_reason="None")
        call.server.over.wait(20)

    began = time.monotonic()
    with pytest.raises(NotReady) as caught:
        ask(start(script), idle_s=0.3)
    assert (caught.value.code, caught.value.hint) == ("llm-timeout", "june serve restart llm")
    assert time.monotonic() - began < 5


def slow(call: Call) -> None:
    call.begin()
    said = ""
    while not call.server.over.wait(0.05):
        said += "and "
        call.event(text_output=said)


def test_a_stream_that_never_ends_meets_the_deadline(start: Start) -> None:
    server = start(slow)
    with pytest.raises(NotReady) as caught:
        ask(server, idle_s=5, deadline_s=0.5)
    assert caught.value.code == "llm-timeout"
    assert server.left.wait(5)


def test_a_reader_that_leaves_closes_the_connection(start: Start) -> None:
    server = start(slow)

    async def asked() -> None:
        async with TritonChat(server.address, "tiny", TEMPLATE) as llm:
            async with aclosing(llm.stream(HELLO, Sampling())) as deltas:
                assert (await anext(deltas)).text
            assert await asyncio.to_thread(server.left.wait, 5)

    asyncio.run(asked())


def test_a_stream_without_a_reason_is_a_lost_service(start: Start) -> None:
    with pytest.raises(NotReady) as caught:
        ask(start(lambda call: write(call, "Good mor", finish="None")))
    assert (caught.value.code, caught.value.hint) == ("service-lost", "june serve restart llm")


@pytest.mark.parametrize("reason", ["cancelled", "timeout"])
def test_an_answer_that_was_given_up_is_no_answer(start: Start, reason: str) -> None:
    with pytest.raises(NotReady, match=reason):
        ask(start(lambda call: write(call, "Good mor", finish=reason)))


def test_a_connection_that_breaks_is_a_lost_service(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.event(text_output="Good mor")
        call.connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(NotReady) as caught:
        ask(start(script))
    assert caught.value.code == "service-lost"


STUB = "Stub process 'tiny_0_0' is not healthy."


@pytest.mark.parametrize(
    ("status", "said", "kind", "code"),
    [
        (400, STUB, NotReady, "service-lost"),
        (404, "Request for unknown model: 'tiny' has no available versions", NotReady, "model-not-loaded"),
        (404, "Request for unknown model: 'tiny' is not found", NotReady, "model-not-loaded"),
        (503, "Server is stopping", NotReady, "service-busy"),
        (400, "too many requests at once", NotReady, "service-busy"),
        (
            400,
            "request (9 tokens) exceeds the available context size (4 tokens)",
            UsageProblem,
            "text-too-long",
        ),
        (400, "should not exceed max_seq_len", UsageProblem, "text-too-long"),
        (400, "sampling_param_top_p must be a number", JuneError, "llm-refused"),
        (500, "failed to parse the request JSON buffer", JuneError, "llm-refused"),
        (200, "generate expects model to produce exactly 1 response", JuneError, "llm-refused"),
    ],
)
@pytest.mark.parametrize("form", ["json", "event"])
def test_a_refusal_says_what_to_do_whatever_its_form(
    start: Start, status: int, said: str, kind: type[JuneError], code: str, form: str
) -> None:
    import json

    body = json.dumps({"error": said})
    answer = (body, "application/json") if form == "json" else (f"data: {body}\n\n", "text/event-stream")
    with pytest.raises(JuneError) as caught:
        ask(start(lambda call: call.body(status, *answer)))
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert said in caught.value.message


def test_an_error_in_the_middle_of_a_stream_is_an_error(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.event(text_output="Good")
        call.event(error=STUB)
        call.end(done=False)

    with pytest.raises(NotReady, match="not healthy"):
        ask(start(script))


@pytest.mark.parametrize(
    "data", ["{not json", "[1]", "7", '{"text_output": 5}', "{}", '{"text_output": "a", "finish_reason": 5}']
)
def test_an_event_of_another_shape_is_an_error_of_june(start: Start, data: str) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.raw(f"data: {data}\n\n")
        call.end(done=False)

    with pytest.raises(JuneError) as caught:
        ask(start(script))
    assert caught.value.code == "llm-refused"


def test_a_web_page_is_no_answer(start: Start) -> None:
    with pytest.raises(JuneError, match="It works"):
        ask(start(lambda call: call.body(200, "<html>It works</html>", "text/html")))


def test_a_service_gets_the_client_it_calls_for(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("x", "utf-8")
    assert isinstance(connect("openai", "127.0.0.1:1", "tiny", None), OpenAiChat)
    assert isinstance(connect("triton", "127.0.0.1:1", "tiny", tmp_path), TritonChat)
    for api, folder in (("grpc", tmp_path), ("triton", None)):
        with pytest.raises(JuneError) as caught:
            connect(api, "127.0.0.1:1", "tiny", folder)
        assert caught.value.code == "llm-unknown"
