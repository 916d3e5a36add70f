"""The language model's client against a scripted server: good answers, refusals, silence and sudden death."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from june_cli.assistant.llm import CHARACTERS_PER_TOKEN, Delta, Message, OpenAiChat, Sampling
from june_cli.errors import JuneError, NotReady, UsageProblem

if TYPE_CHECKING:
    from tests.june_cli.assistant.conftest import Call, Start

HELLO = [Message("system", "Be brief."), Message("user", "Hello?")]


def ask(url: str, sampling: Sampling | None = None, **options: Any) -> list[Delta]:
    async def asked() -> list[Delta]:
        async with OpenAiChat(url, "tiny", **options) as llm:
            return [delta async for delta in llm.stream(HELLO, sampling or Sampling())]

    return asyncio.run(asked())


def text(deltas: list[Delta]) -> str:
    return "".join(d.text for d in deltas)


def reasoning(deltas: list[Delta]) -> str:
    return "".join(d.reasoning for d in deltas)


def good(call: Call) -> None:
    call.begin()
    call.delta(role="assistant", content="")
    call.delta(content="Good ")
    call.delta(content="morning, ö.")
    call.delta("stop")
    call.event(choices=[], usage={"prompt_tokens": 9, "completion_tokens": 4})
    call.end()


def test_an_answer_comes_in_pieces_and_ends_with_its_reason(start: Start) -> None:
    deltas = ask(start(good).url)
    assert deltas == [Delta("Good "), Delta("morning, ö."), Delta(finish="stop", tokens=4)]


def test_the_request_says_all_it_must(start: Start) -> None:
    server = start(good)
    ask(server.url, Sampling(max_tokens=7, temperature=0.5), api_key="s3cret")
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer s3cret"
    assert body["max_tokens"] == 7
    assert (body["model"], body["stream"], body["temperature"]) == ("tiny", True, 0.5)
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
    ]
    assert "seed" not in body


def test_max_tokens_is_sent_without_being_asked_for(start: Start) -> None:
    server = start(good)
    ask(server.url)
    assert server.requests[0][2]["max_tokens"] == Sampling().max_tokens


def test_reasoning_in_a_field_of_its_own_is_kept_apart(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta(reasoning_content="Let me ")
        call.delta(reasoning="think.")
        call.delta(content="Yes.")
        call.delta("stop")
        call.end()

    deltas = ask(start(script).url)
    assert (text(deltas), reasoning(deltas)) == ("Yes.", "Let me think.")


def test_reasoning_in_think_tags_is_kept_apart(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        for piece in ("<th", "ink>hm", "</think", ">Yes."):
            call.delta(content=piece)
        call.delta("stop")
        call.end()

    deltas = ask(start(script).url)
    assert (text(deltas), reasoning(deltas)) == ("Yes.", "hm")


def test_the_end_of_the_text_is_not_held_back(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta("stop", content="1 <th")
        call.end()

    assert text(ask(start(script).url)) == "1 <th"


def test_an_answer_without_done_is_whole_when_it_has_a_reason(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta("length", content="Yes")
        call.end(done=False)

    assert ask(start(script).url)[-1].finish == "length"


def test_comments_and_odd_chunks_are_passed_over(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.raw(": ping\n\n")
        call.event(choices=None, usage=None)
        call.event(choices=[{"delta": None, "finish_reason": None}])
        call.event(choices=[{"delta": {"content": None}}])
        call.delta("stop", content="Yes.")
        call.end()

    assert text(ask(start(script).url)) == "Yes."


def test_a_server_that_ignores_max_tokens_is_cut_off(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        while True:
            call.delta(content="x" * 500)

    server = start(script)
    deltas = ask(server.url, Sampling(max_tokens=100))
    assert deltas[-1].finish == "length"
    assert len(text(deltas)) < 100 * CHARACTERS_PER_TOKEN + 1_000
    assert server.left.wait(5)


def test_a_server_that_dies_in_the_middle_is_lost(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta(content="Good mor")
        call.connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(NotReady) as caught:
        ask(start(script).url)
    assert caught.value.code == "service-lost"
    assert caught.value.hint


def test_an_answer_that_just_ends_is_a_lost_service(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta(content="Good mor")
        call.end(done=False)

    with pytest.raises(NotReady) as caught:
        ask(start(script).url)
    assert caught.value.code == "service-lost"


def test_nobody_listening_is_a_lost_service() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(NotReady) as caught:
        ask(f"http://127.0.0.1:{port}/v1")
    assert caught.value.code == "service-lost"


def test_a_silent_server_times_out(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta(content="Good")
        call.server.over.wait(20)

    began = time.monotonic()
    with pytest.raises(NotReady) as caught:
        ask(start(script).url, idle_s=0.3)
    assert caught.value.code == "llm-timeout"
    assert time.monotonic() - began < 5


def test_a_server_that_never_begins_times_out(start: Start) -> None:
    with pytest.raises(NotReady) as caught:
        ask(start(lambda call: call.server.over.wait(20) and None).url, idle_s=0.3)
    assert caught.value.code == "llm-timeout"


def slow(call: Call) -> None:
    call.begin()
    while not call.server.over.wait(0.05):
        call.delta(content="and ")


def test_a_server_that_never_ends_meets_the_deadline(start: Start) -> None:
    server = start(slow)
    with pytest.raises(NotReady) as caught:
        ask(server.url, idle_s=5, deadline_s=0.5)
    assert caught.value.code == "llm-timeout"
    assert server.left.wait(5)


def test_a_deadline_that_passes_while_the_reader_is_busy_is_a_timeout_too(start: Start) -> None:
    url = start(slow).url

    async def asked() -> None:
        async with OpenAiChat(url, "tiny", idle_s=5, deadline_s=0.5) as llm:
            async with aclosing(llm.stream(HELLO, Sampling())) as deltas:
                async for _ in deltas:
                    await asyncio.sleep(1.0)

    with pytest.raises(NotReady) as caught:
        asyncio.run(asked())
    assert caught.value.code == "llm-timeout"


def test_a_reader_that_leaves_closes_the_connection(start: Start) -> None:
    server = start(slow)

    async def asked() -> None:
        async with OpenAiChat(server.url, "tiny") as llm:
            async with aclosing(llm.stream(HELLO, Sampling())) as deltas:
                assert (await anext(deltas)).text
            assert await asyncio.to_thread(server.left.wait, 5)  # before the client itself is closed

    asyncio.run(asked())


def test_a_cancelled_task_closes_the_connection(start: Start) -> None:
    server = start(slow)

    async def asked() -> None:
        async with OpenAiChat(server.url, "tiny") as llm:
            begun = asyncio.Event()

            async def read() -> None:
                async for _ in llm.stream(HELLO, Sampling()):
                    begun.set()

            task = asyncio.create_task(read())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(server.left.wait, 5)

    asyncio.run(asked())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "out of memory", "code": 500}}', "out of memory"),
        ('{"error": "out of memory"}', "out of memory"),
        ("plain words", "plain words"),
        ('["a", "list"]', "a"),
        ("", "an empty body"),
    ],
)
def test_a_failure_is_told_in_the_servers_words(start: Start, body: str, said: str) -> None:
    with pytest.raises(JuneError, match=said) as caught:
        ask(start(lambda call: call.body(500, body)).url)
    assert (caught.value.code, type(caught.value)) == ("llm-refused", JuneError)
    assert "500" in caught.value.message


def test_a_huge_error_body_is_told_in_short(start: Start) -> None:
    with pytest.raises(JuneError) as caught:
        ask(start(lambda call: call.body(500, "x" * 3_000_000)).url)
    assert len(caught.value.message) < 500


def test_an_error_with_status_200_is_an_error(start: Start) -> None:
    with pytest.raises(JuneError, match="no such model") as caught:
        ask(start(lambda call: call.body(200, '{"error": {"message": "no such model"}}')).url)
    assert caught.value.code == "llm-refused"


def test_a_web_page_is_no_answer(start: Start) -> None:
    with pytest.raises(JuneError) as caught:
        ask(start(lambda call: call.body(200, "<html>It works</html>", "text/html")).url)
    assert caught.value.code == "llm-refused"


def test_an_error_inside_the_stream_is_an_error(start: Start) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta(content="Good")
        call.event(error={"message": "the GPU is gone"})
        call.end()

    with pytest.raises(JuneError, match="the GPU is gone") as caught:
        ask(start(script).url)
    assert caught.value.code == "llm-refused"


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_is_loading_or_busy_is_not_ready(start: Start, status: int) -> None:
    with pytest.raises(NotReady, match="loading") as caught:
        ask(start(lambda call: call.body(status, '{"error": {"message": "loading model"}}')).url)
    assert caught.value.code == "service-busy"


@pytest.mark.parametrize(
    "said", ["the request exceeds the available context size", "maximum context length is 2048 tokens"]
)
def test_messages_that_do_not_fit_are_the_callers_problem(start: Start, said: str) -> None:
    body = json.dumps({"error": {"message": said}})
    with pytest.raises(UsageProblem, match=said) as caught:
        ask(start(lambda call: call.body(400, body)).url)
    assert caught.value.code == "text-too-long"


@pytest.mark.parametrize(
    "data",
    [
        "{not json",
        "[1, 2]",
        "7",
        "null",
        '{"choices": [1]}',
        '{"choices": {"a": 1}}',
        '{"choices": [{"delta": "text"}]}',
        '{"choices": [{"delta": {"content": 5}}]}',
        '{"choices": [], "usage": 7}',
        '{"choices": [], "usage": {"completion_tokens": "many"}}',
    ],
)
def test_an_event_of_another_shape_is_an_error_of_june(start: Start, data: str) -> None:
    def script(call: Call) -> None:
        call.begin()
        call.delta(content="Good")
        call.raw(f"data: {data}\n\n")
        call.delta("stop")
        call.end()

    with pytest.raises(JuneError) as caught:
        ask(start(script).url)
    assert caught.value.code == "llm-refused"


def test_two_questions_on_one_client_both_get_answers(start: Start) -> None:
    url = start(good).url

    async def asked() -> list[str]:
        async with OpenAiChat(url, "tiny") as llm:

            async def one() -> str:
                return text([delta async for delta in llm.stream(HELLO, Sampling())])

            return await asyncio.gather(one(), one())

    assert asyncio.run(asked()) == ["Good morning, ö."] * 2
